# SPDX-License-Identifier: Apache-2.0
"""A watch whose packets vanish: run as root of network namespaces of its own.

Prints how many seconds the watch took to notice.  The far end is this file as well, in a second
namespace; in between is a cable (veth) whose near end is made to send to an address of nobody's.
"""

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEAR, FAR, PORT = "10.9.0.1", "10.9.0.2", 6443
NOBODY = "02:00:00:00:00:99"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"3\r\n{}\n\r\n"
IDLE_SECONDS, INTERVAL_SECONDS, UNACKNOWLEDGED_MS = 1, 1, 2500  # 15, 5 and 25000 in production


def run(*command: str) -> None:
    subprocess.run(command, check=True)


async def far() -> None:
    """Answer each request with one event, and nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + EVENT)
        await asyncio.sleep(60)

    sys.stdin.readline()  # when the cable is there
    server = await asyncio.start_server(serve, FAR, PORT)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await server.serve_forever()


def namespace(process: str) -> str:
    return str(Path(f"/proc/{process}/ns/net").readlink())


def connected(process: "subprocess.Popen[str]") -> None:
    """Lay the cable to the namespace of a process."""
    pid = str(process.pid)
    there = ("nsenter", "-t", pid, "-n")
    run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", pid)
    run("ip", "addr", "add", f"{NEAR}/24", "dev", "near")
    run("ip", "link", "set", "near", "up")
    run(*there, "ip", "addr", "add", f"{FAR}/24", "dev", "far")
    run(*there, "ip", "link", "set", "far", "up")


async def watch() -> float:
    """Return how long it takes to notice that all packets vanish."""
    from kube import flows  # noqa: PLC0415 - the far end has no kube
    from kube.client import Client  # noqa: PLC0415 - likewise
    from kube.config import Config  # noqa: PLC0415 - likewise
    from kube.connect import Connection  # noqa: PLC0415 - likewise
    from kube.credentials import Held  # noqa: PLC0415 - likewise
    from kube.errors import UnreachableError  # noqa: PLC0415 - likewise
    from kube.resources import ApiResource  # noqa: PLC0415 - likewise

    faster = {
        socket.TCP_KEEPIDLE: IDLE_SECONDS,
        socket.TCP_KEEPINTVL: INTERVAL_SECONDS,
        socket.TCP_USER_TIMEOUT: UNACKNOWLEDGED_MS,
    }
    flows.OPTIONS = tuple(
        (level, option, faster.get(option, value) if level == socket.IPPROTO_TCP else value)
        for level, option, value in flows.OPTIONS
    )
    connection = Connection(Config(f"http://{FAR}:{PORT}", Held()), "test", None)
    events = Client(connection).watch(ApiResource("g", "v1", "Kind", "kinds"))
    await anext(events)
    began = time.monotonic()
    run("ip", "neigh", "replace", FAR, "lladdr", NOBODY, "dev", "near", "nud", "permanent")
    try:
        await anext(events)
    except UnreachableError:
        return time.monotonic() - began
    finally:
        await connection.close()
    raise AssertionError("the watch ended as if nothing were wrong")


def main() -> None:
    """Be either end."""
    if sys.argv[1:] == ["far"]:
        asyncio.run(far())
        return
    sys.path.insert(0, str(ROOT))
    command = ("unshare", "--net", sys.executable, __file__, "far")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        while namespace("self") == namespace(str(process.pid)):  # unshare makes it when it runs
            time.sleep(0.01)
        connected(process)
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        print(asyncio.run(watch()))  # noqa: T201 - what the test reads
        process.kill()


if __name__ == "__main__":
    main()
