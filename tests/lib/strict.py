# SPDX-License-Identifier: Apache-2.0
"""A cluster whose policy refuses each write of one pool."""

from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus

from envtest import client, contract, errors, waiting
from envtest.controlplane import provider


@contextmanager
def refusing(cluster: provider.Provider, pools: client.Resource, name: str) -> Generator[None]:
    """Let the API server refuse each write of one pool, as a policy of the cluster may."""
    admission = "admissionregistration.k8s.io/v1"
    policies = cluster.admin.resource(admission, "validatingadmissionpolicies")
    bindings = cluster.admin.resource(admission, "validatingadmissionpolicybindings")
    rule = {"apiGroups": [contract.GROUP], "apiVersions": ["*"]}
    rule |= {"operations": ["UPDATE"], "resources": [pools.path.rsplit("/")[-1]]}
    validation = {"expression": f"object.metadata.name != '{name}'", "message": "not this one"}
    constraints = {"resourceRules": [rule]}
    policy: client.Json = {"matchConstraints": constraints, "validations": [validation]}
    policies.create({"metadata": {"name": "strict"}, "spec": policy})
    binding = {"policyName": "strict", "validationActions": ["Deny"]}
    bindings.create({"metadata": {"name": "strict"}, "spec": binding})
    waiting.until("it is refused", lambda: _is_refused(pools, name), bool)
    yield
    bindings.delete("strict")
    policies.delete("strict")
    waiting.until("it is not refused", lambda: _is_refused(pools, name), lambda found: not found)


def _is_refused(pools: client.Resource, name: str) -> bool:
    """Ask without a write, which would store the pool anew."""
    path, query = f"{pools.path}/{name}", {"dryRun": "All"}
    try:
        pools.client.request("PATCH", path, {}, content_type=client.MERGE, query=query)
    except errors.RefusedError as error:
        if error.code != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return True
    return False
