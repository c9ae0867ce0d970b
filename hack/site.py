# SPDX-License-Identifier: Apache-2.0
"""Hooks of MkDocs: menus that follow the folders of docs/, and pages as the repository shows them.

A link such as `../../Dockerfile` leads to a file in the repository.  The site holds pages alone, so
there its text stays, after a check that the file exists.  In the code of a table, a bar needs a
backslash in the repository, which MkDocs would print.
"""

import logging
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Protocol

SECTIONS = {
    "tutorial": "Tutorial",
    "how-to": "How-to",
    "reference": "Reference",
    "explanation": "Explanation",
    "design": "Design",
}
"""Folders of docs/ and what the menu calls them, in the menu's order."""

_DOCS = Path(__file__).parent.parent / "docs"
_CODE_IN_ROW = re.compile(r"^\|.*`.*$", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+`")
_GENERATED = re.compile(r"\A<!--.*?-->\s*")
"""What a generated page opens with, where MkDocs looks for the title."""
_LINK = re.compile(r"\[([^\]]+)\]\((\.\.?/[^)#]+)(?:#[^)]*)?\)")

log = logging.getLogger("mkdocs.hooks.site")  # below `mkdocs`: in strict mode a warning is an error


class File(Protocol):
    """A source file of the site."""

    src_uri: str


class Page(Protocol):
    """A page of the site."""

    file: File


def on_config(config: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Make the menus."""
    pages = {
        title: sorted(path.relative_to(_DOCS).as_posix() for path in _DOCS.glob(f"{folder}/*.md"))
        for folder, title in SECTIONS.items()
    }
    config["nav"] = [{"Home": "index.md"}, *({title: found} for title, found in pages.items())]
    return config


def on_page_markdown(markdown: str, page: Page, **_others: object) -> str:
    """Replace links that leave docs/ by their text, mend bars in tables, put the title first."""
    folder = (_DOCS / page.file.src_uri).parent

    def replace(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(_DOCS):
            return link[0]
        if not target.exists():
            log.warning("%s links to %s, which does not exist", page.file.src_uri, link[2])
        return link[1]

    text = _CODE_IN_ROW.sub(_without_backslashes, _GENERATED.sub("", markdown))
    return _LINK.sub(replace, text)


def _without_backslashes(row: re.Match[str]) -> str:
    return _CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0])
