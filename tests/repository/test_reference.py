# SPDX-License-Identifier: Apache-2.0
"""The reference pages name every word that the code writes into objects, and no other."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
CONDITIONS = (REFERENCE / "conditions.md").read_text()
METADATA = (REFERENCE / "metadata.md").read_text()
GLOSSARY = (REFERENCE / "glossary.md").read_text()

REASON = re.compile(r"Ready|Paused|Deleting|(?:[A-Z][a-z]+){2,}|[A-Z][a-z]+ForIPAddress")
"""A condition or a reason; actions, in one word, look like names of types."""
KINDS = {"CustomResourceDefinition", "StorageVersionMigration", "JsonObject"}
"""Names of types that look like reasons."""
NAME = re.compile(r"(?:[a-z]+\.)?cluster\.x-k8s\.io/(?!v\d)[A-Za-z-]+")


def constants(*files: Path) -> Iterator[str]:
    """Yield the texts in code; docstrings, which are sentences, match no pattern here."""
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def shipped() -> list[Path]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return [path for name in packages for path in (ROOT / name).rglob("*.py")]


def quoted(page: str, pattern: re.Pattern[str]) -> set[str]:
    return {word for word in re.findall(r"`([^`]+)`", page) if pattern.fullmatch(word)}


def test_the_page_has_every_condition_and_reason() -> None:
    files = [*(ROOT / "controller").glob("*.py"), ROOT / "manager" / "leader.py"]
    written = {text for text in constants(*files) if REASON.fullmatch(text)} - KINDS

    assert len(written) > 15
    assert quoted(CONDITIONS, REASON) == written


def test_the_page_has_every_annotation_label_and_finalizer() -> None:
    written = {text for text in constants(*shipped()) if NAME.fullmatch(text)}
    (controller,) = quoted(CONDITIONS, NAME)

    assert len(written) > 10
    assert quoted(METADATA, NAME) == written - {controller}


def test_the_glossary_is_in_alphabetical_order() -> None:
    words = re.findall(r"^\| ([a-z][a-z ]+) \| \S", GLOSSARY, re.MULTILINE)

    assert len(words) > 30
    assert words == sorted(set(words))


def test_the_glossary_explains_words_that_are_used() -> None:
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*/*.md"),
        *shipped(),
        *ROOT.glob("envtest/**/*.py"),
    ]
    used = " ".join(
        re.sub(r"[\s_-]+", " ", page.read_text().lower())
        for page in pages
        if page.name != "glossary.md"
    )

    words = re.findall(r"^\| ([a-z][a-z ]+) \| \S", GLOSSARY, re.MULTILINE)

    assert [word for word in words if word not in used] == []
