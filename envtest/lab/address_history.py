# SPDX-License-Identifier: Apache-2.0
"""What happens to addresses while clusterctl works."""

from dataclasses import dataclass, field

from ..client import Json, Resource


@dataclass
class AddressHistory:
    """What happened to IPAddresses since a revision, as a watch reports it."""

    seen: dict[str, str] = field(default_factory=dict[str, str])
    """Address by the name of its object, of those that are there."""
    deleted: list[str] = field(default_factory=list[str])
    duplicates: list[str] = field(default_factory=list[str])

    def note(self, event: Json) -> None:
        """Take an event of the watch into account."""
        found = event["object"]
        name, address = found["metadata"]["name"], found.get("spec", {}).get("address", "")
        if event["type"] == "DELETED":
            self.deleted.append(name)
            self.seen.pop(name, None)
            return
        if event["type"] in {"ADDED", "MODIFIED"}:
            others = {held for held, text in self.seen.items() if text == address} - {name}
            self.duplicates += [f"{address} of {name} is that of {held}" for held in others]
            self.seen[name] = address


def follow(addresses: Resource, since: str, *, until: str) -> AddressHistory:
    """Return what happened after the revision `since`, up to the address of that name."""
    history = AddressHistory()
    with addresses.watch(since) as events:
        for event in events:
            history.note(event)
            if until in history.seen:
                break
    return history
