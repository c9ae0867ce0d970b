# SPDX-License-Identifier: Apache-2.0
"""`/debug`: what the manager is doing, for people who look for a fault.  JSON, and no secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from controller import metrics as controller
from controller import report
from kube import metrics as kube

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX = "/debug"
LEVEL = "/debug/flags/v"
"""Where Kubernetes' own components have it, and Cluster API's."""

_IDLE = "not running: another replica leads, or Cluster API's types are not installed"
_RUNNING = "running"


def _index() -> dict[str, object]:
    return {
        _QUEUES: "keys that wait, are worked on, come later or failed, of each queue",
        _CACHES: "copies of objects, and the allocations of each pool",
        LEVEL: "GET: how much is logged; PUT a number: 4 is debug, 0 the default",
    }


def _queues() -> dict[str, object]:
    queues = kube.SERVED.queues
    found = {name: {**queue.report(), "workers": n} for name, (queue, n) in queues.items()}
    return {"controller": _RUNNING if found else _IDLE, "queues": found}


def _caches() -> dict[str, object]:
    state = controller.SHOWN.state
    if state is None:
        return {"controller": _IDLE}
    return {
        "controller": _RUNNING,
        "caches": report.informers(state),
        "pools": report.pools(state),
    }


_QUEUES, _CACHES = "/debug/queues", "/debug/caches"
_PAGES: dict[str, Callable[[], dict[str, object]]] = {
    INDEX: _index,
    _QUEUES: _queues,
    _CACHES: _caches,
}
PATHS = tuple(_PAGES)


def page(path: str) -> bytes:
    """Return the page of one of `PATHS`."""
    return json.dumps(_PAGES[path](), indent=1).encode() + b"\n"
