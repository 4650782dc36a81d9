"""Keeps the tests off the network: Python code may reach this machine and no other.

Python's audit events (PEP 578) are the one place that sees every socket call made through Python,
asyncio's and every library's included, and that needs nothing patched. What C libraries do by
themselves (libpq, uvloop's name look-ups) raises no event and is not seen.
"""

from __future__ import annotations

import ipaddress
import socket
import sys

LOCAL_NAMES = frozenset({"", "localhost", socket.gethostname()})
_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVING = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_installed = False


class NetworkError(RuntimeError):
    """A test tried to leave this machine. No OSError, so that no retry swallows it."""


def forbid_network() -> None:
    """From now on, and until the process ends, refuse to reach other machines."""
    global _installed
    if not _installed:
        sys.addaudithook(_refuse_strangers)
        _installed = True


def _refuse_strangers(event: str, arguments: tuple[object, ...]) -> None:
    if event in _CONNECTING:
        connecting, address = arguments[0], arguments[1]
        assert isinstance(connecting, socket.SocketType)
        is_internet = connecting.family in (socket.AF_INET, socket.AF_INET6)
        if is_internet and isinstance(address, tuple) and not _is_local(address[0]):
            raise NetworkError(f"A test tried to reach {address[0]}; only loopback is allowed.")
    elif event in _RESOLVING and not (_is_local(arguments[0]) or _is_number(arguments[0])):
        raise NetworkError(f"A test tried to look up {arguments[0]!r}; only loopback is allowed.")


def _is_local(host: object) -> bool:
    text = _text(host)
    if text is None or text in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _is_number(host: object) -> bool:
    """Whether the host is an address already, so that looking it up asks nobody."""
    try:
        ipaddress.ip_address(_text(host) or "")
    except ValueError:
        return False
    return True


def _text(host: object) -> str | None:
    return host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host  # type: ignore[return-value]
