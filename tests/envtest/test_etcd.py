# SPDX-License-Identifier: Apache-2.0
import itertools
import json
import ssl
import threading
from collections.abc import Generator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

import pytest

from envtest import errors, pki
from envtest.controlplane import etcd, tenants


def test_changes_are_the_history_of_a_prefix_deletions_included(tenant: tenants.Tenant) -> None:
    with closing(tenant.provider.control_plane.etcd_client()) as store:
        start = store.revision() + 1
        tenant.add_claim("web", "blue")
        tenant.release("web")

        prefix = f"/registry/ipam.cluster.x-k8s.io/ipaddressclaims/{tenant.namespace}/"
        changes = until_deleted(store, prefix, start)

    assert {change.key for change in changes} == {f"{prefix}web"}
    assert [change.revision for change in changes] == sorted(change.revision for change in changes)
    assert json.loads(changes[0].value or b"")["spec"]["poolRef"]["name"] == "blue"
    assert changes[-1].value is None


def until_deleted(store: etcd.Etcd, prefix: str, start: int) -> list[etcd.Change]:
    found: list[etcd.Change] = []
    for change in store.changes(prefix, start):
        found.append(change)
        if change.value is None:
            break
    return found


def test_history_that_was_compacted_away_is_said_to_be_lost(tenant: tenants.Tenant) -> None:
    with closing(tenant.provider.control_plane.etcd_client()) as store:
        start = store.revision()
        tenant.add_claim("web", "blue")
        store.compact(store.revision())

        with pytest.raises(errors.LostHistoryError):
            list(itertools.islice(store.changes("/registry/", start), 1))


def test_a_key_is_read_as_it_was_written(tenant: tenants.Tenant) -> None:
    with closing(tenant.provider.control_plane.etcd_client()) as store:
        keys = [f"/test/{tenant.namespace}/{name}" for name in ("a", "b")]
        store.put([(key, f"value of {key}") for key in keys])

        assert [store.get(key) for key in keys] == [f"value of {key}" for key in keys]
        with pytest.raises(errors.EtcdError, match="there is no key"):
            store.get(f"/test/{tenant.namespace}/c")


class Failing(BaseHTTPRequestHandler):
    """Answers as it says in the path."""

    def do_POST(self) -> None:
        status, line = unquote(self.path).removesuffix("/v3/watch").strip("/").split(" ", 1)
        self.send_response(int(status))
        self.end_headers()
        self.wfile.write(line.encode() + b"\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called
        pass


@pytest.fixture
def failing() -> Generator[str]:
    """The URL of a server that answers whatever it is told to."""
    with ThreadingHTTPServer((pki.LOOPBACK, 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{pki.LOOPBACK}:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, '{"error": {"message": "no leader"}}'), (503, '{"message": "no leader"}')],
)
def test_an_error_instead_of_changes_is_said(failing: str, status: int, line: str) -> None:
    url = f"{failing}/{quote(f'{status} {line}')}"

    with (
        closing(etcd.Etcd(url, ssl.create_default_context())) as store,
        pytest.raises(errors.EtcdError, match="no leader"),
    ):
        list(store.changes("/registry/", 1))
