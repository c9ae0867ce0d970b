# SPDX-License-Identifier: Apache-2.0
"""Which root file system a pod's image stands for: the lab has no registry."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EnvtestError


class NoImageError(EnvtestError):
    """A pod wants an image that the lab does not have."""

    def __init__(self, image: str) -> None:
        super().__init__(f"no image {image}: name it in the lab's Images")
        self.image = image


@dataclass(frozen=True, slots=True)
class Image:
    """A root file system, and what runs in it unless the pod says otherwise."""

    root: Path
    entrypoint: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


class Images:
    """Images by a pattern of their names; `put` replaces what a pattern stood for."""

    def __init__(self) -> None:
        self._known: dict[str, Image] = {}

    def put(self, pattern: str, image: Image) -> None:
        """Let every image whose whole name matches the pattern be this one."""
        self._known[pattern] = image

    def find(self, name: str) -> Image:
        """Return the image.

        Raises:
            NoImageError: no pattern matches.
        """
        for pattern, image in self._known.items():
            if re.fullmatch(pattern, name):
                return image
        raise NoImageError(name)


def of_program(folder: Path, program: Path, *arguments: str) -> Image:
    """Return an image that holds one static program and nothing else."""
    for name in ("tmp", "etc", "proc", "sys", "dev"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(program, folder / "manager")
    return Image(folder, ("/manager", *arguments))
