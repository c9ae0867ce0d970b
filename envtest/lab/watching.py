# SPDX-License-Identifier: Apache-2.0
"""What is observed while clusterctl works: outages, and what happens to addresses."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from ..client import Json, Resource
from ..errors import RefusedError

LOOK_SECONDS = 0.02  # between two looks, and so the error of what is measured


class Outage:
    """Asks again and again, as an old client does, for the length of a block."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds = 0.0
        """For how long there was no answer, all in all."""
        self.began: float | None = None
        """When there was an answer for the last time before, by the monotonic clock."""
        self.ended = 0.0
        """When there was an answer again, by the monotonic clock."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        down = False
        while not self._over.wait(LOOK_SECONDS):
            failed = self._fails()
            now = time.monotonic()
            if failed and self.began is None:
                self.began = last
            if failed or down:
                self.seconds += now - last
            if down and not failed:
                self.ended = now
            last, down = now, failed

    def _fails(self) -> bool:
        try:
            self._ask()
        except RefusedError:
            return True
        return False


@dataclass
class Ledger:
    """What happened to IPAddresses since a revision, told by a watch."""

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


def follow(addresses: Resource, since: str, *, until: str) -> Ledger:
    """Return what happened after the revision `since`, up to the address of that name."""
    ledger = Ledger()
    with addresses.watch(since) as events:
        for event in events:
            ledger.note(event)
            if until in ledger.seen:
                break
    return ledger
