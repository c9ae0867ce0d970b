# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from envtest import errors, processes, waiting

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
SLEEPER = [sys.executable, "-c", SLEEP]
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
STUBBORN = [sys.executable, "-c", f"{DEAF}; {SLEEP}"]
STARTER = """
import sys, time
from pathlib import Path
from envtest import processes
command = [sys.executable, "-c", "import time; time.sleep(600)"]
child = processes.Process("child", command, Path(sys.argv[1]))
child.start()
{then}
"""


def sleeper(folder: Path, command: list[str] | None = None) -> processes.Process:
    return processes.Process("sleeper", command or SLEEPER, folder / "log")


def is_up(process: processes.Process) -> bool:
    return "up" in processes.tail(process.log)


def run_starter(folder: Path, then: str) -> tuple[subprocess.Popen[str], int]:
    """Run another interpreter that starts a child, and return it with the child's process id."""
    script = STARTER.format(then=f"print(child.pid, flush=True)\n{then}")
    command = [sys.executable, "-c", script, str(folder / "log")]
    root = Path(processes.__file__).parent.parent
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert starter.stdout is not None
    return starter, int(starter.stdout.readline())


def ends(pid: int) -> bool:
    return waiting.wait_until(lambda: processes.Identity.of(pid) is None)


def test_a_process_ends_with_its_block(tmp_path: Path) -> None:
    with sleeper(tmp_path) as process:
        pid = process.pid
        assert process.running

    assert not process.running
    assert processes.Identity.of(pid) is None


def test_a_process_ends_when_its_block_fails(tmp_path: Path) -> None:
    process = sleeper(tmp_path)

    with pytest.raises(KeyboardInterrupt), process:
        raise KeyboardInterrupt

    assert not process.running


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("", id="end"),
        pytest.param("raise SystemExit(3)", id="exit"),
        pytest.param("raise ValueError", id="error"),
        pytest.param("raise KeyboardInterrupt", id="ctrl-c"),
    ],
)
def test_a_process_ends_with_its_starter(tmp_path: Path, then: str) -> None:
    starter, child = run_starter(tmp_path, f"sys.stderr = None\n{then}")

    with starter:
        starter.wait()

    assert ends(child)


def test_a_process_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    starter, child = run_starter(tmp_path, "time.sleep(600)")

    with starter:
        starter.kill()

    assert ends(child)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with sleeper(tmp_path, STUBBORN) as process:
        process.await_ready(lambda: is_up(process), seconds=30)

        process.stop(seconds=0.1)

        assert process.wait() == -signal.SIGKILL


def test_a_stop_reports_an_earlier_crash(tmp_path: Path) -> None:
    crash = "import faulthandler; faulthandler.enable(); faulthandler._sigsegv()"
    process = sleeper(tmp_path, [sys.executable, "-c", crash])
    process.start()
    process.wait()

    with pytest.raises(errors.StartError, match=r"crashed .SIGSEGV.(?s:.*)Fatal Python error"):
        process.stop()


def test_a_process_can_be_started_again(tmp_path: Path) -> None:
    with sleeper(tmp_path) as process:
        first = process.pid
        process.kill()

        process.start()

        assert process.running
        assert process.pid != first


def test_a_failed_start_quotes_the_log(tmp_path: Path) -> None:
    process = sleeper(tmp_path, [sys.executable, "-c", "raise SystemExit('no such flag: --x')"])

    with process, pytest.raises(errors.StartError, match="no such flag: --x") as failed:
        process.await_ready(lambda: False, seconds=30)

    assert failed.value.problem == "ended with status 1"


def test_a_start_that_takes_too_long_says_so(tmp_path: Path) -> None:
    with sleeper(tmp_path) as process, pytest.raises(errors.StartError, match="not ready within"):
        process.await_ready(lambda: False, seconds=0)


def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    with sleeper(tmp_path) as process:
        assert os.getpgid(process.pid) != os.getpgrp()


def test_an_identity_is_not_that_of_another_run_with_the_same_number() -> None:
    mine = processes.Identity.of(os.getpid())

    assert mine is not None
    assert mine.alive()
    assert not processes.Identity(mine.pid, mine.started + "0").alive()


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert processes.tail(log) == "(no log was written)"
    log.write_text("one\ntwo\nthree\n")

    assert processes.tail(log, lines=2) == "two\nthree"
    assert processes.tail(log, offset=len("one\ntwo\n")) == "three"
    assert processes.tail(log, offset=len("one\ntwo\nthree\n")) == "(the log is empty)"
