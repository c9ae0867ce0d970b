# SPDX-License-Identifier: Apache-2.0
"""Why the informers have to be replaced.

* kube.errors.KubeError
  * ContractChangedError: Cluster API serves its types in other versions than before
  * StaleError: the informers in use have ended
"""

from kube.errors import KubeError


class ContractChangedError(KubeError):
    """Cluster API's types are served in another version, so everything is listed again."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"Cluster API's IPAM types: {old} was in use, {new} is to be used now")


class StaleError(KubeError):
    """The informers were replaced by new ones."""

    def __init__(self) -> None:
        super().__init__("the caches are loaded anew")
