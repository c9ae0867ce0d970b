# SPDX-License-Identifier: Apache-2.0
"""The manager's way to the API server: flows that vanish, an authority and a token that change."""

import json
import signal
import socket
import ssl
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from envtest import plugin, waiting
from envtest.controlplane import provider, tenants
from envtest.controlplane.control_plane import ADMIN_GROUP, ControlPlane
from envtest.controlplane.manager import Manager, Options
from envtest.controlplane.relay import Relay
from envtest.pki import LOOPBACK, Authority, replace_file

SECONDS = 30.0  # in which the next claim is served, whatever became of the connections
ACCOUNT = (provider.NAMESPACE, provider.SERVICE_ACCOUNT)


class Site:
    """A cluster whose manager reaches the API server through a relay, by files that change."""

    def __init__(self, own: provider.Provider, relay: Relay) -> None:
        self.provider, self.relay = own, relay
        self.authority = own.folder / "manager-ca.crt"
        self.token = own.folder / "manager-token"
        replace_file(self.authority, self.plane.authority.pem)
        self.renew_token()
        options = Options("through", own.webhook_port, ("--leader-elect",))
        self.manager = Manager(own.folder, self._kubeconfig(), self.plane.authority, options)

    @property
    def plane(self) -> ControlPlane:
        return self.provider.control_plane

    def renew_token(self) -> None:
        replace_file(self.token, self.plane.service_account_token(*ACCOUNT).encode())

    def _kubeconfig(self) -> Path:
        server = f"https://{LOOPBACK}:{self.relay.port}"
        cluster = {"server": server, "certificate-authority": self.authority.name}
        body = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"tokenFile": self.token.name}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path = self.provider.folder / "through.kubeconfig"
        path.write_text(json.dumps(body))
        return path


@pytest.fixture(scope="module")
def site(make_log_folder: plugin.MakeFolder) -> Generator[Site]:
    own = provider.Provider(make_log_folder())
    try:
        own.control_plane.start()
        own.install()
        with Relay(port_of(own.control_plane)) as relay:
            site = Site(own, relay)
            try:
                site.manager.run()
                yield site
            finally:
                site.manager.kill()
    finally:
        own.stop()


def port_of(plane: ControlPlane) -> int:
    return int(plane.server.rpartition(":")[2])


@pytest.fixture
def tenant(site: Site, request: pytest.FixtureRequest) -> tenants.Tenant:
    """A namespace with a pool and a claim that is served already."""
    name = request.function.__name__[-40:].replace("_", "-").strip("-")
    made = tenants.Tenant(site.provider, site.provider.new_namespace(name))
    made.add_pool("blue", "10.0.0.0/24")
    made.add_claim("before", "blue")
    made.bound("before")
    return made


@pytest.fixture
def served(
    tenant: tenants.Tenant, record_property: Callable[[str, object], None]
) -> Callable[[str, float], None]:
    """Wait for a claim, and record since when."""

    def wait(name: str, since: float) -> None:
        tenant.bound(name)
        seconds = time.monotonic() - since
        record_property(f"{name} was served after", f"{seconds:.1f} s")
        assert seconds < SECONDS

    return wait


def test_the_next_claim_is_served_soon_after_all_flows_vanish(
    site: Site, tenant: tenants.Tenant, served: Callable[[str, float], None]
) -> None:
    site.relay.forget()
    vanished = time.monotonic()
    tenant.add_claim("after", "blue")

    served("after", vanished)


def test_a_rotation_of_the_authority_and_of_the_token_is_survived(
    site: Site, tenant: tenants.Tenant, served: Callable[[str, float], None]
) -> None:
    new = Authority.new()
    rotate(site.plane, new)
    site.relay.route()  # ends what began with the old certificate
    site.relay.route(port_of(site.plane))
    waiting.until(
        "the manager trusts the server no more",
        site.manager.log.read_text,
        lambda text: "certificate verify failed" in text,
    )
    tenant.add_claim("after", "blue")

    site.renew_token()
    replace_file(site.authority, new.pem)

    served("after", time.monotonic())


def test_a_manager_whose_token_file_is_empty_waits_for_a_token(
    site: Site, tenant: tenants.Tenant, served: Callable[[str, float], None]
) -> None:
    site.manager.signal(signal.SIGTERM)
    site.manager.wait()
    before = len(site.manager.log.read_text())
    replace_file(site.token, b"")
    site.manager.run()
    waiting.until(
        "it says what is missing",
        lambda: site.manager.log.read_text()[before:],
        lambda text: f"{site.token}: the file is empty" in text,
    )
    tenant.add_claim("after", "blue")

    site.renew_token()

    served("after", time.monotonic())


def rotate(plane: ControlPlane, new: Authority) -> None:
    """Have the API server show a certificate of another authority, which tests trust as well."""
    both = plane.authority.pem + new.pem
    replace_file(plane.folder / "ca.crt", both)
    plane.admin = plane.client("rotated-admin", [ADMIN_GROUP])
    new.server("kube-apiserver").write(plane.folder, "kube-apiserver")  # it follows its files
    trusted = ssl.create_default_context(cadata=new.pem.decode())

    def shows_it() -> bool:
        try:
            with socket.create_connection((LOOPBACK, port_of(plane))) as raw:
                trusted.wrap_socket(raw, server_hostname=LOOPBACK).close()
        except ssl.SSLError:
            return False
        return True

    waiting.until("it shows the new certificate", shows_it, bool)
