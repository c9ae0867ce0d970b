# SPDX-License-Identifier: Apache-2.0
"""etcd and kube-apiserver, real, on loopback, in one scratch folder.

Everything speaks TLS with certificates of an authority made for this control plane alone, so other
users of the machine can't reach it.  There is no controller manager, no scheduler and no kubelet
(`lab` has them): owner references are not garbage collected and namespaces don't go away.
"""

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from typing_extensions import override

from ..client import REQUEST_SECONDS, Client, Json
from ..pki import LIFETIME, LOOPBACK, Authority, replace_file, signing_key
from ..ports import free_port
from ..processes import Process, Startable
from . import binaries
from .etcd import Etcd

READY_SECONDS = 90.0  # ready takes 4 to 7 s; two cores full of compilers take ten times that
AUDITED_GROUP = "system:serviceaccounts"  # whose requests go to the audit log: the provider's
ADMIN_GROUP = "system:masters"  # the API server lets its members do everything
ADMISSION = "OwnerReferencesPermissionEnforcement"  # off by default, but OpenShift has it on

_AUDIT_POLICY: Json = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata", "userGroups": [AUDITED_GROUP]}, {"level": "None"}],
}


class ControlPlane(Startable):
    """One etcd and one kube-apiserver; ports and data survive a stop and start of either.

    `audit` has every request of service accounts written to `audit_log`, one JSON event per line.
    `detached` leaves both running when this interpreter ends.  `address` is where the API server
    listens; anywhere but on loopback it expects a kube-controller-manager and pods.
    `plain_etcd` does without TLS between the two, which saves some of the CPU time of each write.
    `owners_checked` has it check rights on owners, as OpenShift does; it looks for new kinds every
    30 s.
    """

    def __init__(  # noqa: PLR0913 - all but the first by their names
        self,
        folder: Path,
        *,
        audit: bool = False,
        detached: bool = False,
        address: str = LOOPBACK,
        plain_etcd: bool = False,
        owners_checked: bool = True,
    ) -> None:
        self.folder = folder
        self.audit_log = folder / "audit.jsonl"
        self.etcd_data = folder / "etcd"
        self.authority = Authority.new()
        self._address = address
        self._owners_checked = owners_checked
        self.server = f"https://{address}:{free_port()}"
        self._etcd_url = f"http{'' if plain_etcd else 's'}://{LOOPBACK}:{free_port()}"
        self._write_credentials()
        self.etcd = Process(
            "etcd",
            [binaries.find(binaries.ETCD), *self._etcd_flags()],
            folder / "etcd.log",
            detached=detached,
        )
        self.apiserver = Process(
            "kube-apiserver",
            [binaries.find(binaries.KUBE_APISERVER), *self._apiserver_flags(audit=audit)],
            folder / "kube-apiserver.log",
            detached=detached,
        )
        self.admin = self.client("envtest-admin", [ADMIN_GROUP])

    @override
    def start(self) -> None:
        """Start what isn't running and return when the API server is ready.

        Raises:
            StartError: a process ended or did not get ready; it quotes its log.
        """
        self.etcd.start()
        self.apiserver.start()
        self.apiserver.await_ready(self.ready, READY_SECONDS)

    @override
    def stop(self) -> None:
        """End both at once; there is nothing in a scratch folder to be gentle with."""
        self.admin.close()
        self.apiserver.kill()
        self.etcd.kill()

    def ready(self) -> bool:
        """Return whether the API server says that it is ready."""
        return self.admin.answers("/readyz")

    def client(
        self, user: str, groups: Sequence[str] = (), seconds: float = REQUEST_SECONDS
    ) -> Client:
        """Return a client that is `user` and waits so long; RBAC decides what it may do."""
        tls = self._tls(*self._client_files(user, groups))
        return Client(self.server, tls, seconds=seconds)

    def etcd_client(self) -> Etcd:
        """Return a client of etcd itself."""
        return Etcd(self._etcd_url, self._tls(self.folder / "etcd.crt", self.folder / "etcd.key"))

    def kubeconfig(self, user: str, groups: Sequence[str] = (), namespace: str = "default") -> Path:
        """Write a kubeconfig for any user with a client certificate; return its path."""
        certificate, key = self._client_files(user, groups)
        files = {"client-certificate": str(certificate), "client-key": str(key)}
        return self._write_kubeconfig(user, files, namespace)

    def service_account_kubeconfig(self, namespace: str, name: str, server: str = "") -> Path:
        """Write a kubeconfig with a token of a service account, which must exist.

        `server` is the URL of what stands in front of the API server; each has a file of its own.
        """
        token = self.service_account_token(namespace, name)
        return self._write_kubeconfig(name, {"token": token}, namespace, server)

    def service_account_token(self, namespace: str, name: str) -> str:
        """Return a token of a service account, which must exist."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        spec = {"expirationSeconds": int(LIFETIME.total_seconds())}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": spec,
        }
        token: str = self.admin.request("POST", path, request).body["status"]["token"]
        return token

    def _write_credentials(self) -> None:
        (self.folder / "ca.crt").write_bytes(self.authority.pem)
        (self.folder / "service-account.key").write_bytes(signing_key())
        (self.folder / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
        server = self.authority.server("kube-apiserver", self._address)
        server.write(self.folder, "kube-apiserver")
        self.authority.server("etcd").write(self.folder, "etcd")

    def _client_files(self, user: str, groups: Sequence[str]) -> tuple[Path, Path]:
        return self.authority.client(user, groups).write(self.folder, f"user-{_file_name(user)}")

    def _tls(self, certificate: Path, key: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(certificate, key)
        return context

    def _write_kubeconfig(
        self, user: str, credentials: Json, namespace: str, server: str = ""
    ) -> Path:
        authority = base64.b64encode(self.authority.pem).decode()
        cluster = {"server": server or self.server, "certificate-authority-data": authority}
        context = {"cluster": "envtest", "user": user, "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "envtest", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "envtest", "context": context}],
            "current-context": "envtest",
        }
        port = server.rpartition(":")[2]
        path = self.folder / f"{_file_name(user)}{port and '-'}{port}.kubeconfig"
        replace_file(path, json.dumps(config, indent=2).encode())
        return path

    def _etcd_flags(self) -> list[str]:
        pair = {"cert-file": "etcd.crt", "key-file": "etcd.key", "trusted-ca-file": "ca.crt"}
        files = {name: self.folder / file for name, file in pair.items()}
        flags: dict[str, object] = {
            "data-dir": self.etcd_data,
            "listen-client-urls": self._etcd_url,
            "advertise-client-urls": self._etcd_url,
            "listen-peer-urls": f"https://{LOOPBACK}:0",
            "client-cert-auth": "true",
            "peer-client-cert-auth": "true",
            **files,
            **{f"peer-{name}": file for name, file in files.items()},
            "unsafe-no-fsync": "true",  # a lost machine loses a scratch folder, no data
            "log-level": "warn",
        }
        return _flags(flags)

    def _apiserver_flags(self, *, audit: bool) -> list[str]:
        folder = self.folder
        flags: dict[str, object] = {
            "etcd-servers": self._etcd_url,
            "etcd-cafile": folder / "ca.crt",
            "etcd-certfile": folder / "etcd.crt",
            "etcd-keyfile": folder / "etcd.key",
            "bind-address": self._address,
            "advertise-address": self._address,
            "secure-port": self.server.rpartition(":")[2],
            "endpoint-reconciler-type": "none",  # it refuses to advertise a loopback address
            "service-cluster-ip-range": "10.0.0.0/24",  # must be set; no service is ever reached
            "tls-cert-file": folder / "kube-apiserver.crt",
            "tls-private-key-file": folder / "kube-apiserver.key",
            "client-ca-file": folder / "ca.crt",
            "authorization-mode": "RBAC",
            "service-account-issuer": self.server,
            "service-account-key-file": folder / "service-account.key",
            "service-account-signing-key-file": folder / "service-account.key",
        }
        if self._owners_checked:
            flags["enable-admission-plugins"] = ADMISSION
        if self._address == LOOPBACK:  # nobody creates the default accounts
            flags["disable-admission-plugins"] = "ServiceAccount"
        else:  # Services lead to pods without a kube-proxy
            flags["enable-aggregator-routing"] = "true"
        if audit:
            flags["audit-policy-file"] = folder / "audit-policy.json"
            flags["audit-log-path"] = self.audit_log
        return _flags(flags)


def _flags(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _file_name(user: str) -> str:
    return user.replace(":", "-").replace("/", "-")
