# SPDX-License-Identifier: Apache-2.0
"""The commands that need a cluster, as the list of commands shows them."""

from typing import NamedTuple


class Listed(NamedTuple):
    """The module of a command, and its line in the list."""

    module: str
    short: str


COMMANDS = {
    "pools": Listed("pools", "List pools with their usage."),
    "top": Listed("top.command", "Show all pools as they change."),
    "show": Listed("show", "Show one pool as a map, with the holder of each address."),
    "who-has": Listed("who_has", "Show the holder of an address, or the addresses of a name."),
    "free": Listed("free", "List the next free addresses of a pool."),
    "check": Listed("check.command", "Find problems, each with a remedy."),
    "plan": Listed("plan", "Show what applying pools would change."),
    "forecast": Listed("forecast", "Show which pools run out at the next rollout."),
    "export": Listed("export", "Write the addresses in use in the format of another program."),
    "reserve": Listed("reserve", "Reserve an address of a pool."),
    "release": Listed("release", "Release a reserved address."),
    "map": Listed("map.command", "Show all pools as a map in the browser."),
}
"""Each command by its name, in the order of the list."""
