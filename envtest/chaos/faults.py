# SPDX-License-Identifier: Apache-2.0
"""What breaks: managers, their networks, answers, lease, the API server, etcd and its history.

Each fault has a subject and is over after some seconds; one subject has one fault at a time.
Which kinds of faults come, and in which order, is a schedule: `at_random` or `each_once`.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import urllib3

from ..controlplane.control_plane import ADMIN_GROUP
from ..controlplane.etcd import Etcd
from ..controlplane.manager import Manager
from ..errors import EtcdError, RefusedError
from . import backups, leases
from .history import History
from .proxy import Proxy
from .proxy_actions import PASS, Lost, Outcome, Refuse, Request, passing
from .replicas import Replica, Replicas

if TYPE_CHECKING:
    from ..client import Json

_SHORT = (0.2, 1.5)  # seconds; within a lease of 3
_LONG = (1.0, 8.0)  # seconds; often longer than a lease
_TRIES = 40  # of a kind whose subject is broken already: about a minute, a fault takes 8 s at most
_ON_LEADER = 0.7  # of the faults of managers: the one that leads has more to lose
_BETWEEN_SECONDS = (0.5, 3.0)  # so that two or three faults are about, and now and then none
_ANSWER_SECONDS = 2.0  # for the lease's sake a frozen API server is not waited for
_STOPPED = (0, -signal.SIGTERM)  # the second one before it listens to signals
_REFUSALS = (
    Refuse(429, "TooManyRequests"),
    Refuse(500, "InternalError"),
    Refuse(503, "ServiceUnavailable"),
    Refuse(None),
)
_CONFLICT = Refuse(409, "Conflict")  # for patches alone: nothing else is refused with this

Heal = Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Running:
    until: float
    heal: Heal


class Faults:
    """Breaks and mends, all of it in the thread that calls `step`.

    The kernel ends a process with the thread that started it, so that one must live the longest.
    """

    def __init__(self, replicas: Replicas, history: History, etcd: Etcd, seed: str) -> None:
        self.done: Counter[str] = Counter()
        self.crashes: list[str] = []
        """Managers that ended although no fault ended them."""
        self._replicas = replicas
        self._plane = replicas.provider.control_plane
        self._history = history
        self._etcd = etcd
        user = self._plane.client("chaos-lease", [ADMIN_GROUP], _ANSWER_SECONDS)
        self._lease = leases.Leases(user)
        self._backup = replicas.folder / "etcd-backup"
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._running: dict[object, _Running] = {}
        self._kinds: dict[str, tuple[int, Callable[[str], bool]]] = {
            "manager killed": (3, self._kill),
            "manager frozen": (3, self._freeze),
            "manager terminated": (2, self._terminate),
            "network silent": (3, self._silence),
            "network reset": (2, self._refuse),
            "network slow": (2, self._slow),
            "watches cut": (3, self._cut_watches),
            "refusals": (4, self._answers),
            "answers lost": (5, self._answers),
            "API server restarted": (1, self._restart_apiserver),
            "API server frozen": (1, self._freeze_apiserver),
            "etcd restarted": (1, self._restart_etcd),
            "history compacted": (2, self._compact),
            "etcd restored": (2, self._restore_etcd),
        }
        if len(replicas.all) > 1:
            self._kinds |= {
                "lease deleted": (2, self._delete_lease),
                "lease edited by hand": (2, self._edit_lease),
                "lease restored from backup": (2, self._restore_lease),
            }

    def at_random(self, seconds: float) -> Iterator[str]:
        """Choose kinds for so long."""
        deadline = time.monotonic() + seconds
        weights = [weight for weight, _ in self._kinds.values()]
        while time.monotonic() < deadline:
            yield from self._random.choices([*self._kinds], weights)

    def each_once(self) -> Iterator[str]:
        """Choose each kind, in any order, until it was done."""
        for kind in self._random.sample([*self._kinds], len(self._kinds)):
            for _ in range(_TRIES):
                if self.done[kind]:
                    break
                yield kind

    @property
    def missing(self) -> list[str]:
        """The kinds that were never done."""
        return [kind for kind in self._kinds if not self.done[kind]]

    def run(self, kinds: Iterable[str]) -> None:
        """Break one thing after the other, then mend everything.

        Whatever ends this early, nothing stays frozen: who waits for it would wait for long.
        """
        try:
            for kind in kinds:
                self._mend(time.monotonic())
                self.step(kind)
                time.sleep(self._random.uniform(*_BETWEEN_SECONDS))
            self._mend(float("inf"))
            self._replicas.heal()
        finally:
            self._go_on()

    def step(self, kind: str) -> None:
        """Break one more thing, where its subject is whole."""
        if self._kinds[kind][1](kind):
            self.done[kind] += 1

    def look(self) -> None:
        """Note which managers have ended; everything must be mended."""
        for replica in self._replicas.all:
            if not replica.manager.running:
                self._crashed(replica.manager, replica.manager.wait())

    def _crashed(self, manager: Manager, status: int) -> None:
        self.crashes.append(f"{manager.name} ended by itself, with {status}")

    def _go_on(self) -> None:
        managers = [replica.manager for replica in self._replicas.all]
        for process in (self._plane.apiserver, *managers):
            if process.running:
                process.signal(signal.SIGCONT)

    def _mend(self, now: float) -> None:
        for subject, fault in tuple(self._running.items()):
            if fault.until <= now:
                self._heal(subject)
        self._revive()

    def _heal(self, subject: object) -> None:
        if fault := self._running.pop(subject, None):
            fault.heal()

    def _revive(self) -> None:
        """Start again what ended by itself: a manager must not, an API server without etcd may."""
        if self._plane not in self._running:
            self._plane.apiserver.start()
        for manager in (replica.manager for replica in self._replicas.all):
            if manager not in self._running and not manager.running:
                self._crashed(manager, manager.wait())
                manager.start()

    def _begin(self, subject: object, length: tuple[float, float], start: Heal, heal: Heal) -> bool:
        """Break a subject that is whole."""
        seconds = self._random.uniform(*length)
        if subject in self._running:
            return False
        start()
        self._running[subject] = _Running(time.monotonic() + seconds, heal)
        return True

    def _replica(self) -> Replica:
        """Choose a replica, rather the one that leads: the last that wrote the lease."""
        leading, *others = sorted(self._replicas.all, key=_last_write, reverse=True)
        on_leader = self._random.random() < _ON_LEADER
        return leading if on_leader or not others else others[0]

    def _kill(self, _kind: str) -> bool:
        manager = self._replica().manager
        return self._begin(manager, _SHORT, manager.kill, manager.start)

    def _terminate(self, _kind: str) -> bool:
        manager = self._replica().manager

        def start() -> None:
            if manager.running:
                manager.signal(signal.SIGTERM)

        def heal() -> None:
            if manager.running:
                manager.kill()  # as the kubelet does when the time to end is over
            elif (status := manager.wait()) not in _STOPPED:
                self._crashed(manager, status)
            manager.start()

        return self._begin(manager, _LONG, start, heal)

    def _freeze(self, _kind: str) -> bool:
        replica = self._replica()
        if not replica.manager.running:
            return False

        freeze, thaw = self._replicas.freeze, self._replicas.thaw
        return self._begin(replica.manager, _LONG, partial(freeze, replica), partial(thaw, replica))

    def _silence(self, _kind: str) -> bool:
        proxy = self._replica().proxy
        return self._begin(
            proxy,
            _LONG,
            partial(_set, proxy, silent=True),
            partial(_set, proxy, silent=False),
        )

    def _refuse(self, _kind: str) -> bool:
        proxy = self._replica().proxy

        def start() -> None:
            proxy.refusing = True
            proxy.cut()

        return self._begin(proxy, _LONG, start, partial(_set, proxy, refusing=False))

    def _slow(self, _kind: str) -> bool:
        proxy, late = self._replica().proxy, self._random.uniform(0.05, 1.0)
        return self._begin(
            proxy,
            _LONG,
            partial(_set, proxy, delay=late),
            partial(_set, proxy, delay=0.0),
        )

    def _cut_watches(self, _kind: str) -> bool:
        return self._replica().proxy.cut(watches_only=True) > 0

    def _answers(self, kind: str) -> bool:
        proxy = self._replica().proxy
        chance = self._random.uniform(0.1, 0.6)
        dice = random.Random(self._random.random())  # noqa: S311 - chaos must be repeatable

        def decide(request: Request) -> Outcome:
            if dice.random() > chance:
                return PASS
            outcome = _lost(request) if kind == "answers lost" else _refusal(request, dice)
            if outcome != PASS:
                self.done[_name(outcome)] += 1
            return outcome

        return self._begin(
            (proxy, "answers"),
            _LONG,
            partial(_set, proxy, decide=decide),
            partial(_set, proxy, decide=passing),
        )

    def _restart_apiserver(self, _kind: str) -> bool:
        plane = self._plane
        return self._begin(plane, _SHORT, plane.apiserver.kill, plane.apiserver.start)

    def _restart_etcd(self, _kind: str) -> bool:
        plane = self._plane
        return self._begin(plane, _SHORT, plane.etcd.kill, plane.etcd.start)

    def _freeze_apiserver(self, _kind: str) -> bool:
        server = self._plane.apiserver

        def stop() -> None:
            if server.running:
                server.signal(signal.SIGSTOP)

        def go_on() -> None:
            if server.running:
                server.signal(signal.SIGCONT)

        return self._begin(self._plane, _LONG, stop, go_on)

    def _compact(self, _kind: str) -> bool:
        try:
            self._etcd.compact(self._history.revision)
        except EtcdError:  # it is down, or nothing has happened since the last time
            return False
        return True

    def _restore_etcd(self, _kind: str) -> bool:
        """Back up now, restore later."""
        return self._begin(
            "backup", _LONG, partial(backups.take, self._plane, self._backup), self._put_back
        )

    def _put_back(self) -> None:
        plane = self._plane
        self._heal(plane)
        plane.apiserver.kill()  # so that the history ends
        for replica in self._replicas.all:
            replica.proxy.cut()  # what a silent network held for the old server reaches no new one
        self._history.suspend()
        self._history.resume(backups.put_back(plane, self._backup))
        plane.apiserver.start()

    def _delete_lease(self, _kind: str) -> bool:
        return _answered(self._lease.delete)

    def _edit_lease(self, _kind: str) -> bool:
        holder, seconds = self._random.choice(("", "somebody", None)), self._random.choice((1, 15))
        edit = {} if holder is None else {"holderIdentity": holder}
        return _answered(partial(self._lease.edit, **edit, leaseDurationSeconds=seconds))

    def _restore_lease(self, _kind: str) -> bool:
        """Back up now, restore later."""
        found: list[Json] = []

        def read() -> None:
            if lease := self._lease.read():
                found.append(lease)

        if not (_answered(read) and found):
            return False
        put_back = partial(_answered, partial(self._lease.put_back, found[0]))
        return self._begin("lease", _LONG, _nothing, put_back)


def _nothing() -> None:
    pass


def _answered(request: Callable[[], object]) -> bool:
    """Send a request, and return whether it was answered well."""
    try:
        request()
    except (RefusedError, urllib3.exceptions.HTTPError):
        return False
    return True


def _set(proxy: Proxy, **settings: object) -> None:
    for name, value in settings.items():
        setattr(proxy, name, value)


def _lost(request: Request) -> Outcome:
    return Lost() if request.writes else PASS


def _refusal(request: Request, dice: random.Random) -> Outcome:
    return dice.choice((*_REFUSALS, _CONFLICT) if request.method == "PATCH" else _REFUSALS)


def _name(outcome: Outcome) -> str:
    if isinstance(outcome, Refuse):
        return f"= answered {outcome.status}" if outcome.status else "= never answered"
    return "= applied, answer lost"


def _last_write(replica: Replica) -> float:
    return replica.proxy.writes[-1].seconds if replica.proxy.writes else 0.0
