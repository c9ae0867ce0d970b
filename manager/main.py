# SPDX-License-Identifier: Apache-2.0
"""`ipam-in-cluster-manager`: reads the command line and runs the process."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from . import flags, logs, options, pod

T = TypeVar("T")


def _read(parse: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str], T]:
    """Turn a parser of one flag into what click calls; a bad value is a usage error."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: str) -> T:
        try:
            return parse(value)
        except flags.FlagError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def _number(text: str) -> int:
    if not text.removeprefix("=").isdecimal():
        raise flags.FlagError(f"{text!r} is not a number")
    return int(text.removeprefix("="))  # Go programs take -v=2


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Path of the kubeconfig.  Default: $KUBECONFIG, else the pod's ServiceAccount.",
)
@click.option(
    "--leader-elect",
    is_flag=False,
    flag_value="true",
    default="false",
    callback=_read(flags.boolean),
    metavar="BOOL",
    help="Only the holder of the lease allocates.  Needed with more than one replica.",
)
@click.option(
    "--leader-elect-lease-duration",
    "lease_seconds",
    default="15s",
    callback=_read(flags.lease_seconds),
    metavar="DURATION",
    show_default=True,
    help="Time without renewal after which another replica may acquire the lease.",
)
@click.option(
    "--namespace", default="", help="Serve only this namespace and global pools.  Default: all."
)
@click.option(
    "--watch-filter",
    default="",
    help="Serve only objects with this value of the label cluster.x-k8s.io/watch-filter.",
)
@click.option(
    "--health-probe-bind-address",
    "health",
    default=f":{pod.HEALTH.number}",
    callback=_read(flags.address),
    metavar="ADDRESS",
    show_default=True,
    help="Address of /healthz and /readyz.  0: off.",
)
@click.option(
    "--diagnostics-address",
    "diagnostics",
    default=f":{pod.METRICS.number}",
    callback=_read(flags.address),
    metavar="ADDRESS",
    show_default=True,
    help="Address of metrics and /debug, over TLS for authorized users.  0: off.",
)
@click.option(
    "--insecure-diagnostics",
    is_flag=False,
    flag_value="true",
    default="false",
    callback=_read(flags.boolean),
    metavar="BOOL",
    help="Serve metrics and /debug without TLS and authorization.",
)
@click.option(
    "--webhook-host", default="", help="Address of the webhooks.  Default: all interfaces."
)
@click.option(
    "--webhook-port",
    default=pod.WEBHOOK.number,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="Port of the webhooks.  0: off.",
)
@click.option(
    "--webhook-cert-dir",
    default=pod.CERTIFICATES,
    type=click.Path(path_type=Path),
    show_default=True,
    help="Folder of the webhook certificate and its key.",
)
@click.option(
    "--webhook-self-signed",
    "self_signed",
    is_flag=False,
    flag_value="true",
    default="false",
    callback=_read(flags.boolean),
    metavar="BOOL",
    help="Issue and renew the webhook certificate in the manager, without cert-manager.",
)
@click.option(
    "--webhook-service",
    default="capi-ipam-in-cluster-webhook-service",
    show_default=True,
    help="Webhook Service name, used in the certificate's DNS names.",
)
@click.option(
    "--webhook-cert-name",
    default="tls.crt",
    show_default=True,
    help="File of the webhook certificate in that folder.",
)
@click.option(
    "--webhook-key-name",
    default="tls.key",
    show_default=True,
    help="File of its key in that folder.",
)
@options.tls_min_version
@options.tls_cipher_suites
@click.option(
    "--shutdown-delay",
    default="0s",
    callback=_read(flags.delay),
    metavar="DURATION",
    show_default=True,
    help="Keep serving webhooks this long after SIGTERM.",
)
@click.option(
    "-v", "--v", "verbosity", default="0", callback=_read(_number), help="Log verbosity.  4: debug."
)
@options.version_option(flags.PROGRAM)
@click.pass_context
def main(  # noqa: PLR0913 - one for each flag
    context: click.Context,
    *,
    kubeconfig: str | None,
    leader_elect: bool,
    lease_seconds: int,
    namespace: str,
    watch_filter: str,
    health: flags.Address,
    diagnostics: flags.Address,
    insecure_diagnostics: bool,
    webhook_host: str,
    webhook_port: int,
    webhook_cert_dir: Path,
    self_signed: bool,
    webhook_service: str,
    webhook_cert_name: str,
    webhook_key_name: str,
    tls_min_version: str,
    ciphers: str,
    shutdown_delay: int,
    verbosity: int,
) -> None:
    """Hand out addresses of the in-cluster pools, and serve their webhooks."""
    settings = flags.Flags(
        kubeconfig=kubeconfig,
        leader_elect=leader_elect,
        lease_seconds=lease_seconds,
        namespace=namespace,
        watch_filter=watch_filter,
        health=health,
        diagnostics=diagnostics,
        insecure_diagnostics=insecure_diagnostics,
        webhook=flags.Address(webhook_host, webhook_port),
        webhook_service=webhook_service,
        self_signed=self_signed,
        certificate=webhook_cert_dir / webhook_cert_name,
        key=webhook_cert_dir / webhook_key_name,
        tls_min_version=tls_min_version,
        ciphers=ciphers,
        shutdown_delay=shutdown_delay,
        verbosity=verbosity,
    )
    logs.configure(verbosity)
    from . import process  # noqa: PLC0415 - `--version` and `--help` need none of it

    context.exit(process.run(settings, unknown=context.args))
