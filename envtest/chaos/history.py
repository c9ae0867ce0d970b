# SPDX-License-Identifier: Apache-2.0
"""Everything that was ever written of pools, claims and addresses, in order."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Self

from ..client import Json
from ..controlplane.etcd import Change, Etcd
from ..errors import EtcdError, LostHistoryError

PREFIX = "/registry/ipam.cluster.x-k8s.io/"  # Cluster API's kinds and ours have one group
RESTORED = "restored"
_AGAIN_SECONDS = 0.1  # before etcd is asked again that did not answer


@dataclass(frozen=True, slots=True)
class Event:
    """One write of one object; `body` is None if it is gone.

    Where `plural` is RESTORED, etcd was restored from a backup of that revision: what was written
    after it is a branch of its own, which has no future.
    """

    revision: int
    plural: str
    namespace: str
    name: str
    body: Json | None
    seen: float = 0.0
    """When it was read, by `time.time`: never before it was written."""


class History:
    """Follows etcd for the length of a block."""

    def __init__(self, etcd: Etcd) -> None:
        self.events: list[Event] = []
        self.lost: Exception | None = None
        """Why the history has a hole or an early end, should it have one."""
        self._etcd = etcd
        self._next = etcd.revision() + 1
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.suspend()

    def suspend(self) -> None:
        """Read what there is, and no more until `resume`."""
        self._over.set()
        self._thread.join()

    def resume(self, restored: int) -> None:
        """Go on in an etcd that was restored from a backup of that revision."""
        self.events.append(Event(restored, RESTORED, "", "", None, time.time()))
        self._next = restored + 1
        self._start()

    def _start(self) -> None:
        self._over.clear()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def revision(self) -> int:
        """Up to where all was read; what is older may be compacted away."""
        return self._next - 1

    def _follow(self) -> None:
        while not self._over.is_set():
            try:
                for change in self._etcd.changes(PREFIX, self._next):
                    self.events.append(_event(change))
                    self._next = change.revision + 1
            except LostHistoryError as error:
                self.lost = error
                return
            except EtcdError:
                self._over.wait(_AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001 - or the thread would end unnoticed
                self.lost = error
                return


def _event(change: Change) -> Event:
    plural, *namespace, name = change.key.removeprefix(PREFIX).split("/")
    body: Json | None = json.loads(change.value) if change.value is not None else None
    return Event(change.revision, plural, "".join(namespace), name, body, time.time())
