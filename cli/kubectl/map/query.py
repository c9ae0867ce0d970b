# SPDX-License-Identifier: Apache-2.0
"""The search and the filters of a page: a text, a namespace and a Cluster, all in the URL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from controller.state import parse

if TYPE_CHECKING:
    from ipam.address_sets import AddressSet
    from ipam.notation import Address

    from .model import Held, Waiting


@dataclass(frozen=True)
class Query:
    """Filters of a page; an empty one excludes nothing."""

    text: str = ""
    namespace: str = ""
    cluster: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.namespace or self.cluster)

    @cached_property
    def address(self) -> Address | None:
        """The address that the text is; None if it is a name."""
        return parse(self.text)

    @property
    def url(self) -> str:
        """The filters as a part of a URL, without question mark; empty without filters."""
        named = {"q": self.text, "namespace": self.namespace, "cluster": self.cluster}
        return urlencode({name: value for name, value in named.items() if value})

    def matches(self, held: Held, address_set: AddressSet) -> bool:
        """Return whether a holder matches the filters."""
        if not self:
            return True
        report = held.report
        if not self._is_of(report.namespace, report.cluster):
            return False
        if self.address is None:
            names = (report.claim, report.ip_address, report.machine, *report.owners)
            return self._is_named(report.namespace, *names, report.cluster, report.address)
        numbers, value = held.numbers, self.address.value // address_set.block_size
        within = numbers is not None and numbers[0] <= value <= numbers[1]
        return within and self.address.family == address_set.family

    def matches_waiting(self, claim: Waiting) -> bool:
        """Return whether a waiting claim matches the filters."""
        return self._is_of(claim.namespace, claim.cluster) and self._is_named(
            claim.namespace, claim.claim, claim.machine, claim.cluster
        )

    def _is_of(self, namespace: str, cluster: str) -> bool:
        return self.namespace in ("", namespace) and self.cluster in ("", cluster)

    def _is_named(self, namespace: str, name: str, *others: str) -> bool:
        text = self.text.casefold()
        return any(text in each.casefold() for each in (f"{namespace}/{name}", *others))


EVERYTHING = Query()
"""No filter at all."""
