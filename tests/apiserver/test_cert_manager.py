# SPDX-License-Identifier: Apache-2.0
"""Certificates by the real cert-manager: what API servers trust outlives what the webhooks show."""

import base64
import datetime as dt
import os
import re
import ssl
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from envtest import manifests, plugin, processes, waiting
from envtest.client import Client, Json
from envtest.controlplane import binaries, capi, control_plane, install, provider

GROUP = "cert-manager.io/v1"
PREFIX = "capi-ipam-in-cluster-"
CA, SERVING = f"{PREFIX}ca", f"{PREFIX}serving-cert"
SECRET = f"{PREFIX}webhook-service-cert"
PAGE = Path(__file__).parents[2] / "docs/how-to/upgrade-from-the-go-provider.md"
HOST = f"{PREFIX}webhook-service.{provider.NAMESPACE}.svc"


@dataclass(frozen=True, slots=True)
class World:
    """An API server with what is shipped, and cert-manager's controllers beside it."""

    admin: Client
    former: Json
    """The Secret before the upgrade: a certificate that signed itself, as the Go provider has."""


@pytest.fixture(scope="module")
def world(make_log_folder: plugin.MakeFolder) -> Generator[World]:
    """What was installed with a certificate that signed itself, and then upgraded."""
    program, folder = binaries.find(binaries.CERT_MANAGER), make_log_folder()
    with control_plane.ControlPlane(folder) as plane:
        kubeconfig = plane.kubeconfig("cert-manager", ["system:masters"])
        install.crds(plane.admin, cert_manager_crds())
        install.provider(plane.admin, install.Webhooks("https://127.0.0.1:1"))
        with started(program, "controller", kubeconfig), started(program, "cainjector", kubeconfig):
            former = with_former_layout(plane.admin)
            follow(PAGE, kubeconfig, folder)
            authority = issued(plane.admin, CA)["tls.crt"]
            await_trust(plane.admin, authority)
            yield World(plane.admin, former)


def follow(page: Path, kubeconfig: Path, folder: Path) -> None:
    """Do what a page says about certificates, with a release."""
    release = folder / "out" / "ipam-in-cluster" / "v2.1.0"
    release.mkdir(parents=True)
    (release / "ipam-components.yaml").write_text(install.DEFAULT.text())
    blocks = re.findall(r"^```bash\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    (commands,) = [block for block in blocks if "component=certificates" in block]
    programs = binaries.find(binaries.KUBECTL).parent
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECONFIG": str(kubeconfig)}
    subprocess.run(["bash", "-euc", commands], cwd=folder, env=environment, check=True)


@pytest.fixture(scope="module")
def admin(world: World) -> Client:
    return world.admin


def with_former_layout(admin: Client) -> Json:
    """Install a certificate that signs itself, and return its Secret when it is trusted."""
    documents = {document["metadata"]["name"]: document for document in certificates()}
    issuer, serving = documents[f"{PREFIX}selfsigned-issuer"], documents[SERVING]
    serving["spec"]["issuerRef"]["name"] = issuer["metadata"]["name"]
    apply(admin, [issuer, serving])
    found = issued(admin)
    assert found["ca.crt"] == found["tls.crt"]
    await_trust(admin, found["ca.crt"])
    return found


def await_trust(admin: Client, authority: str) -> None:
    """Return when API servers trust it wherever they call the webhooks."""
    waiting.until(
        "CA bundles hold it",
        partial(bundles, admin),
        lambda found: all(authority in bundle for bundle in found),
    )


def started(program: Path, command: str, kubeconfig: Path) -> processes.Process:
    log = kubeconfig.with_name(f"{command}.log")
    environment = {"KUBECONFIG": str(kubeconfig)}
    return processes.Process(command, [program, command], log, environment=environment)


def cert_manager_crds() -> list[Json]:
    files = capi.cert_manager_crds()
    return [crd for path in files for crd in manifests.parse(path.read_text())]


def certificates() -> list[Json]:
    """Return the shipped Issuers and Certificates, by the label with which people apply them."""
    return [
        document
        for document in install.shipped()
        if document["metadata"]["labels"].get("app.kubernetes.io/component") == "certificates"
    ]


def apply(admin: Client, documents: list[Json]) -> None:
    for document in documents:
        admin.resource(GROUP, plural(document), provider.NAMESPACE).apply(document)


def plural(document: Json) -> str:
    return f"{document['kind'].lower()}s"


def issued(admin: Client, secret: str = SECRET) -> Json:
    """Return what a Secret holds, decoded, as soon as it is there."""
    secrets = admin.resource("v1", "secrets", provider.NAMESPACE)
    found = waiting.until(f"{secret} is there", partial(secrets.find, secret), complete)
    assert found is not None
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def complete(secret: Json | None) -> bool:
    return bool(secret and secret["data"].get("tls.crt") and secret["data"].get("ca.crt"))


def bundles(admin: Client) -> set[str]:
    """Return what API servers trust where they call the webhooks."""
    crds = admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    kinds = ("inclusterippools", "globalinclusterippools")
    hooks = [
        crds.get(f"{kind}.ipam.cluster.x-k8s.io")["spec"]["conversion"]["webhook"] for kind in kinds
    ]
    for kind in ("mutating", "validating"):
        configurations = admin.resource(
            "admissionregistration.k8s.io/v1", f"{kind}webhookconfigurations"
        )
        hooks += configurations.get(f"{PREFIX}{kind}-webhook-configuration")["webhooks"]
    found = {hook["clientConfig"].get("caBundle", "") for hook in hooks}
    return {base64.b64decode(bundle).decode() for bundle in found}


def renew(admin: Client, certificate: str, secret: str) -> tuple[Json, Json]:
    """Renew a certificate as `cmctl renew` does; return the Secret before and after."""
    before = issued(admin, secret)
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    condition = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "renewed by a test",
        "lastTransitionTime": now,
    }

    def issue(found: Json) -> None:
        found["status"]["conditions"].append(condition)

    admin.resource(GROUP, "certificates", provider.NAMESPACE).edit(certificate, issue, "status")
    after = waiting.until(
        f"{certificate} is renewed",
        lambda: issued(admin, secret),
        lambda found: found["tls.crt"] != before["tls.crt"],
    )
    return before, after


def trusts(authority: str, shown: Json, folder: Path) -> bool:
    """Return whether a client with this CA bundle shakes hands with a server with this Secret."""
    for name in ("tls.crt", "tls.key"):
        (folder / name).write_text(shown[name])
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    calling = ssl.create_default_context(cadata=authority)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(there, back, server_side=True)
    client = calling.wrap_bio(back, there, server_hostname=HOST)
    for _ in range(3):  # flights
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return client.getpeercert() is not None


def test_api_servers_trust_an_authority_and_not_the_certificate_itself(
    admin: Client, tmp_path: Path
) -> None:
    shown = issued(admin)

    assert shown["ca.crt"] == issued(admin, CA)["tls.crt"] != shown["tls.crt"]
    assert trusts(shown["ca.crt"], shown, tmp_path)
    assert round(lifetime(shown["ca.crt"]) / dt.timedelta(days=365)) == 10


def test_pods_that_show_the_former_certificate_after_the_upgrade_are_trusted_on(
    world: World, tmp_path: Path
) -> None:
    """As the injector of cert-manager 1.19 and later keeps what the bundles held before."""
    found, new = bundles(world.admin), issued(world.admin)

    assert not trusts(new["ca.crt"], world.former, tmp_path), "an older one keeps nothing"
    for bundle in found:
        assert trusts(bundle, world.former, tmp_path)
        assert trusts(bundle, new, tmp_path)


def lifetime(pem: str) -> dt.timedelta:
    found = x509.load_pem_x509_certificate(pem.encode())
    return found.not_valid_after_utc - found.not_valid_before_utc


def test_pods_that_show_the_old_certificate_while_it_is_renewed_are_trusted_on(
    admin: Client, tmp_path: Path
) -> None:
    trusted = bundles(admin)

    old, new = renew(admin, SERVING, SECRET)

    assert new["tls.key"] != old["tls.key"]
    assert new["ca.crt"] == old["ca.crt"]
    assert bundles(admin) == trusted
    assert trusts(old["ca.crt"], old, tmp_path)
    assert trusts(old["ca.crt"], new, tmp_path)


def test_the_old_and_the_renewed_authority_verify_what_the_other_has_signed(
    admin: Client, tmp_path: Path
) -> None:
    old_authority, new_authority = renew(admin, CA, CA)

    old, new = renew(admin, SERVING, SECRET)

    assert (old["ca.crt"], new["ca.crt"]) == (old_authority["tls.crt"], new_authority["tls.crt"])
    assert old["ca.crt"] != new["ca.crt"]
    for authority in (old["ca.crt"], new["ca.crt"]):
        for shown in (old, new):
            assert trusts(authority, shown, tmp_path)
    await_trust(admin, new["ca.crt"])


def test_certificates_that_an_upgrade_deletes_and_creates_again_are_not_issued_again(
    admin: Client,
) -> None:
    before = issued(admin), issued(admin, CA)
    for document in certificates():
        place = admin.resource(GROUP, plural(document), provider.NAMESPACE)
        place.delete(document["metadata"]["name"])

    apply(admin, certificates())

    await_ready(admin)
    assert (issued(admin), issued(admin, CA)) == before


def await_ready(admin: Client) -> None:
    """Return when all Certificates are ready in their present form."""
    place = admin.resource(GROUP, "certificates", provider.NAMESPACE)
    waiting.until("certificates are ready", place.list, lambda found: all(map(is_ready, found)))


def is_ready(certificate: Json) -> bool:
    conditions = certificate.get("status", {}).get("conditions", [])
    generation = certificate["metadata"]["generation"]
    return any(
        (it["type"], it["status"], it.get("observedGeneration")) == ("Ready", "True", generation)
        for it in conditions
    )
