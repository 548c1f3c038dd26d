"""TLS handshakes per second: ``wrk`` with a new connection and one request each, 8 at once, the server in another
process. Both servers have the same certificate, and neither takes up a session again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import trustme

from .. import secure
from ..peers import ENGINE, RAW_TLS, Peer, Running
from ..plan import Figure, Plan, UnavailableError, interleave
from ..serving import serve
from .load import Shape, read, wrk

STARTS: dict[str, Callable[..., Running]] = {RAW_TLS: secure.RawTLSServer, ENGINE: secure.engine}


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    if shutil.which("wrk") is None:
        raise UnavailableError("wrk is not installed")
    shape = Shape("tls", "TLS handshakes, 8 at once", 8, keep_alive=False)
    takers = [Peer(RAW_TLS, lambda: secure.RawTLSServer(str(certificate))), *(p for p in peers if p.name == ENGINE)]
    with tempfile.TemporaryDirectory() as directory:
        certificate = Path(directory, "server.pem")
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)

        def turn(peer: Peer) -> list[float]:
            with serve(STARTS[peer.name], str(certificate)) as server:
                url = server.url.replace("http:", "https:")
                return read(wrk(url, shape, plan.seconds), f"tls: {peer.name}", plan)[:1]

        return interleave([Figure(shape.key, shape.title, "1/s", "higher")], takers, plan, turn)
