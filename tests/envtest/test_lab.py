# SPDX-License-Identifier: Apache-2.0
"""The parts of a lab that need no namespaces; tests/e2e shows the rest at work."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from envtest import errors, waiting
from envtest.client import Client
from envtest.lab import MARK, address_history, documents, lab, pod, runc, timeline, volumes
from envtest.lab.__main__ import PROGRAMS, SCRATCH
from envtest.lab.clusterctl import Repository
from envtest.lab.images import Image, Images, NoImageError
from envtest.lab.outage import LOOK_SECONDS, Outage

PAGE = """\
# Title

```bash
echo whole
```

## First

```bash
echo first > first.txt
```

```yaml
# pool.yaml
kind: Pool
```

## Second

```console
false
```
"""


def test_an_image_is_known_by_its_whole_name() -> None:
    images, image = Images(), Image(Path("/root"), ("/manager",))
    images.put(r"\S+/ipam:v.*", image)

    assert images.find("registry.example/ipam:v1") is image
    with pytest.raises(NoImageError, match=r"no image registry\.example/ipam-two:v1"):
        images.find("registry.example/ipam-two:v1")


def test_a_container_may_do_nothing_but_run() -> None:
    volumes = {"/in": (Path("/host"), False), "/out": (Path("/other"), True)}
    network = Path("/run/netns/pod")
    spec = runc.Spec(Path("/root"), ["/manager"], 65532, {"A": "1"}, volumes, network)

    config = runc.config(spec, Path("/merged"))

    process = config["process"]
    assert process["user"] == {"uid": 65532, "gid": 65532}
    assert not any(process["capabilities"].values())
    assert process["noNewPrivileges"] is True
    assert config["root"] == {"path": "/merged", "readonly": True}
    assert {"type": "network", "path": str(network)} in config["linux"]["namespaces"]
    writable = {it["destination"]: "rw" in it["options"] for it in config["mounts"][-2:]}
    assert writable == {"/in": False, "/out": True}


def test_arguments_are_expanded_where_the_name_is_known() -> None:
    assert pod._expanded("--at=$(IP):$(PORT)", {"IP": "192.0.2.9"}) == "--at=192.0.2.9:$(PORT)"


def test_a_field_of_the_pod_is_found_by_its_path() -> None:
    manifest = {"metadata": {"namespace": "team"}}

    assert volumes.field(manifest, "metadata.namespace") == "team"
    assert volumes.field(manifest, "status.podIP") == ""


def test_the_release_published_last_is_the_latest(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.put("cluster-api", "v1.10.0", "old", "metadata")
    os.utime(tmp_path / "cluster-api" / "v1.10.0", (0, 0))
    repository.put("cluster-api", "v1.9.0", "new")

    assert repository.latest("cluster-api") == "v1.9.0"
    assert (tmp_path / "cluster-api" / "v1.10.0" / "core-components.yaml").read_text() == "old"


def test_a_page_has_sections_and_a_whole(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    sections = documents.sections(page)

    assert list(sections) == ["", "First", "Second"]
    assert documents._BLOCK.findall(sections["First"]) == [
        ("bash", "echo first > first.txt\n"),
        ("yaml", "# pool.yaml\nkind: Pool\n"),
    ]
    assert documents._BLOCK.findall(sections["Second"]) == []


def test_a_readers_settings_come_before_the_labs(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs.yaml", tmp_path / "ours.yaml"
    core, lab_ipam = {"name": "cluster-api", "url": "core"}, {"name": "in-cluster", "url": "lab"}
    ours.write_text(yaml.safe_dump({"providers": [core, lab_ipam]}))
    theirs.write_text(yaml.safe_dump({"providers": [lab_ipam | {"url": "mine"}], "images": {}}))

    documents.merge(theirs, ours)

    assert yaml.safe_load(ours.read_text()) == {
        "providers": [core, {"name": "in-cluster", "url": "mine"}],
        "images": {},
    }


def test_a_duplicate_and_a_deletion_are_seen() -> None:
    history = address_history.AddressHistory()
    for kind, name, address in (
        ("ADDED", "a", "10.0.0.1"),
        ("ADDED", "b", "10.0.0.1"),
        ("DELETED", "a", "10.0.0.1"),
        ("BOOKMARK", "", ""),
    ):
        found = {"metadata": {"name": name}, "spec": {"address": address}}
        history.note({"type": kind, "object": found})

    assert history.duplicates == ["10.0.0.1 of b is that of a"]
    assert history.deleted == ["a"]
    assert history.seen == {"b": "10.0.0.1"}


def test_an_outage_lasts_from_the_last_answer_to_the_next() -> None:
    answers = iter([True, True, False, False, False, True, True])
    over = threading.Event()

    def ask() -> None:
        answer = next(answers, None)
        if answer is None:
            over.set()
        elif not answer:
            raise errors.RefusedError("GET", {"code": 500})

    with Outage(ask) as outage:
        assert over.wait(30)

    assert outage.began is not None
    assert outage.seconds == pytest.approx(outage.ended - outage.began)
    assert outage.seconds >= 4 * LOOK_SECONDS


def line(**late: float) -> timeline.Timeline:
    """Return a timeline whose steps are a second apart, but for those that are given."""
    made = timeline.Timeline(Client("https://127.0.0.1:1", ssl.create_default_context()), "team")
    for second, step in enumerate((timeline.BEGAN, *timeline.PARTS)):
        made.note(step, late.get(step.replace(" ", "_"), float(second)))
    return made


def test_the_parts_of_an_outage_are_the_outage() -> None:
    assert dict(line().parts()) == dict.fromkeys(timeline.PARTS.values(), 1.0)


@pytest.mark.parametrize(
    ("step", "moment", "own", "next_one"),
    [("pod_ready", 4.5, 0.0, 2.0), ("endpoint_ready", 99.0, 2.0, 0.0)],
    ids=["noted too early", "noted too late"],
)
def test_steps_that_are_noted_out_of_order_change_no_sum(
    step: str, moment: float, own: float, next_one: float
) -> None:
    parts = dict(line(**{step: moment}).parts())

    names = list(timeline.PARTS.values())
    place = list(timeline.PARTS).index(step.replace("_", " "))
    assert sum(parts.values()) == len(parts)
    assert parts[names[place]] == own
    assert parts[names[place + 1]] == next_one


def test_a_step_happens_when_it_is_noted_first() -> None:
    made = line()

    made.note(timeline.READABLE, 1000.0)

    assert sum(seconds for _, seconds in made.parts()) == len(timeline.PARTS)


def test_a_probe_waits_for_as_long_as_the_pod_says() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        get = {"port": port, "path": "/readyz"}
        probe = pod._Probe({"readinessProbe": {"httpGet": get, "timeoutSeconds": 2}}, "127.0.0.1")
        began = time.monotonic()

        assert not probe.passes()

    assert time.monotonic() - began >= 2


def test_outside_of_namespaces_there_is_no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MARK, raising=False)

    with pytest.raises(errors.EnvtestError, match="run `make e2e`"):
        lab.scratch()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "envtest.lab", "true"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("lab: ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason=f"needs root, and on PATH {', '.join(PROGRAMS)}",
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_lab_whose_starter_is_ended(number: signal.Signals) -> None:
    mark = f"{os.getpid()}{int(number)}"  # a length of sleep that nobody else chooses
    file = Path(SCRATCH, f"left-{mark}")
    script = f"touch {file}; sleep {mark} & echo ready; sleep {mark}"
    command = [sys.executable, "-m", "envtest.lab", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        waiting.until("somebody sleeps", lambda: sleepers(mark), bool)
        started.send_signal(number)

    waiting.until("nobody sleeps", lambda: sleepers(mark), lambda found: not found)
    assert not file.exists()


def sleepers(mark: str) -> list[Path]:
    found: list[Path] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if words[:2] == [b"sleep", mark.encode()]:
            found.append(path)
    return found
