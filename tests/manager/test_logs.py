# SPDX-License-Identifier: Apache-2.0
"""How much is logged, by loggers that are there already."""

import contextlib
import io
import json
import logging
from collections.abc import Generator

import pytest
import structlog

from manager import logs


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Generator[io.StringIO]:
    """Configure the logs as the process does, and leave them as they were."""
    root, ours = logging.getLogger(), logging.getLogger("webhook")
    before = root.handlers[:], root.level, ours.level, structlog.get_config()
    errors = io.StringIO()
    with monkeypatch.context() as patch, contextlib.redirect_stderr(errors):
        patch.setattr(root, "handlers", [])
        logs.configure(0)
        yield errors
    root.handlers[:], level, our_level, config = before
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.configure(**config)


def told(written: io.StringIO) -> list[str]:
    lines = written.getvalue().splitlines()
    written.seek(0)
    written.truncate()
    return [json.loads(line)["event"] for line in lines]


def test_the_verbosity_changes_for_loggers_that_were_used_before(written: io.StringIO) -> None:
    ours, standard = structlog.get_logger("ours"), logging.getLogger("webhook.somewhere")
    bound = ours.bind(pool="blue")

    def tell() -> None:
        for each in (ours, bound, standard):
            each.debug("detail")
            each.info("news")

    tell()
    assert told(written) == ["news"] * 3

    logs.set_verbosity(4)
    tell()
    assert logs.verbosity() == 4
    assert told(written) == ["detail", "news"] * 3

    logs.set_verbosity(3)
    tell()
    assert told(written) == ["news"] * 3


def test_a_call_below_the_level_costs_almost_nothing(written: io.StringIO) -> None:
    quiet = structlog.make_filtering_bound_logger(logging.INFO)

    assert logs._Logger.debug is quiet.debug
    assert not told(written)


def test_the_loggers_of_others_keep_their_level(written: io.StringIO) -> None:
    logs.set_verbosity(9)

    logging.getLogger("asyncio.somewhere").info("chatter")

    assert told(written) == []


def test_the_verbosity_to_begin_with_counts(written: io.StringIO) -> None:
    with contextlib.redirect_stderr(written):
        logs.configure(4)

    structlog.get_logger("first").debug("detail")

    assert told(written) == ["detail"]
