# SPDX-License-Identifier: Apache-2.0
"""Options of a list or a watch, with the names of metav1.ListOptions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The objects that a list or a watch selects, and how it returns them."""

    namespace: str = ""
    """Empty: all namespaces."""
    field_selector: str = ""
    limit: int = 0
    """Objects on a page; 0: all on one."""
    continue_: str = ""
    """Where the page before ended."""
    resource_version: str = ""
    """Of a watch: the state after which it begins; empty: the present one, with all objects."""
    timeout_seconds: int = 0
    """Of a watch: when the API server ends it; 0: as it likes."""
    allow_watch_bookmarks: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The parameters in the URL, those with a value."""
        values = {
            "limit": str(self.limit or ""),
            "continue": self.continue_,
            "fieldSelector": self.field_selector,
            "resourceVersion": self.resource_version,
            "allowWatchBookmarks": "true" if self.allow_watch_bookmarks else "",
            "timeoutSeconds": str(self.timeout_seconds or ""),
        }
        return {name: value for name, value in values.items() if value}


EVERYTHING = ListOptions()
"""All objects in all namespaces."""
