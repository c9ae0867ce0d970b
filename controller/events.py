# SPDX-License-Identifier: Apache-2.0
"""Events: news about an object, for people.  Nothing depends on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import structlog

from kube.errors import KubeError, NotLeaderError
from kube.resources import GroupVersionResource

if TYPE_CHECKING:
    from kube.client import Api
    from kube.objects import Meta

log = structlog.get_logger(__name__)

CONTROLLER = "ipam.cluster.x-k8s.io/in-cluster"
"""What Events name as their source."""

EVENTS = GroupVersionResource("events.k8s.io", "v1", "Event", "events")
_DEFAULT_NAMESPACE = "default"  # the only one for objects without a namespace


@dataclass(frozen=True, slots=True)
class News:
    """What an Event says: two words in CamelCase for programs, and a sentence for people."""

    reason: str
    action: str
    note: str


async def tell(api: Api, resource: GroupVersionResource, about: Meta, news: News) -> None:
    """Leave an Event at an object.

    Guarantees:
        The same news of the same state of an object is one Event.  An API server that does not take
        it costs the news and no more.

    Raises:
        NotLeaderError: the lease is lost.
    """
    namespace = about.namespace or _DEFAULT_NAMESPACE
    body = {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": f"{about.name}.{about.revision:x}", "namespace": namespace},
        "regarding": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": about.name,
            "uid": about.uid,
        },
        "reason": news.reason,
        "action": news.action,
        "type": "Normal",
        "note": news.note,
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": CONTROLLER,
    }
    try:
        await api.create(EVENTS, namespace, msgspec.json.encode(body))
    except NotLeaderError:
        raise
    except KubeError as error:
        log.warning("Event not written", reason=news.reason, error=str(error))
