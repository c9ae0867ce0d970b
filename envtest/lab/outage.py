# SPDX-License-Identifier: Apache-2.0
"""How long old clients get no answer while clusterctl works."""

import threading
import time
from collections.abc import Callable
from typing import Self

from ..errors import RefusedError

LOOK_SECONDS = 0.02  # between two looks, and so the error of what is measured


class Outage:
    """Asks again and again, as an old client does, for the length of a block."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds = 0.0
        """For how long there was no answer, all in all."""
        self.began: float | None = None
        """When there was an answer for the last time before, by the monotonic clock."""
        self.ended = 0.0
        """When there was an answer again, by the monotonic clock."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        down = False
        while not self._over.wait(LOOK_SECONDS):
            failed = self._fails()
            now = time.monotonic()
            if failed and self.began is None:
                self.began = last
            if failed or down:
                self.seconds += now - last
            if down and not failed:
                self.ended = now
            last, down = now, failed

    def _fails(self) -> bool:
        try:
            self._ask()
        except RefusedError:
            return True
        return False
