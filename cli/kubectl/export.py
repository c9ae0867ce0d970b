# SPDX-License-Identifier: Apache-2.0
"""`export`: the addresses in use, in the formats of other programs."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from typing import TYPE_CHECKING

import click
import msgspec

from . import holders, options, owners, selection, session, snapshot, suggestions, usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kube.meta import Key
    from objects.pools import PoolKey

_UNKNOWN = "ungrouped"
"""Ansible's name for the group of hosts that are in no other group."""


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One address in use."""

    address: str
    host: str
    """The name of the Machine, else of the claim."""
    pool_kind: str
    pool_namespace: str
    pool: str
    holder: holders.HolderReport


@options.command(
    "export",
    example="kubectl ipam export --format hosts",
    text="""Write the addresses in use in the format of another program.  A host has the name of its
    Machine, or of its claim if the Machine is not known.

    csv is for spreadsheets, hosts for /etc/hosts, prometheus-sd for file_sd_configs of Prometheus,
    and ansible is an inventory in JSON with a group for each Cluster.
    """,
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "hosts", "prometheus-sd", "ansible", "json"]),
    default="csv",
    show_default=True,
    help="Format of the output.",
)
@click.option(
    "--pool",
    metavar="POOL",
    shell_complete=suggestions.pools,
    help="Only this pool.  Default: all pools.",
)
def command(target: options.Target, form: str, pool: str | None) -> None:
    """Write the addresses."""

    async def work(opened: session.Session) -> list[Row]:
        every = usage.of(await snapshot.read(opened.api, opened.namespace))
        keys = selection.visible(every, opened.namespace)
        keys = [selection.pool(every, pool, opened.namespace)] if pool else keys
        chosen = {key: every[key] for key in keys}
        held = [each for found in chosen.values() for each in found.holdings]
        claims = [each.claim for each in held if each.claim]
        return rows(chosen, await owners.Owners(opened.api).chains(claims))

    click.echo(_FORMATS[form](session.run(target, work)), nl=False)


def rows(every: Mapping[PoolKey, usage.Usage], chains: Mapping[Key, owners.Chain]) -> list[Row]:
    """Return the addresses that IPAddresses have, by pool and address."""
    found = list[Row]()
    for key, each in every.items():
        for holding in each.holdings:
            if holding.address and holding.network:
                chain = chains.get(holding.key, holders.NOBODY)
                report = holders.report(each, holding, chain)
                host = next((it.name for it in chain.owners if it.is_machine), holding.key.name)
                found.append(Row(report.address, host, *key, holder=report))
    return found


def _csv(found: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("address", "host", "state", "pool kind", "pool", "namespace", "claim", "cluster", "since")
    )
    for row in found:
        it, pool = row.holder, "/".join(filter(None, (row.pool_namespace, row.pool)))
        first = (row.address, row.host, it.state, row.pool_kind, pool)
        writer.writerow((*first, it.namespace, it.claim, it.cluster, it.since))
    return text.getvalue()


def _hosts(found: Sequence[Row]) -> str:
    return "".join(f"{_bare(row)}\t{row.host}\n" for row in found)


def _prometheus(found: Sequence[Row]) -> str:
    """Return targets without a port; relabelling adds that of the exporter.

    Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
    """
    return _json(
        [
            {
                "targets": [f"[{_bare(row)}]" if ":" in row.address else row.address],
                "labels": {
                    "host": row.host,
                    "pool": row.pool,
                    "namespace": row.holder.namespace,
                    "cluster": row.holder.cluster,
                },
            }
            for row in found
        ]
    )


def _ansible(found: Sequence[Row]) -> str:
    """Return an inventory, as `ansible-inventory --list` prints one.

    Source: https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html
    """
    groups = defaultdict[str, list[str]](list)
    for row in found:
        groups[row.holder.cluster or _UNKNOWN].append(row.host)
    variables = {row.host: {"ansible_host": _bare(row)} for row in found}
    hosts = {name: {"hosts": sorted(set(names))} for name, names in sorted(groups.items())}
    return _json({"_meta": {"hostvars": variables}, **hosts})


def _json(data: object) -> str:
    return f"{json.dumps(msgspec.to_builtins(data), indent=2)}\n"


def _bare(row: Row) -> str:
    """Return the address without the length of a prefix."""
    return row.address.partition("/")[0]


_FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "csv": _csv,
    "hosts": _hosts,
    "prometheus-sd": _prometheus,
    "ansible": _ansible,
    "json": lambda found: _json({"addresses": found}),
}
