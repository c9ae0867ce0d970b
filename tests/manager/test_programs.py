# SPDX-License-Identifier: Apache-2.0
"""What both programs do with the flags about TLS, as real processes."""

import json
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from envtest import pki, ports, processes

BIN = Path(sys.executable).parent
KUBECONFIG: dict[str, Any] = {  # nobody is there: webhooks do not need the API server
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "users": [{"name": "none", "user": {}}],
    "current-context": "none",
}
PROGRAMS = {
    "ipam-in-cluster": ["webhook", "--host=127.0.0.1", "--port={port}", "--cert-dir={folder}"],
    "ipam-in-cluster-manager": [
        "--kubeconfig={folder}/kubeconfig",
        "--webhook-host=127.0.0.1",
        "--webhook-port={port}",
        "--webhook-cert-dir={folder}",
        "--health-probe-bind-address=0",
        "--diagnostics-address=0",
    ],
}


def handshake(port: int, folder: Path, version: ssl.TLSVersion, ciphers: str = "") -> str | None:
    """Return the version of TLS that is spoken with a client that speaks only this one."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.minimum_version = context.maximum_version = version
    context.check_hostname = False
    if ciphers:
        context.set_ciphers(ciphers)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            context.wrap_socket(connection) as secured,
        ):
            return secured.version()
    except OSError:
        return None


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("flag", "ciphers", "spoken"),
    [
        ("--tls-min-version=VersionTLS13", "", None),
        (
            "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            None,
        ),
        ("--tls-min-version=VersionTLS12", "", "TLSv1.2"),
    ],
)
def test_only_what_its_flags_allow_is_spoken(
    tmp_path: Path, program: str, flag: str, ciphers: str, spoken: str | None
) -> None:
    authority = pki.Authority.new()
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    authority.server("webhook").write(tmp_path, "tls")
    (tmp_path / "kubeconfig").write_text(json.dumps(KUBECONFIG))
    port = ports.free_port()
    arguments = [each.format(port=port, folder=tmp_path) for each in PROGRAMS[program]]
    command: list[str | Path] = [BIN / program, *arguments, flag]

    with processes.Process("program", command, tmp_path / "log") as running:
        running.await_ready(lambda: bool(handshake(port, tmp_path, ssl.TLSVersion.TLSv1_3)), 60)

        assert handshake(port, tmp_path, ssl.TLSVersion.TLSv1_2, ciphers) == spoken
