# SPDX-License-Identifier: Apache-2.0
"""The pages as HTML: for a browser that the service answers, or all of them in one file."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import jinja2

from ipam.texts import counted

from .. import plan, printing
from . import cells, overlay, views
from .query import EVERYTHING, Query
from .states import GAINED, LOST, STRANDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from objects.pools import PoolKey

    from .model import Model

STATIC = {"map.css": "text/css", "map.js": "text/javascript"}
"""Files beside the pages, and their types."""

LEGEND = {
    "outside": "out of range",
    STRANDED: "stranded: in use, and out of range after the change",
    LOST: "lost by the change",
    GAINED: "gained by the change",
    views.OVERLAP: "also in another pool",
}
"""States that the legend explains; all others are words already."""

ICON = "data:,"
"""Keeps the browser from asking for an icon."""

POLICY = (
    "default-src 'none'; style-src {style}; script-src {script}; connect-src {connect}; "
    "img-src data:; base-uri 'none'; form-action {connect}; frame-ancestors 'none'"
)
"""Content-Security-Policy of all pages: nothing comes from, or goes to, another server."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where pages are; in a file (`base` is empty) they are parts of it."""

    base: str = ""
    plan: str = ""
    """The name of the manifest whose changes the pages show; empty: the present state."""

    @property
    def present(self) -> Links:
        """The links to the present state."""
        return Links(self.base)

    @property
    def is_live(self) -> bool:
        """Whether a service answers."""
        return bool(self.base)

    def overview(self, query: Query = EVERYTHING) -> str:
        """Return where all pools are."""
        return self.to("/", query.url) if self.is_live else "#"

    def pool(
        self,
        key: PoolKey,
        query: Query = EVERYTHING,
        block: str = "",
        page: int = 1,
    ) -> str:
        """Return where a pool is, or a block of it."""
        if not self.is_live:
            return f"#{anchor(key)}"
        parts = (block and f"block={block}", query.url, page > 1 and f"page={page}")
        return self.to(f"/pools/{key.kind}/{key.namespace or '-'}/{key.name}", *parts)

    def static(self, name: str) -> str:
        """Return where a file is."""
        return f"{self.base}/static/{name}"

    def events(self) -> str:
        """Return the URL of the stream of changes."""
        return f"{self.base}/events" if self.is_live else ""

    def to(self, path: str, *parts: str | bool) -> str:
        """Return the URL of a path, with the parts of its query that are not empty."""
        query = "&".join(str(part) for part in (*parts, self.plan and f"plan={self.plan}") if part)
        return f"{self.base}{path}?{query}" if query else f"{self.base}{path}"


def anchor(key: PoolKey, address: str = "") -> str:
    """Return the id of a pool in a file, or of the row of an address."""
    return "/".join(part for part in (*key, address) if part)


def overview(found: Model, links: Links, query: Query) -> str:
    """Render the page of all pools."""
    view = views.overview(found, query)
    return _render("overview.html", found, links, query, view=view)


def pool(found: Model, links: Links, query: Query, view: views.PoolView) -> str:
    """Render the page of a pool."""
    manifest = overlay.text_of(found.usages[view.key].pool)
    return _render("pool.html", found, links, query, view=view, manifest=manifest)


def export(found: Model) -> str:
    """Render all pages as one file that needs nothing else."""
    query, links = EVERYTHING, Links()
    policy = POLICY.format(style=_hash("map.css"), script=_hash("map.js"), connect="'none'")
    policy = policy.partition("; frame-ancestors")[0]  # a policy in a document has no such part
    return _render(
        "export.html",
        found,
        links,
        query,
        policy=policy,
        style=static("map.css"),
        script=static("map.js"),
        view=views.overview(found, query),
        pools=(views.pool(found, key, query, page=0) for key in found.keys),
    )


@cache
def static(name: str) -> str:
    """Return the text of a file beside the pages."""
    return (resources.files(__package__ or "") / "static" / name).read_text()


def _hash(name: str) -> str:
    """Return a source expression of a Content-Security-Policy that allows one inline text."""
    digest = hashlib.sha256(static(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _render(template: str, found: Model, links: Links, query: Query, **more: object) -> str:
    context: Mapping[str, object] = {
        "model": found,
        "links": links,
        "query": query,
        "clusters": views.clusters(found),
        "namespaces": views.namespaces(found),
        "anchor": anchor,
        "counted": counted,
        "icon": ICON,
        "details": plan.details,
        "names": LEGEND,
    }
    return _environment().get_template(template).render(context, **more)


@cache
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or ""),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"whose": cells.whose, "number": _number}
    return found


def _number(value: int) -> str:
    """Write a count; a power of two is shorter than a large number."""
    return f"{value:,}" if value < 1 << 40 else f"about 2^{printing.power_near(value)}"
