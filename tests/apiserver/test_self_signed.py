# SPDX-License-Identifier: Apache-2.0
"""Without cert-manager: the manager's own certificate, on a control plane of its own."""

import base64
import datetime as dt
import ssl
from collections.abc import Generator

import pytest
from cryptography import x509

from envtest import client, errors, manifests, plugin, ports, waiting
from envtest.controlplane import provider
from webhook import issuer, selfsigned

SUBNET = {"subnet": "10.9.0.0/24"}


@pytest.fixture(scope="module")
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    folder = make_log_folder()
    with provider.Provider(folder, self_signed=True, audit=True) as started:
        yield started


def secrets(cluster: provider.Provider) -> client.Resource:
    return cluster.admin.resource("v1", "secrets", provider.NAMESPACE)


def issued(cluster: provider.Provider) -> issuer.Issued:
    data = secrets(cluster).get(selfsigned.SECRET)["data"]
    names = ("ca.crt", "tls.crt", "tls.key")
    return issuer.Issued(*(base64.b64decode(data[name]) for name in names))


def shown(cluster: provider.Provider, port: int = 0) -> bytes:
    if port:
        return ssl.get_server_certificate(("127.0.0.1", port)).encode()
    return cluster.serving_certificate().encode()


def test_conversion_and_admission_work_over_it(cluster: provider.Provider) -> None:
    cluster.new_namespace("over-it")
    old = cluster.pools("inclusterippools", "over-it", "v1alpha1")

    waiting.until("admission answers", lambda: admits(cluster, "over-it"), bool)

    old.create(manifests.pool("blue", SUBNET, version="v1alpha1"))
    spec = cluster.pools("inclusterippools", "over-it").get("blue")["spec"]
    assert spec == {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24}
    with pytest.raises(errors.RefusedError, match=r"10\.0\.0\.300"):
        old.create(manifests.pool("bad", {"subnet": "10.0.0.300/24"}, version="v1alpha1"))


def admits(cluster: provider.Provider, namespace: str) -> bool:
    pools = cluster.pools("inclusterippools", namespace)
    try:
        pools.create(manifests.pool("probe", {"addresses": ["10.0.0.1"], "prefix": 24}))
    except errors.RefusedError as error:
        return error.reason == "AlreadyExists"
    return True


def test_it_is_renewed_under_two_replicas_without_a_failed_read(
    cluster: provider.Provider,
) -> None:
    cluster.new_namespace("renewed")
    waiting.until("admission answers", lambda: admits(cluster, "renewed"), bool)
    port = ports.free_port()
    second = cluster.new_manager("second", webhook_port=port)
    second.run()
    assert shown(cluster, port) == shown(cluster) == issued(cluster).certificate
    old = issued(cluster)
    names = sorted(str(name.value) for name in names_of(old.certificate))
    soon = dt.datetime.now(dt.UTC) - issuer.LIFETIME + dt.timedelta(days=1)
    aged = issuer.issue(names, old.authorities, now=soon)
    values = (aged.authorities, aged.certificate, aged.key)
    keys = ("ca.crt", "tls.crt", "tls.key")
    data = {key: base64.b64encode(v).decode() for key, v in zip(keys, values, strict=True)}

    secrets(cluster).merge(selfsigned.SECRET, {"data": data})

    pools = cluster.pools("inclusterippools", "renewed", "v1alpha1")

    def read_and_look() -> tuple[bytes, bytes]:
        pools.get("probe")  # raises, should conversion fail for a moment
        return shown(cluster), shown(cluster, port)

    def both_show_a_new_one(found: tuple[bytes, bytes]) -> bool:
        return found[0] == found[1] not in {old.certificate, aged.certificate}

    waiting.until("both show the new one", read_and_look, both_show_a_new_one)
    for _ in range(20):
        pools.get("probe")
    assert issued(cluster).certificate == shown(cluster)


def names_of(pem: bytes) -> list[x509.GeneralName]:
    certificate = x509.load_pem_x509_certificate(pem)
    return [*certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]


def test_a_definition_that_loses_its_bundle_gets_it_back(cluster: provider.Provider) -> None:
    crds = cluster.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    name = selfsigned.CONVERTED[0]
    client_config = {"conversion": {"webhook": {"clientConfig": {"caBundle": None}}}}

    crds.merge(name, {"spec": client_config})

    def bundle() -> object:
        found = crds.get(name)["spec"]["conversion"]["webhook"]["clientConfig"]
        return found.get("caBundle")

    waiting.until("the bundle is back", bundle, bool)


def test_it_may_do_what_it_does(cluster: provider.Provider) -> None:
    forbidden = [
        (event["verb"], event["requestURI"])
        for event in cluster.requests()
        if event["responseStatus"]["code"] in (401, 403)
    ]

    assert forbidden == []
