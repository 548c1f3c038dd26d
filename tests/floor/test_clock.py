"""The clock is the test's to freeze, to turn, and to replace; what the server waits by is not."""

import pytest

from tests.floor.conftest import Floor

FREEZERS = {
    "freezegun": "from freezegun import freeze_time as frozen",
    "time_machine": "import time_machine\ndef frozen(when): return time_machine.travel(when, tick=False)",
    "mock": """
import contextlib
@contextlib.contextmanager
def frozen(when):
    with mock.patch("time.monotonic", return_value=1.0), mock.patch("time.time", return_value=1.0):
        yield
""",
}
freezers = pytest.mark.parametrize("freezer", FREEZERS.values(), ids=FREEZERS)


def test_times_that_run_out_are_not_taken_by_the_server(floor: Floor) -> None:
    floor("""
@pytest.mark.parametrize("name", ["time.monotonic", "time.time", "time.perf_counter"])
def test_retries(httpserve, name):
    httpserve.on("GET", "/a").respond(text="well")
    with mock.patch(name, side_effect=[0.0, 1.0, 100.0]):
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", httpserve.port)) as client:  # http.client takes none, either
                client.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
                assert b"".join(iter(lambda: client.recv(1000), b"")).endswith(b"well")
        module, name = name.split(".")
        assert [getattr(time, name)() for _ in range(3)] == [0.0, 1.0, 100.0]
""", passed=3)  # fmt: skip


@freezers
def test_delays_end(floor: Floor, freezer: str) -> None:
    floor(freezer + """
def test_it(httpserve):
    httpserve.on("GET", "/delay").respond(text="well", delay=0.05)
    httpserve.on("GET", "/throttle").respond(body=b"a" * 1000, throttle=20_000)
    with frozen("2031-05-01"):
        assert fetch(httpserve.url_for("/delay")) == (200, "well")
        assert fetch(httpserve.url_for("/throttle")) == (200, "a" * 1000)
""")  # fmt: skip


@freezers
def test_timeouts_come(floor: Floor, freezer: str) -> None:
    floor(freezer + """
@pytest.fixture
def httpserve_config():
    return {"timeout": 0.5}

def test_it(httpserve):
    with frozen("2031-05-01"):
        with socket.create_connection(("127.0.0.1", httpserve.port), timeout=20) as client:
            client.sendall(b"GET /a HTTP/1.1\\r\\n")
            assert b" 408 " in client.recv(1000)
    httpserve.reset()
""")  # fmt: skip


@freezers
def test_an_upload_that_takes_its_time_is_taken(floor: Floor, freezer: str) -> None:
    floor(freezer + """
def test_it(httpserve):
    route = httpserve.on("POST", "/a").respond(text="well")
    with frozen("2031-05-01") as clock, socket.create_connection(("127.0.0.1", httpserve.port), timeout=20) as client:
        client.sendall(b"POST /a HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\nab")
        if hasattr(clock, "tick"):
            clock.tick(3600)
        elif hasattr(clock, "shift"):
            clock.shift(3600)
        client.sendall(b"cd")
        assert b" 200 " in client.recv(1000)
    assert route.calls[0].request.body == b"abcd"
""")  # fmt: skip


@pytest.mark.needs("select.poll")
@freezers
def test_a_cgi_script_is_not_waited_for_for_ever(floor: Floor, pytester: pytest.Pytester, freezer: str) -> None:
    script = pytester.mkdir("scripts") / "sleeps"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    floor(freezer + """
@pytest.mark.serve_cgi("scripts", timeout=0.3)
@pytest.mark.serve_checks(ignore="errors")
def test_it(httpserve):
    with frozen("2031-05-01"):
        assert fetch(httpserve.url_for("/cgi-bin/sleeps"))[0] == 504
""")  # fmt: skip


@freezers
@pytest.mark.parametrize("when", ["1999-01-01", "2200-01-01"])
def test_bad_certificates_are_bad_for_the_client(floor: Floor, freezer: str, when: str) -> None:
    """Whose TLS library asks the system for the time."""
    floor(freezer + f"""
import ssl

@pytest.mark.parametrize("fault", ["expired", "not_yet_valid"])
def test_it(httpserve_factory, fault):
    with frozen({when!r}):
        server = httpserve_factory(tls=fault)
        context = server.ca.client_ssl_context()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            with pytest.raises(ssl.SSLCertVerificationError, match=fault.replace("_", " ")):
                context.wrap_socket(client, server_hostname="127.0.0.1")

def test_good(httpserve_factory):
    with frozen({when!r}):
        server = httpserve_factory(tls=True)
        context = server.ca.client_ssl_context()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            context.wrap_socket(client, server_hostname="127.0.0.1").close()
""", passed=3)  # fmt: skip


@pytest.mark.parametrize("fault", ["True", "'expired'", "'revoked'"])
def test_certificates_are_made_after_those_of_a_frozen_test(floor: Floor, fault: str) -> None:
    """What makes them keeps the class of the first time that it is given."""
    floor(f"""
from freezegun import freeze_time

def test_frozen(httpserve_factory):
    with freeze_time("2031-01-01"):
        httpserve_factory(tls={fault})

@pytest.mark.parametrize("fault", [True, "expired", "not_yet_valid", "revoked"])
def test_it(httpserve_factory, fault):
    httpserve_factory(tls=fault)
""", passed=5)  # fmt: skip


def test_a_client_may_go_by_the_frozen_clock(floor: Floor) -> None:
    floor("""
import datetime, ssl
from freezegun import freeze_time
from pytest_httpserve import TLS, Clock

def dates(server):
    from cryptography import x509
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(client) as shaken:
            found = x509.load_der_x509_certificate(shaken.getpeercert(True))
    return found.not_valid_before_utc, found.not_valid_after_utc

@pytest.mark.parametrize("when", ["2005-01-01", "2005-02-01", "2105-01-01"])
def test_it(httpserve_factory, when):
    with freeze_time(when):
        now = datetime.datetime.now(datetime.UTC)
        begin, end = dates(httpserve_factory(tls=TLS("expired", clock=time.time)))
        assert begin < end < now < end + datetime.timedelta(days=60)
        begin, end = dates(httpserve_factory(tls=TLS("not_yet_valid", clock=time.time)))
        assert now < begin < now + datetime.timedelta(days=60) and begin < end

def test_moved(httpserve_factory):
    clock = Clock(1_200_000_000.0)
    first = dates(httpserve_factory(tls=TLS("expired", clock=clock)))[1]
    clock.advance(86_400)
    assert dates(httpserve_factory(tls=TLS("expired", clock=clock)))[1] - first == datetime.timedelta(days=1)

def test_wrong():
    from pytest_httpserve import UsageError
    with pytest.raises(UsageError, match="clock= must be a function"):
        TLS("expired", clock=5)
""", passed=5)  # fmt: skip


def test_an_exception_in_the_loop_fails_the_test_and_nothing_else(floor: Floor) -> None:
    result = floor("""
def test_it(httpserve):
    from pytest_httpserve import clock
    httpserve.on("GET", "/a").respond(text="well")
    assert fetch(httpserve.url_for("/a")) == (200, "well")
    told, real = [], clock.monotonic
    def broken():
        if sys._getframe(1).f_globals["__name__"] == "pytest_httpserve.net.loop" and not told:
            told.append(True)
            raise StopIteration("no more times")
        return real()
    with mock.patch.object(clock, "monotonic", broken):
        assert fetch(httpserve.url_for("/a")) == (200, "well")
        assert told
""", passed=0, failed=1)  # fmt: skip
    result.stdout.fnmatch_lines(["*an exception would have ended the thread of the servers:*", "*no more times*"])
