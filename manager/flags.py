# SPDX-License-Identifier: Apache-2.0
"""What can be set on the command line, and how Go programs write it there.

Sources: the flags that Cluster API's providers share, and those that its operator sets.
"""

import re
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "ipam-in-cluster-manager"

DEFAULT_NAMESPACE = "capi-ipam-in-cluster-system"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_LEAST_LEASE_SECONDS = 3
_PORTS = 65535


class FlagError(ValueError):
    """A flag has a value that makes no sense."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host is all interfaces, port 0 is nowhere."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Flags:
    """The settings of one manager."""

    kubeconfig: str | None
    leader_elect: bool
    lease_seconds: int
    namespace: str
    watch_filter: str
    health: Address
    diagnostics: Address
    insecure_diagnostics: bool
    """Whether anybody who reaches the port may read them, without TLS."""
    webhook: Address
    webhook_service: str
    self_signed: bool
    """Whether the certificate is made here, into the files, instead of found there."""
    certificate: Path
    key: Path
    tls_min_version: str
    ciphers: str
    """OpenSSL's names, for TLS 1.2; empty for its own choice."""
    shutdown_delay: int
    """Seconds for which the webhooks answer after the lease was given up on a stop."""
    verbosity: int


def address(text: str) -> Address:
    """Read `:8081`, `127.0.0.1:8081`, `[::1]:8081`, or `0` for off.

    Raises:
        FlagError: it is none of them.
    """
    if text == "0":
        return Address("", 0)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _PORTS:
        raise FlagError(f"{text!r} is not an address such as :8081 or 127.0.0.1:8081")
    return Address(host.strip("[]"), int(port))


def seconds(text: str) -> int:
    """Read a Go duration such as `15s` or `1m30s`, at least 1 s; a fraction is rounded up.

    Raises:
        FlagError: it is not one.
    """
    return max(1, _whole_seconds(text))


def _whole_seconds(text: str) -> int:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise FlagError(f"{text!r} is not a duration such as 15s or 1m30s")
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -int(-total // 1)


def delay(text: str) -> int:
    """Read a Go duration that may be none, such as `0s`; a fraction is rounded up.

    Raises:
        FlagError: it is no duration.
    """
    return 0 if text == "0" else _whole_seconds(text)


def lease_seconds(text: str) -> int:
    """Read the duration of the lease; a shorter one leaves no time to write anything.

    Raises:
        FlagError: it is no duration, or too short.
    """
    found = seconds(text)
    if found < _LEAST_LEASE_SECONDS:
        raise FlagError(f"{text!r} is too short: at least {_LEAST_LEASE_SECONDS}s are needed")
    return found


def boolean(text: str) -> bool:
    """Read a Go boolean.

    Raises:
        FlagError: it is not one.
    """
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise FlagError(f"{text!r} is neither true nor false")
