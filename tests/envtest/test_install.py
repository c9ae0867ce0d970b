# SPDX-License-Identifier: Apache-2.0
from envtest.controlplane import install

HOOKS = install.Webhooks("https://127.0.0.1:9443", b"PEM")
SERVICE = {"name": "webhook-service", "namespace": "system", "path": "/convert"}
REDIRECTED = {"url": "https://127.0.0.1:9443/convert", "caBundle": "UEVN"}


def test_a_conversion_webhook_is_redirected_to_loopback() -> None:
    webhook = {"clientConfig": {"service": SERVICE}, "conversionReviewVersions": ["v1"]}
    crd = {"kind": install.CRD, "spec": {"conversion": {"webhook": webhook}}}

    spec = install.redirected(crd, HOOKS)["spec"]

    assert spec["conversion"]["webhook"]["clientConfig"] == REDIRECTED


def test_a_crd_of_one_version_stays_as_it_is() -> None:
    crd = {"kind": install.CRD, "spec": {"scope": "Cluster"}}

    assert install.redirected(crd, HOOKS) == {"kind": install.CRD, "spec": {"scope": "Cluster"}}


def test_every_admission_webhook_is_redirected() -> None:
    hooks = [{"clientConfig": {"service": SERVICE}}, {"clientConfig": {"service": SERVICE}}]
    configuration = {"kind": "ValidatingWebhookConfiguration", "webhooks": hooks}

    redirected = install.redirected(configuration, HOOKS)["webhooks"]

    assert [hook["clientConfig"] for hook in redirected] == [REDIRECTED, REDIRECTED]
