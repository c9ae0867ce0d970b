# SPDX-License-Identifier: Apache-2.0
"""Reads kubeconfigs, by client-go's rules.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import base64
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import yaml

from . import plugin
from .clock import now
from .config import Config
from .credentials import Asked, Held, basic, bearer, nothing
from .errors import ConfigError, CredentialsError
from .files import File
from .structs import prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .auth_provider import Provider
    from .credentials import Source

N = TypeVar("N", bound="_Named")


class _Cluster(msgspec.Struct, rename="kebab"):
    server: str
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class _AuthProvider(msgspec.Struct):
    name: str
    config: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class _User(msgspec.Struct, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    exec: plugin.Exec | None = None
    auth_provider: _AuthProvider | None = None


class _Context(msgspec.Struct):
    cluster: str
    user: str = ""
    namespace: str = ""


class _Named(msgspec.Struct):
    name: str


class _NamedCluster(_Named):
    cluster: _Cluster


class _NamedUser(_Named):
    user: _User | None = None


class _NamedContext(_Named):
    context: _Context


@prepared
class _File(msgspec.Struct, rename="kebab"):
    """One file; the paths in it are relative to its `folder`."""

    current_context: str = ""
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None
    folder: Path = Path()


def load(paths: str, context: str = "") -> Config:
    """Return the configuration of a context of one kubeconfig, or of several joined by `:`.

    Flow:
        Without the name of a context, the current one counts.
        Where files say something twice, the first one counts.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    try:
        return _config(list(_files(paths)), context)
    except (CredentialsError, OSError, ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"kubeconfig {paths}: {error}") from error


def _files(paths: str) -> Iterator[_File]:
    """Read the files of a list that exist."""
    found = [path for text in paths.split(os.pathsep) if (path := Path(text).expanduser()).exists()]
    if not found:
        raise ValueError("there is no such file")
    for path in found:
        try:
            file = msgspec.convert(yaml.safe_load(path.read_text()) or {}, _File)
        except yaml.YAMLError as error:
            raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error
        file.folder = path.absolute().parent
        yield file


def contexts(paths: str) -> list[str]:
    """Return the names of all contexts; for completion, so an unreadable file has none."""
    try:
        files = list(_files(paths))
    except (OSError, ValueError, msgspec.ValidationError):
        return []
    return [entry.name for file in files for entry in file.contexts or ()]


def _config(files: list[_File], context: str) -> Config:
    current = context or next((file.current_context for file in files if file.current_context), "")
    if not current:
        raise ValueError("current-context is not set")
    _, chosen = _find("context", current, ((file, file.contexts) for file in files))
    name = chosen.context.cluster
    file, found = _find("cluster", name, ((file, file.clusters) for file in files))
    cluster = found.cluster
    authority = _content(
        cluster.certificate_authority_data, cluster.certificate_authority, file.folder
    )
    return Config(
        host=cluster.server.rstrip("/"),
        source=_source(files, chosen.context.user, _for_plugins(cluster, authority)),
        authority=authority,
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name or None,
        proxy=cluster.proxy_url or None,
        namespace=chosen.context.namespace or "default",
    )


def _find(kind: str, name: str, entries: Iterable[tuple[_File, list[N] | None]]) -> tuple[_File, N]:
    """Return the first entry of a name, with the file that has it.

    Raises:
        ValueError: there is none.
    """
    for file, named in entries:
        for entry in named or ():
            if entry.name == name:
                return file, entry
    raise ValueError(f"there is no {kind} named {name!r}")


def _source(files: list[_File], name: str, cluster: dict[str, object]) -> Source:
    if not name:
        return Held()
    file, found = _find("user", name, ((file, file.users) for file in files))
    user = found.user or _User()
    if user.auth_provider:
        return Asked(_provider(user.auth_provider, name, file.folder).ask, now)
    if user.exec:
        return Asked(plugin.Plugin(user.exec, cluster, file.folder).ask, now)
    token = File(file.folder / user.token_file, user.token.encode()) if user.token_file else None
    return Held(
        _authorization(user),
        token,
        _content(user.client_certificate_data, user.client_certificate, file.folder) or nothing,
        _content(user.client_key_data, user.client_key, file.folder) or nothing,
    )


def _provider(named: _AuthProvider, user: str, folder: Path) -> Provider:
    """Return the identity provider of a user.

    Raises:
        ValueError: it is of a kind that kubectl does not know either.
    """
    from .auth_provider import Provider  # noqa: PLC0415 - completion needs no HTTP client

    if named.name != "oidc":
        raise ValueError(
            f"user {user!r} has the unknown auth-provider {named.name!r}: use oidc, or a credential"
            " plugin (exec)"
        )
    config = named.config
    data, path = (config.get(f"idp-certificate-authority{end}", "") for end in ("-data", ""))
    return Provider(config, _content(data, path, folder))


def _authorization(user: _User) -> str:
    if user.token:
        return bearer(user.token.encode())
    return basic(user.username, user.password) if user.username else ""


def _content(data: str, path: str, folder: Path) -> Callable[[], bytes] | None:
    """Return the reader of an entry that is in the kubeconfig or in a file; None if absent."""
    if data:
        return partial(_same, base64.b64decode(data))
    return File(folder / path).read if path else None


def _same(content: bytes) -> bytes:
    return content


def _for_plugins(cluster: _Cluster, authority: Callable[[], bytes] | None) -> dict[str, object]:
    """Return the description of the cluster for plugins that want it."""
    known: dict[str, object] = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(authority()).decode() if authority else "",
        "proxy-url": cluster.proxy_url,
    }
    return {name: value for name, value in known.items() if value}
