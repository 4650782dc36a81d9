"""The normal form of a URL that stands for a person (a profile, a home page, a WebID).

It follows the WHATWG URL standard where that says how a browser writes a URL, and RFC 3986 §6.2.2
where two spellings are equivalent, so that more spellings meet:

1. Scheme and host are lower case; a host in another script is in its ASCII form (UTS #46).
2. The scheme's default port is left out, an empty path is `/`, dot segments are resolved.
3. `\\` is `/` in http and https; tabs and line ends are removed; space around it is trimmed.
4. Percent escapes are upper case, and only where they are needed; other scripts are escaped UTF-8.
5. An empty query or fragment is left out. A fragment stays: in a WebID it is the person.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote

_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
_REMOVED = str.maketrans("", "", "\t\n\r")
_CONTROLS = "".join(map(chr, range(0x21)))
# RFC 3986, appendix B, of what follows the scheme: authority, path, query, fragment.
_PARTS = re.compile(r"//([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[^\]]*\]|[^:@\[\]]+)(?::([0-9]*))?", re.DOTALL)
_HOST = re.compile(r"[a-z0-9_.~!$&'()*+,;=-]*[a-z0-9_~!$&'()*+,;=-][.]?")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# What may stand unescaped, besides letters, digits and `-._~` (RFC 3986 §3.2.1, §3.3 to §3.5).
_IN_USER = "!$&'()*+,;=:%"
_IN_PATH = "!$&'()*+,;=:@/%"
_IN_QUERY = "!$&'()*+,;=:@/?%"
_PLAIN = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/]*")


class UrlFormError(ValueError):
    """Why a text is no URL that could stand for somebody; holds no part of it."""


def normal_url(text: str) -> str:
    """The normal form. Raises UrlFormError for what is not absolute or has no host."""
    scheme, colon, rest = text.strip(_CONTROLS).translate(_REMOVED).partition(":")
    scheme = scheme.lower()
    if not colon or not _SCHEME.fullmatch(scheme):
        raise UrlFormError("it has no scheme, such as https:")
    if scheme in _DEFAULT_PORTS:
        rest = _slashes_mended(rest)
    parts = _PARTS.fullmatch(rest)
    if parts is None:
        raise UrlFormError("it has no host")
    authority, path, query, fragment = parts.groups("")
    form = f"{scheme}://{_authority(authority, scheme)}"
    form += _without_dots(_escaped(path, _IN_PATH)) or "/"
    if query:
        form += "?" + _escaped(query, _IN_QUERY)
    if fragment:
        form += "#" + _escaped(fragment, _IN_QUERY)
    return form


def _slashes_mended(rest: str) -> str:
    """What browsers read as `//host/path`: any number of slashes before the host, or `\\`."""
    if "\\" in rest:
        end = min((rest.find(mark) for mark in "?#" if mark in rest), default=len(rest))
        rest = rest[:end].replace("\\", "/") + rest[end:]
    return "//" + rest.lstrip("/")


def _authority(text: str, scheme: str) -> str:
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise UrlFormError("it has no host, or a port that is no number")
    user, host, port = found.groups("")
    form = _host(host)
    if port and (port := port.lstrip("0") or "0") != _DEFAULT_PORTS.get(scheme):
        if int(port) > 65_535:
            raise UrlFormError("its port is above 65535")
        form = f"{form}:{port}"
    return f"{_escaped(user, _IN_USER)}@{form}" if user.strip(":") else form


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            raise UrlFormError("its host is no IPv6 address") from None
    if not host.isascii():
        import idna  # its tables take time to load, and hardly any host needs them

        try:
            host = idna.encode(host, uts46=True, transitional=False).decode()
        except (idna.IDNAError, UnicodeError):
            raise UrlFormError("its host has no ASCII form") from None
    host = host.lower()
    if not _HOST.fullmatch(host):
        raise UrlFormError("its host holds a character that no host has")
    return host


def _escaped(text: str, allowed: str) -> str:
    """Escape what must be, undo escapes that need not be, and write the rest in upper case."""
    if _PLAIN.fullmatch(text):
        return text
    text = _ESCAPE.sub(_plain_or_upper, _NO_ESCAPE.sub("%25", text))
    try:
        return quote(text, safe=allowed)
    except UnicodeEncodeError:
        raise UrlFormError("it is no valid Unicode") from None


def _plain_or_upper(found: re.Match[str]) -> str:
    byte = int(found[0][1:], 16)
    return chr(byte) if byte in _UNRESERVED else found[0].upper()


def _without_dots(path: str) -> str:
    """Resolve `.` and `..` segments (RFC 3986 §5.2.4)."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)
