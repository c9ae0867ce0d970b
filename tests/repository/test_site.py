# SPDX-License-Identifier: Apache-2.0
"""The documentation's site builds, and a link that leads nowhere fails the build."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

pytest.importorskip("mkdocs", reason="`make docs` installs MkDocs, and so does `make test`")


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a copy of what the site is made of, but for the links to the code."""
    copy = tmp_path / "source"
    shutil.copytree(DOCS, copy / "docs")
    (copy / "hack").mkdir()
    for name in ("mkdocs.yml", "hack/site.py"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_the_site_is_built_and_draws_pictures(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)

    assert done.returncode == 0, done.stderr
    page = (tmp_path / "index.html").read_text()
    assert 'class="mermaid"' in page
    assert re.search(r"reference/api.html.*?API reference", page, re.DOTALL)


def test_a_bar_in_the_code_of_a_table_is_a_bar(source: Path, tmp_path: Path) -> None:
    (source / "docs" / "index.md").write_text(
        "# Home\n\n| a | b |\n| --- | --- |\n| `c\\|d` | e |\n"
    )

    build(source, tmp_path / "site")

    page = (tmp_path / "site" / "index.html").read_text()
    assert "<td><code>c|d</code></td>\n<td>e</td>" in page


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("how-to/nowhere.md", "the target is not found"),
        ("how-to/install.md#nowhere", "does not contain an anchor '#nowhere'"),
        ("../nowhere.py", "index.md links to ../nowhere.py, which does not exist"),
    ],
)
def test_a_link_that_leads_nowhere_fails_the_build(
    source: Path, link: str, problem: str, tmp_path: Path
) -> None:
    (source / "docs" / "index.md").write_text(f"# Home\n\n[there]({link})\n")

    done = build(source, tmp_path / "site")

    assert done.returncode == 1
    assert problem in done.stderr


def test_a_page_in_no_menu_fails_the_build(source: Path, tmp_path: Path) -> None:
    (source / "docs" / "elsewhere").mkdir()
    (source / "docs" / "elsewhere" / "page.md").write_text("# A page\n")

    done = build(source, tmp_path / "site")

    assert done.returncode == 1
    assert "elsewhere/page.md" in done.stderr


def test_the_first_page_leads_to_every_other() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)", (DOCS / "index.md").read_text()))

    assert linked == {path.relative_to(DOCS).as_posix() for path in DOCS.glob("*/*.md")}
