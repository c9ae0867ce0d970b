# SPDX-License-Identifier: Apache-2.0
"""The laws of allocation, held against each step of a history.

* Of one pool, no two IPAddresses that exist at the same time have the same address.
* An IPAddress is made for a claim that exists, of that claim's pool, protected by its finalizer.
  Its address is one that the pool offers or once offered.  If the user asked for one, it is that.
* A claim keeps the first address that it was given, and its status names an IPAddress of its own.
* No IPAddress goes before its claim is being deleted and the pool's grace period is over.
* No claim goes before its IPAddress.
* For a pool or a claim that is paused, nothing is made and nothing is let go.

Where etcd was restored from a backup, what exists is what the backup has: the laws hold from there
on, and held until then on the branch that was given up.

One thing is the API server's own doing: a DELETE that found no finalizer yet removes the claim
though one was added in the meantime.  What such a claim (`slipped`) was given is rightly an orphan.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..client import Json
from ..contract import PAUSED, PROTECT, RECORD, RECORD_FOR, RELEASE
from ..manifests import POOL_PLURALS
from .history import RESTORED, Event
from .oracle import offered

CLAIMS, ADDRESSES = "ipaddressclaims", "ipaddresses"

PAUSE_SECONDS = 30.0
"""After this all managers know of a pause: no fault keeps one that may write from its watch for so
long."""

Place = tuple[str, str]
"""Namespace and name."""

Pool = tuple[str, str, str]
"""Plural, namespace (empty for global ones) and name."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A law that was broken, and by which write."""

    law: str
    revision: int
    what: str

    def __str__(self) -> str:
        return f"{self.law} (revision {self.revision}): {self.what}"


def check(events: Iterable[Event]) -> list[Violation]:
    """Return all violations in a history, in its order."""
    return judged(events).violations


def judged(events: Iterable[Event]) -> "Checker":
    """Return a checker that has taken a history, with the violations of all its branches."""
    checker, branch = Checker(), list[Event]()
    found: dict[Violation, None] = {}
    for event in events:
        if event.plural == RESTORED:
            found |= dict.fromkeys(checker.violations)
            branch = [each for each in branch if each.revision <= event.revision]
            checker = judged(branch)
        else:
            branch.append(event)
            checker.take(event)
    checker.violations = [*(found | dict.fromkeys(checker.violations))]
    return checker


class Checker:
    """The state of the objects after the events taken so far."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.slipped: set[str] = set()
        """Uids of claims that the API server removed past the finalizer."""
        self._claims: dict[Place, Json] = {}
        self._addresses: dict[Place, Json] = {}
        self._owners: dict[Place, str | None] = {}  # the uid of whose address it is, see `_adopted`
        self._holders: defaultdict[tuple[Pool, int], set[Place]] = defaultdict(set)
        self._given: dict[str, str] = {}  # by the claim's uid, the first address
        self._specs: dict[Pool, Json] = {}
        self._grace: dict[Pool, int] = {}  # the shortest that a pool ever had
        self._offers: defaultdict[Pool, set[int]] = defaultdict(set)  # all that it ever offered
        self._paused: dict[Place | Pool, float] = {}  # since when

    def take(self, event: Event) -> None:
        """Check the next event."""
        place = (event.namespace, event.name)
        if event.plural == ADDRESSES:
            self._take_address(event, place, self._addresses.get(place))
            _replace(self._addresses, place, event.body)
        elif event.plural == CLAIMS:
            self._take_claim(event, place, self._claims.get(place))
            _replace(self._claims, place, event.body)
            self._take_pause(event, place)
        else:
            self._take_pause(event, (event.plural, *place))
            self._take_pool((event.plural, *place), event.body)

    def _broken(self, law: str, event: Event, what: str) -> None:
        where = f"{event.plural} {event.namespace}/{event.name}: {what}"
        self.violations.append(Violation(law, event.revision, where))

    def _take_pause(self, event: Event, what: Place | Pool) -> None:
        if event.body and PAUSED in event.body["metadata"].get("annotations", ()):
            self._paused.setdefault(what, event.seen)
        else:
            self._paused.pop(what, None)

    def _look_for_pause(self, event: Event, address: Json) -> None:
        """Check that an IPAddress may be created or released now."""
        for what in (_pool(address), _claim_place(address)):
            paused_for = event.seen - self._paused.get(what, event.seen)
            if paused_for > PAUSE_SECONDS:
                text = f"{address['spec']['address']}; {what} for {paused_for:.0f} s"
                self._broken("nothing for what is paused", event, text)

    def _take_pool(self, pool: Pool, body: Json | None) -> None:
        """Add to what the provider may do: a manager's cache may be older than the pool."""
        if body is None or self._specs.get(pool) == body["spec"]:
            return  # most writes are of the status, and counting one by one is slow
        spec = self._specs[pool] = body["spec"]
        seconds = spec.get("addressReuseGracePeriodSeconds", 0)
        self._grace[pool] = min(seconds, self._grace.get(pool, seconds))
        self._offers[pool] |= offered(body)

    def _take_address(self, event: Event, place: Place, old: Json | None) -> None:
        new = event.body
        if old is not None and (new is None or not _same(old, new)):
            self._released(event, place, old)
            self._holders[_held(old)].discard(place)
            old = None
        if new is None:
            self._owners.pop(place, None)
        elif old is None:
            self._owners[place] = _owner(new)
            self._made(event, place, new)
        else:
            self._changed(event, place, old, new)

    def _made(self, event: Event, place: Place, address: Json) -> None:
        pool, number = held = _held(address)
        text = address["spec"]["address"]
        others = self._holders[held]
        if others:
            self._broken("no address twice", event, f"{text} of {pool}: also of {sorted(others)}")
        others.add(place)
        self._look_for_pause(event, address)
        if number not in self._offers[pool]:
            self._broken("of what the pool ever offered", event, f"{text} of {pool}")
        if not _protected(address):
            self._broken("protected at birth", event, f"{text} without {PROTECT}")
        if (owner := _owner(address)) in self.slipped:
            return
        claim = self._claim_of(address)
        if claim is None or _uid(claim) != owner:
            self._broken("made for a claim that exists", event, f"{text} for {owner}")
            return
        self._given_to(event, claim, text)
        if claim["spec"]["poolRef"] != address["spec"]["poolRef"]:
            self._broken("of its claim's pool", event, f"{text} of {pool}")
        asked = _asked(claim)
        if asked is not None and int(ipaddress.ip_address(asked)) != number:
            self._broken("what was asked for", event, f"{text} instead of {asked}")

    def _changed(self, event: Event, place: Place, old: Json, new: Json) -> None:
        if _held(old) != _held(new):
            self._broken("an address never changes", event, f"{_held(old)} -> {_held(new)}")
        elif _protected(old) and not _protected(new):
            self._released(event, place, old)
        self._adopted(event, place, new)

    def _adopted(self, event: Event, place: Place, address: Json) -> None:
        """Let an IPAddress pass on to another claim of its name, if that lives, and to none else.

        Removing only its owner does not free it.
        """
        owner, claim = _owner(address), self._claim_of(address)
        if owner == self._owners[place] or claim is None or _uid(claim) != owner:
            return
        self._owners[place] = owner
        self._given_to(event, claim, address["spec"]["address"])

    def _given_to(self, event: Event, claim: Json, text: str) -> None:
        if (first := self._given.setdefault(_uid(claim), text)) != text:
            self._broken("a claim keeps its address", event, f"{first} -> {text}")

    def _claim_of(self, address: Json) -> Json | None:
        """Return the claim that has the name in an IPAddress, be it the one it was made for."""
        return self._claims.get(_claim_place(address))

    def _owned(self, place: Place, claim: Json) -> bool:
        """Return whether an IPAddress exists and belongs to this claim."""
        return place in self._owners and self._owners[place] == _uid(claim)

    def _released(self, event: Event, place: Place, address: Json) -> None:
        """Check an IPAddress that is deleted, or loses the finalizer that protects it."""
        self._look_for_pause(event, address)
        claim = self._claim_of(address)
        if claim is None or not self._owned(place, claim):
            return
        text, since = address["spec"]["address"], claim["metadata"].get("deletionTimestamp")
        if since is None:
            self._broken("held while its claim lives", event, text)
            return
        held_for = event.seen - datetime.fromisoformat(since).timestamp()
        grace = self._grace.get(_pool(address), 0)
        if held_for < grace:
            self._broken("held for its grace", event, f"{text} for {held_for:.1f} of {grace} s")

    def _take_claim(self, event: Event, place: Place, old: Json | None) -> None:
        new = event.body
        if old is not None and _slips(old, new):
            self.slipped.add(_uid(old))
        goes = old is not None and (new is None or not _same(old, new))
        if old and goes and self._owned(place, old) and _uid(old) not in self.slipped:
            self._broken("the address goes first", event, "still has its IPAddress")
        if new is None:
            return
        named = _named(new)
        if named is None and old is not None and _same(old, new) and _named(old) is not None:
            self._broken("a claim keeps its address", event, "its status forgot it")
        if named is None or (old is not None and named == _named(old)):
            return
        if not self._owned((event.namespace, named), new):
            self._broken("bound to its own", event, f"its status names {named}")


def _replace(objects: dict[Place, Json], place: Place, body: Json | None) -> None:
    if body is None:
        objects.pop(place, None)
    else:
        objects[place] = body


def _uid(body: Json) -> str:
    return str(body["metadata"]["uid"])


def _same(old: Json, new: Json) -> bool:
    return _uid(old) == _uid(new)


def _slips(old: Json, new: Json | None) -> bool:
    """Return whether a claim disappears with our finalizer, without having been deleted."""
    goes = new is None or not _same(old, new)
    meta = old["metadata"]
    return goes and RELEASE in meta.get("finalizers", ()) and "deletionTimestamp" not in meta


def _pool(address: Json) -> Pool:
    reference = address["spec"]["poolRef"]
    scope = "" if reference["kind"].startswith("Global") else address["metadata"]["namespace"]
    return POOL_PLURALS[reference["kind"]], scope, reference["name"]


def _claim_place(address: Json) -> Place:
    return address["metadata"]["namespace"], address["spec"]["claimRef"]["name"]


def _held(address: Json) -> tuple[Pool, int]:
    return _pool(address), int(ipaddress.ip_address(address["spec"]["address"]))


def _protected(address: Json) -> bool:
    return PROTECT in address["metadata"].get("finalizers", ())


def _owner(address: Json) -> str | None:
    """Return the uid of the claim that an IPAddress belongs to."""
    owners = address["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner["kind"] == "IPAddressClaim"), None)


def _named(claim: Json) -> str | None:
    reference = claim.get("status", {}).get("addressRef", {})
    return reference.get("name") or None


def _asked(claim: Json) -> str | None:
    """Return which address the user of a claim asked for."""
    annotations = claim["metadata"].get("annotations", {})
    chosen = annotations.get(RECORD_FOR) == _uid(claim)
    return None if chosen else annotations.get(RECORD)
