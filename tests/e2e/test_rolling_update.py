# SPDX-License-Identifier: Apache-2.0
"""Two replicas behind a real Service, to whose endpoints the API server sends reviews by turns.

The API server does so since Kubernetes 1.37 (the feature WebhookRoundTripLoadBalancing, on where
`--enable-aggregator-routing` is).
"""

from collections.abc import Generator

import pytest

from envtest.client import Json, Resource
from envtest.controlplane.provider import NAMESPACE
from envtest.controlplane.readers import Readers
from envtest.controlplane.tenants import Tenant
from envtest.lab.lab import Lab
from envtest.lab.management import DEPLOYMENT, Management
from envtest.waiting import until

VERSION = "v2.1.0"
ROLLS = 2
RESTARTED = "kubectl.kubernetes.io/restartedAt"  # what `kubectl rollout restart` sets


@pytest.fixture(scope="module")
def management(lab: Lab) -> Generator[Management]:
    with Management(lab, 1) as management:
        management.init(VERSION)
        yield management


def deployments(management: Management) -> Resource:
    return management.admin.resource("apps/v1", "deployments", NAMESPACE)


def roll_out(management: Management, change: Json) -> None:
    deployments(management).merge(DEPLOYMENT, {"spec": change})
    until("all replicas are new", lambda: rolled_out(management), bool, 60)


def rolled_out(management: Management) -> bool:
    """Return whether all replicas are new, ready and alone, as `kubectl rollout status` does."""
    found = deployments(management).get(DEPLOYMENT)
    status, wanted = found["status"], found["spec"]["replicas"]
    counts = [status.get(each) for each in ("replicas", "updatedReplicas", "availableReplicas")]
    return (
        status["observedGeneration"] == found["metadata"]["generation"] and counts == [wanted] * 3
    )


def test_no_conversion_fails_in_a_rolling_update_of_two_replicas(management: Management) -> None:
    roll_out(management, {"replicas": 2})
    readers = Readers(Tenant(management, management.new_namespace("team")))

    with readers.at_work():
        for number in range(ROLLS):
            restarted = {"metadata": {"annotations": {RESTARTED: str(number)}}}
            roll_out(management, {"template": restarted})

    management.lab.note("reads of v1alpha1 in two rolling updates", readers.reads, "")
    assert readers.reads > 0
    assert readers.failures == []
