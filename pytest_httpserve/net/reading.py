"""Tells whether a client has read what was sent to it, as far as this machine knows."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

# The kernel's sock_diag: asks about one socket, and reads the number of unread bytes from the answer.
_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_WANTED = struct.Struct("=BBBBI")
_ADDRESSES = struct.Struct("!HH16s16s")
_ANY_INTERFACE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_UNREAD = struct.Struct("=I")
_UNREAD_AT = _HEADER.size + 4 + _ADDRESSES.size + len(_ANY_INTERFACE) + 4
_SIOCOUTQ = 0x5411
_MAPPED = b"\0" * 10 + b"\xff\xff"


def unread(sock: socket.socket) -> int | None:
    """How many bytes are waiting at the client's end of the connection; None if unknown.

    This works on Linux, for a client on the same machine.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, struct.error):
            if sock.family == getattr(socket, "AF_UNIX", None):
                return _unread_of_unix(sock)
            return _unread_of_peer(sock)
    return None


if sys.platform == "linux":

    def _unread_of_unix(sock: socket.socket) -> int:
        import fcntl

        return int(_UNREAD.unpack(fcntl.ioctl(sock.fileno(), _SIOCOUTQ, b"\0" * 4))[0])

    def _unread_of_peer(sock: socket.socket) -> int | None:
        theirs, ours = _address(sock.family, sock.getpeername()), _address(sock.family, sock.getsockname())
        family = socket.AF_INET if len(theirs[0]) == 4 else socket.AF_INET6
        addresses = _ADDRESSES.pack(theirs[1], ours[1], theirs[0], ours[0])  # asks about the client's socket
        wanted = _WANTED.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + addresses + _ANY_INTERFACE
        header = _HEADER.pack(_HEADER.size + len(wanted), _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
            kernel.sendto(header + wanted, (0, 0))
            answer = kernel.recv(4096)
        if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
            return None  # no such socket on this machine
        return int(_UNREAD.unpack_from(answer, _UNREAD_AT)[0])


def _address(family: int, name: tuple[str, int]) -> tuple[bytes, int]:
    """The address as bytes, and the port. An IPv4-mapped IPv6 address becomes IPv4."""
    packed = socket.inet_pton(family, name[0].partition("%")[0])
    return packed.removeprefix(_MAPPED), name[1]
