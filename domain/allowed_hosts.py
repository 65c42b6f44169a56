"""Where a secret may be sent: hosts by name, `*.example.com` for everything below one, `*` for all.

    api.example.com            https, port 443
    *.example.com              any host below it, not itself
    https://example.com:8443   another port
    http://localhost:9000      without TLS, if somebody means it

Whoever may write a workflow chooses where its requests go; this is what keeps them from having a
secret of others sent to a server of their own.
"""

import re
from collections.abc import Iterable

ALLOWED_HOSTS_MAX = 32
ANY_HOST = "*"
PORT_MAX = 65535

_PORTS = {"https": 443, "http": 80}
_ENTRY = re.compile(
    r"(?:(?P<scheme>https?)://)?"
    r"(?P<host>(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>\d{1,5}))?"
)


def canonical_entry(entry: str) -> str:
    """One spelling: `scheme://host:port`, or `*`. Raises ValueError with a reason."""
    if entry == ANY_HOST:
        return entry
    parts = _ENTRY.fullmatch(entry.lower())
    if parts is None or ".." in entry:
        raise ValueError("a host like api.example.com, *.example.com or http://localhost:9000")
    scheme = parts["scheme"] or "https"
    port = int(parts["port"] or _PORTS[scheme])
    if not 0 < port <= PORT_MAX:
        raise ValueError(f"a port is a number from 1 to {PORT_MAX}")
    return f"{scheme}://{parts['host']}:{port}"


def is_host_allowed(entries: Iterable[str], scheme: str, host: str, port: int) -> bool:
    """entries: canonical. host: of a URL that was checked, an IPv6 address without brackets."""
    name = host.lower().rstrip(".")
    written = f"[{name}]" if ":" in name else name
    for entry in entries:
        if entry == ANY_HOST:
            # Never in the clear to just anybody.
            if scheme == "https":
                return True
            continue
        entry_scheme, _, rest = entry.partition("://")
        entry_host, _, entry_port = rest.rpartition(":")
        if (entry_scheme, int(entry_port)) != (scheme, port):
            continue
        if entry_host.startswith("*."):
            if written.endswith(entry_host[1:]) and len(written) >= len(entry_host):
                return True
        elif written == entry_host:
            return True
    return False
