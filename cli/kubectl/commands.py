# SPDX-License-Identifier: Apache-2.0
"""The commands that need a cluster, as the list of commands shows them."""

from typing import NamedTuple


class Entry(NamedTuple):
    """The module of a command, and its line in the list."""

    module: str
    short: str


COMMANDS = {
    "pools": Entry("pools", "List pools with their usage."),
    "top": Entry("top.command", "Show all pools as they change."),
    "show": Entry("show", "Show one pool as a map, with the holder of each address."),
    "who-has": Entry("who_has", "Show the holder of an address, or the addresses of a name."),
    "free": Entry("free", "List the next free addresses of a pool."),
    "check": Entry("check.command", "Find problems, each with a remedy."),
    "plan": Entry("plan", "Show what applying pools would change."),
    "forecast": Entry("forecast", "Show which pools run out at the next rollout."),
    "export": Entry("export", "Write the addresses in use in the format of another program."),
    "reserve": Entry("reserve", "Reserve an address of a pool."),
    "release": Entry("release", "Release a reserved address."),
    "map": Entry("map.command", "Show all pools as a map in the browser."),
}
"""Each command by its name, in the order of the list."""
