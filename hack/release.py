# SPDX-License-Identifier: Apache-2.0
"""`make release VERSION=v2.0.0`: everything that a release publishes, below one folder.

    OUT/ipam-in-cluster/VERSION/ipam-components.yaml   what `clusterctl init` installs
                                metadata.yaml          the contract of each release series
                                ipam-components-*.yaml variants, for kubectl
                                release-notes.md       from the fragments in changelog.d
                                SHA256SUMS             for `sha256sum --check`

OUT is a repository as clusterctl reads it from a folder.  The same commit gives the same bytes.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from envtest import errors
from envtest.controlplane import install

ROOT = Path(__file__).parent.parent
METADATA = ROOT / "metadata.yaml"
LABEL = "ipam-in-cluster"
VERSION = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
IMAGE = "localhost/cluster-api-ipam-provider-in-cluster"
"""Where the image is unless somebody says so: on the machine that built it."""
PLACEHOLDER = "controller"
"""The image in config/manager, which kustomize replaces."""


VARIANTS = {
    "ipam-components.yaml": install.DEFAULT,
    "ipam-components-high-availability.yaml": install.Variant(components=("high-availability",)),
    "ipam-components-namespaced.yaml": install.Variant(components=("namespaced",)),
    "ipam-components-prometheus.yaml": install.Variant(components=("prometheus", "alerts")),
    "ipam-components-self-signed.yaml": install.SELF_SIGNED,
}


class ReleaseError(Exception):
    """The release can't be made; the text says why and what to do."""


def release(version: str, image: str, out: Path) -> Path:
    """Write the release and return its folder.

    `image` is the name without a tag: the tag is the version.

    Raises:
        ReleaseError: the version is none, or none of the series in metadata.yaml; the image names
            no registry.
        EnvtestError: kubectl is missing, or kustomize failed.
    """
    check_version(version)
    check_image(image)
    folder = out / LABEL / version
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: components(variant, version, image) for name, variant in VARIANTS.items()}
    files["metadata.yaml"] = METADATA.read_text()
    files["release-notes.md"] = _notes(version)
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    files["SHA256SUMS"] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def check_version(version: str) -> None:
    """Refuse what clusterctl could not install.

    Raises:
        ReleaseError: see `release`.
    """
    found = VERSION.fullmatch(version)
    if found is None:
        raise ReleaseError(f"{version!r} is no version: write vMAJOR.MINOR.PATCH, such as v2.0.0")
    series = int(found[1]), int(found[2])
    known = [(item["major"], item["minor"]) for item in _metadata()["releaseSeries"]]
    if series not in known:
        raise ReleaseError(
            f"{version} is of no release series in metadata.yaml: add major {series[0]}, "
            f"minor {series[1]} with the contract that it speaks"
        )


def check_image(image: str) -> None:
    """Refuse an image without a registry: clusterctl can't override its place, and gives up.

    Raises:
        ReleaseError: see `release`.
    """
    registry, slash, _ = image.partition("/")
    if not slash or not (set(".:") & set(registry) or registry == "localhost"):
        raise ReleaseError(
            f"the image {image!r} names no registry, which clusterctl refuses: "
            "write REGISTRY/NAME, such as registry.example/ipam-in-cluster"
        )


def components(variant: install.Variant, version: str, image: str) -> str:
    """Return one variant's objects, as kustomize builds them.

    Raises:
        ReleaseError: clusterctl would read a part of it as a variable.
    """
    text = variant.text([{"name": PLACEHOLDER, **_split(f"{image}:{version}")}])
    if variable := re.search(r"\$\{[^}\n]*\}?", text):
        raise ReleaseError(
            f"clusterctl would replace {variable[0]} in the components: write $${variable[0][1:]}"
        )
    return text


def _split(image: str) -> dict[str, str]:
    """Split NAME:TAG as kustomize wants it; the name may have a registry with a port."""
    name, _, tag = image.rpartition(":")
    return {"newName": name, "newTag": tag}


def _metadata() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(METADATA.read_text())
    return found


def _notes(version: str) -> str:
    """Return the release notes, with the date of the commit: a rebuild gives the same."""
    date = _output(["git", "-C", str(ROOT), "log", "-1", "--format=%cs"]).strip()
    towncrier = Path(sys.executable).with_name("towncrier")
    command = [str(towncrier), "build", "--draft", "--version", version, "--date", date]
    return _output([*command, "--dir", str(ROOT)])


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.BuildError(" ".join(command), done.returncode, done.stderr)
    return done.stdout


@click.command()
@click.argument("version")
@click.option("--image", default=IMAGE, show_default=True, help="Where the image is; no tag.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out"), show_default=True)
def main(version: str, image: str, out: Path) -> None:
    """Write everything that the release VERSION publishes."""
    try:
        click.echo(release(version, image, out))
    except (ReleaseError, errors.EnvtestError) as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
