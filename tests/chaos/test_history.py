# SPDX-License-Identifier: Apache-2.0
"""What the history makes of an etcd that does not answer as it should."""

import ssl
from collections.abc import Generator

from envtest import errors, waiting
from envtest.chaos import history
from envtest.controlplane import etcd

ONE = etcd.Change(8, f"{history.PREFIX}ipaddresses/east/web", b"{}")


class Broken(etcd.Etcd):
    """Fails in turn with each of these when it is asked for changes, then has one."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__("https://nowhere.example", ssl.create_default_context())
        self.failures = list(failures)

    def revision(self) -> int:
        return 7

    def changes(self, prefix: str, start: int) -> Generator[etcd.Change]:
        assert prefix == history.PREFIX
        if self.failures:
            raise self.failures.pop(0)
        if start <= ONE.revision:
            yield ONE


def test_what_etcd_did_not_answer_is_asked_for_again() -> None:
    with history.History(Broken(errors.EtcdError("watch", "gone"))) as written:
        waiting.until("one change is read", lambda: written.events, bool)

    assert (written.lost, written.revision) == (None, 8)


def test_a_failure_that_nobody_thought_of_is_kept() -> None:
    failure = KeyError("result")

    with history.History(Broken(failure)) as written:
        waiting.until("it is kept", lambda: written.lost, bool)

    assert written.lost is failure


def test_a_history_goes_on_from_the_backup_that_was_restored() -> None:
    with history.History(Broken()) as written:
        waiting.until("one change is read", lambda: written.events, bool)
        written.suspend()
        written.resume(ONE.revision - 1)
        waiting.until("it is read again", lambda: written.events, lambda read: len(read) > 2)

    read = [(event.plural, event.revision) for event in written.events]
    assert read == [("ipaddresses", 8), (history.RESTORED, 7), ("ipaddresses", 8)]
