# SPDX-License-Identifier: Apache-2.0
"""Why the informers have to be replaced.

* kube.errors.KubeError
  * ContractChangedError: Cluster API serves its types in other versions than before
  * StaleError: the informers in use have ended
"""

from kube.errors import KubeError


class ContractChangedError(KubeError):
    """Work goes on in another version of Cluster API's types, from new lists."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"Cluster API's IPAM types: {old} was in use, {new} is to be used now")


class StaleError(KubeError):
    """Work goes on from other informers."""

    def __init__(self) -> None:
        super().__init__("the caches are loaded anew")
