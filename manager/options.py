# SPDX-License-Identifier: Apache-2.0
"""The command-line options that both programs have."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from webhook import tls

F = TypeVar("F", bound=Callable[..., Any])


def version_option(program: str) -> Callable[[F], F]:
    """Add `--version`."""

    def show(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
        if value:
            from . import version  # noqa: PLC0415 - what it needs would delay every start

            click.echo(version.describe(program))
            context.exit()

    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )


def _openssl(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return tls.openssl_ciphers(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


tls_min_version = click.option(
    "--tls-min-version",
    type=click.Choice(list(tls.VERSIONS)),
    default="VersionTLS12",
    show_default=True,
    help="Lowest TLS version that is accepted.",
)
tls_cipher_suites = click.option(
    "--tls-cipher-suites",
    "ciphers",
    default="",
    callback=_openssl,
    metavar="NAMES",
    help="Cipher suites of TLS 1.2, comma-separated; TLS 1.3 has fixed ones.  Default: OpenSSL's.",
)
