# SPDX-License-Identifier: Apache-2.0
"""Which proxy the environment names for a URL, by the rules of Go's programs.

kubectl and every controller in Go read `HTTPS_PROXY` and `NO_PROXY` in this way, so values that
work for them work here.  Python's own `urllib.request` knows neither CIDRs nor IPv6.

Source: https://pkg.go.dev/golang.org/x/net/http/httpproxy
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_MOST_COLONS = 1  # in host:port; what has more is an IPv6 address


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for requests to `url`; None if they are sent directly.

    Guarantees:
        localhost and loopback addresses have none.  Lower-case variables come first.  A proxy
        without a scheme is an HTTP proxy.
    """
    parts = urlsplit(url)
    proxy = _variable(environment, f"{parts.scheme}_proxy")
    if not proxy or parts.scheme not in _PORTS:
        return None
    exceptions = _variable(environment, "no_proxy")
    return _with_scheme(proxy) if _uses_proxy(_target(parts), exceptions) else None


class _Target(NamedTuple):
    """Where a request goes; `ip` is None for a name."""

    host: str
    port: int
    ip: _Ip | None


def _target(parts: SplitResult) -> _Target:
    host = _ascii(unquote(parts.hostname or ""))
    return _Target(host, parts.port or _PORTS[parts.scheme], _ip(host.partition("%")[0]))


def _uses_proxy(target: _Target, exceptions: str) -> bool:
    if target.host == "localhost" or (target.ip and target.ip.is_loopback):
        return False
    entries = (entry.strip().lower() for entry in exceptions.split(","))
    return not any(_excludes(entry, target) for entry in entries if entry)


def _excludes(entry: str, target: _Target) -> bool:
    """Return whether an entry of NO_PROXY matches this target."""
    if entry == "*":
        return True
    if (network := _network(entry)) is not None:
        return target.ip is not None and target.ip in network
    host, port = _split(entry)
    if not host or port not in ("", str(target.port)):
        return False
    if (ip := _ip(host)) is not None:
        return ip == target.ip
    domain = host[1:] if host.startswith("*.") else host
    return target.ip is None and _names(_ascii(domain), target.host)


def _names(domain: str, host: str) -> bool:
    """Return whether a domain has this host: itself and all below it, or only those after a dot."""
    return host.endswith(domain) if domain.startswith(".") else f".{host}".endswith(f".{domain}")


def _split(entry: str) -> tuple[str, str]:
    """Split `host:port`; IPv6 addresses have brackets where there is a port."""
    host, _, port = entry.rpartition(":")
    if entry.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    return (host, port) if entry.count(":") == _MOST_COLONS else (entry, "")


def _ip(text: str) -> _Ip | None:
    """Parse an address; an IPv4-mapped IPv6 address counts as IPv4."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read a CIDR; host bits may be set."""
    if not entry.rpartition("/")[2].isdecimal():  # Python takes netmasks and bare addresses as well
        return None
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _ascii(host: str) -> str:
    """Return a name in lower case and in the form of DNS (IDNA)."""
    dot = "." if host.startswith(".") else ""
    try:
        return dot + host.removeprefix(".").encode("idna").decode().lower()
    except UnicodeError:
        return host.lower()


def _with_scheme(proxy: str) -> str:
    parts = urlsplit(proxy)
    return proxy if parts.scheme and parts.netloc else f"http://{proxy}"


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""
