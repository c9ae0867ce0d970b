# SPDX-License-Identifier: Apache-2.0
"""`make krew VERSION=v2.1.0 REPOSITORY=https://github.com/OWNER/NAME`: the manifest of the plugin.

OUT/ipam.yaml names the archives of a release by URL and SHA-256.  `make plugin` writes them into
OUT before.
"""

import hashlib
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click
import jinja2

from hack import release

from . import archive, platforms
from .errors import KrewError

MANIFEST = "ipam.yaml"  # krew requires the plugin's name
TEMPLATE = Path(__file__).with_name("ipam.yaml.jinja")


@dataclass(frozen=True, slots=True)
class Archive:
    """A platform's archive, as the manifest names it."""

    os: str
    arch: str
    file: str
    sha256: str

    @classmethod
    def of(cls, platform: str, out: Path) -> Self:
        """Read an archive.

        Raises:
            KrewError: the archive is not in `out`.
        """
        path = out / platforms.file_name(platform)
        if not path.is_file():
            raise KrewError(
                f"{path} is missing: run `make plugin` on {platform}, or leave it out with "
                f"WITHOUT={platform}"
            )
        system, _, architecture = platform.partition("/")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(system, architecture, path.name, digest)


def render(version: str, repository: str, out: Path, without: Collection[str]) -> str:
    """Return the manifest.

    Raises:
        KrewError: an archive is missing.
        ReleaseError: the version cannot be released.
    """
    release.check_version(version)
    archives = [Archive.of(each, out) for each in platforms.PLATFORMS if each not in without]
    if not archives:
        raise KrewError("--without leaves out all platforms: keep at least one")
    settings = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, not HTML
    )
    template = settings.from_string(TEMPLATE.read_text())
    return template.render(version=version, repository=repository.rstrip("/"), archives=archives)


@click.command()
@click.argument("version")
@click.option(
    "--repository", required=True, help="URL of the repository whose releases have the archives."
)
@click.option("--out", type=click.Path(path_type=Path), default=archive.OUT, show_default=True)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(platforms.PLATFORMS),
    help="Platform that the manifest leaves out.  May be repeated.",
)
def main(version: str, repository: str, out: Path, without: tuple[str, ...]) -> None:
    """Write the manifest of the release VERSION."""
    try:
        text = render(version, repository, out, without)
    except (KrewError, release.ReleaseError) as error:
        sys.exit(f"krew: {error}")
    (out / MANIFEST).write_text(text)
    click.echo(out / MANIFEST)


if __name__ == "__main__":
    main()
