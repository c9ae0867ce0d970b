# SPDX-License-Identifier: Apache-2.0
"""Certificates of our own, on an API server in memory; tests/apiserver has the real one."""

import asyncio
import base64
import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509

from kube import errors, resources
from kube.testing import fake
from webhook import issuer, selfsigned, tls

NAMES = ("webhook-service.system.svc", "127.0.0.1")
NAMESPACE = "system"
SECRETS = resources.ApiResource("", "v1", "Secret", "secrets")
CRDS = resources.CUSTOM_RESOURCE_DEFINITIONS
CRD = selfsigned.CONVERTED[0]
HOOKS = resources.ApiResource(
    "admissionregistration.k8s.io", "v1", "", "validatingwebhookconfigurations", namespaced=False
)
HOOK = selfsigned.CONFIGURATIONS[HOOKS.plural]
LONG_AGO = dt.datetime.now(dt.UTC) - issuer.LIFETIME + dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done when somebody waited for the API server to hear of an authority."""
    waits: list[str] = []

    async def settle() -> None:
        waits.append("settled")

    monkeypatch.setattr(selfsigned, "_settle", settle)
    return waits


@pytest.fixture
def api() -> fake.FakeApi:
    api = fake.FakeApi()
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://x"}}}
    spec = {"group": "kept", "conversion": conversion}
    api.put(CRDS, {"metadata": {"name": CRD}, "spec": spec})
    hooks = [{"name": f"h{n}", "clientConfig": {"url": "https://x"}} for n in range(2)]
    api.put(HOOKS, {"metadata": {"name": HOOK}, "webhooks": hooks})
    return api


def keeper(api: fake.FakeApi, folder: Path) -> selfsigned.SelfSigned:
    return selfsigned.SelfSigned(api, NAMESPACE, NAMES, files(folder))


def files(folder: Path) -> tls.Files:
    return tls.Files(folder / "tls.crt", folder / "tls.key")


def stored(api: fake.FakeApi) -> issuer.Issued:
    secret = api.read(SECRETS, NAMESPACE, selfsigned.SECRET)
    assert secret is not None
    return issuer.Issued(*(base64.b64decode(secret["data"][name]) for name in DATA))


DATA = ("ca.crt", "tls.crt", "tls.key")


def store(api: fake.FakeApi, issued: issuer.Issued) -> None:
    values = (issued.authorities, issued.certificate, issued.key)
    data = {
        name: base64.b64encode(value).decode() for name, value in zip(DATA, values, strict=True)
    }
    api.put(
        SECRETS, {"metadata": {"name": selfsigned.SECRET, "namespace": NAMESPACE}, "data": data}
    )


def bundles(api: fake.FakeApi) -> list[bytes]:
    """Return what the API server is told to trust, wherever it calls us."""
    crd: Any = api.read(CRDS, "", CRD)
    hook: Any = api.read(HOOKS, "", HOOK)
    clients = [crd["spec"]["conversion"]["webhook"]["clientConfig"]]
    clients += [each["clientConfig"] for each in hook["webhooks"]]
    assert crd["spec"]["group"] == "kept"
    return [base64.b64decode(client.get("caBundle", "")) for client in clients]


def count(pem: bytes) -> int:
    return len(x509.load_pem_x509_certificates(pem))


async def test_a_certificate_is_made_trusted_and_put_in_place(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    await keeper(api, tmp_path / "new").step()

    issued = stored(api)
    assert bundles(api) == [issued.authorities] * 3
    assert files(tmp_path / "new").certificate.read_bytes() == issued.certificate
    assert (files(tmp_path / "new").key.stat().st_mode & 0o777) == 0o600
    tls.Certificates(files(tmp_path / "new"))  # they belong together
    authority, server = (
        x509.load_pem_x509_certificate(pem) for pem in (issued.authorities, issued.certificate)
    )
    server.verify_directly_issued_by(authority)
    found = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == [NAMES[0]]
    assert [str(ip) for ip in found.get_values_for_type(x509.IPAddress)] == [NAMES[1]]


async def test_where_all_is_well_nothing_is_written(api: fake.FakeApi, tmp_path: Path) -> None:
    one = keeper(api, tmp_path)
    await one.step()
    api.writes.clear()
    stamp = files(tmp_path).stamp()

    await one.step()

    assert api.writes == []
    assert files(tmp_path).stamp() == stamp


async def test_a_certificate_that_soon_ends_is_renewed_and_its_authority_still_trusted(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    store(api, old := issuer.issue(NAMES, now=LONG_AGO))

    await keeper(api, tmp_path).step()

    new = stored(api)
    assert new.certificate != old.certificate
    assert new.authorities.endswith(old.authorities)
    assert bundles(api) == [new.authorities] * 3


async def test_authorities_whose_time_is_over_are_dropped(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    past = issuer.issue(NAMES, now=LONG_AGO - dt.timedelta(days=9))
    store(api, issuer.issue(NAMES, past.authorities, now=LONG_AGO - dt.timedelta(days=2)))

    await keeper(api, tmp_path).step()

    assert count(stored(api).authorities) == 1


@pytest.mark.parametrize(
    "bad",
    [
        issuer.Issued(),
        issuer.issue(["another.name"]),
        issuer.Issued(b"x", b"y", b"z"),
        msgspec.structs.replace(issuer.issue(NAMES), key=issuer.issue(NAMES).key),
        msgspec.structs.replace(issuer.issue(NAMES), authorities=issuer.issue(NAMES).authorities),
    ],
)
async def test_a_secret_of_no_use_is_replaced(
    api: fake.FakeApi, tmp_path: Path, bad: issuer.Issued
) -> None:
    store(api, bad)

    await keeper(api, tmp_path).step()

    assert not issuer.due(stored(api), NAMES, dt.datetime.now(dt.UTC))
    assert files(tmp_path).certificate.read_bytes() == stored(api).certificate


async def test_replicas_that_start_together_agree_on_one_certificate(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    replicas = [keeper(api, tmp_path / str(n)) for n in range(3)]

    async def persist(one: selfsigned.SelfSigned) -> None:
        while True:
            try:
                return await one.step()
            except errors.ConflictError:
                await asyncio.sleep(0)

    await asyncio.gather(*map(persist, replicas))

    shown = {files(tmp_path / str(n)).certificate.read_bytes() for n in range(3)}
    assert shown == {stored(api).certificate}
    assert bundles(api) == [stored(api).authorities] * 3


async def test_no_replica_shows_a_certificate_that_was_trusted_only_just_now(
    api: fake.FakeApi, tmp_path: Path, waits: list[str]
) -> None:
    one, other = (keeper(api, tmp_path / name) for name in ("one", "other"))
    for each in (one, other):
        await each.step()
    assert waits == []  # nobody calls a server that has no certificate yet
    store(api, issuer.issue(NAMES, stored(api).authorities))

    for each in (one, other):
        await each.step()

    assert waits == ["settled"] * 2


async def test_what_is_still_shown_stays_trusted_when_the_secret_is_deleted(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    await keeper(api, tmp_path / "one").step()
    old = stored(api)
    api.remove(SECRETS, NAMESPACE, selfsigned.SECRET)

    await keeper(api, tmp_path / "other").step()

    assert stored(api).certificate != old.certificate
    assert bundles(api) == [stored(api).authorities + old.authorities] * 3


async def test_a_bundle_does_not_grow_for_ever(api: fake.FakeApi, tmp_path: Path) -> None:
    for number in range(issuer.TRUSTED + 2):
        await keeper(api, tmp_path / str(number)).step()
        api.remove(SECRETS, NAMESPACE, selfsigned.SECRET)

    assert [count(bundle) for bundle in bundles(api)] == [issuer.TRUSTED] * 3


async def test_replicas_with_names_of_their_own_share_one_certificate(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    hosts = ("10.0.0.1", "10.0.0.2")
    replicas = [
        selfsigned.SelfSigned(api, NAMESPACE, (*NAMES, host), files(tmp_path / host))
        for host in hosts
    ]
    for each in replicas * 3:
        await each.step()

    assert count(stored(api).authorities) == 2
    assert not issuer.due(stored(api), hosts, dt.datetime.now(dt.UTC))


async def test_a_replica_that_lags_behind_takes_no_trust_back(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    one = keeper(api, tmp_path)
    await one.step()
    old = stored(api)
    store(api, new := issuer.issue(NAMES, old.authorities))
    await keeper(api, tmp_path / "other").step()

    store(api, old)  # as this one has read it, before the other wrote
    await one.step()

    assert bundles(api) == [new.authorities] * 3


async def test_a_definition_that_was_applied_again_is_mended(
    api: fake.FakeApi, tmp_path: Path
) -> None:
    one = keeper(api, tmp_path)
    await one.step()
    crd: Any = api.read(CRDS, "", CRD)
    crd["spec"]["conversion"]["webhook"]["clientConfig"].pop("caBundle")

    await one.step()

    assert bundles(api) == [stored(api).authorities] * 3
