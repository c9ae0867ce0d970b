# SPDX-License-Identifier: Apache-2.0
"""What code needs to be allowed: declared beside that code, collected by the generator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a Role or ClusterRole.

    `names` narrows it to certain objects.  The API server can't do that for create, and for list
    and watch only where the request selects `metadata.name` by a field selector.
    """

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
