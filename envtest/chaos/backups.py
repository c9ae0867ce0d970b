# SPDX-License-Identifier: Apache-2.0
"""Backups of etcd, and their restore as Kubernetes documents it: no API server runs meanwhile.

A backup is a copy of the data folder, taken while etcd is stopped in its tracks, so it is what a
crash at that moment leaves.  As with `etcdutl snapshot restore`, revisions go on from the backup's.
https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/#restoring-an-etcd-cluster
"""

import shutil
import signal
from contextlib import closing
from pathlib import Path

from ..controlplane.control_plane import ControlPlane
from ..errors import EtcdError
from ..waiting import until

START_SECONDS = 30.0  # takes half a second; two cores full of compilers take ten times that


def take(plane: ControlPlane, folder: Path) -> Path:
    """Copy etcd's data to a folder, in place of what was there; etcd answers late meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)
    running = plane.etcd.running
    if running:
        plane.etcd.signal(signal.SIGSTOP)
    try:
        shutil.copytree(plane.etcd_data, folder)
    finally:
        if running:
            plane.etcd.signal(signal.SIGCONT)
    return folder


def put_back(plane: ControlPlane, folder: Path) -> int:
    """Start etcd from a backup; the API server is ended, and not started.

    Returns:
        The revision that the backup has.
    """
    plane.apiserver.kill()
    plane.etcd.kill()
    shutil.rmtree(plane.etcd_data)
    shutil.copytree(folder, plane.etcd_data)
    plane.etcd.start()
    return until("etcd answers", lambda: _revision(plane), bool, START_SECONDS)


def _revision(plane: ControlPlane) -> int:
    with closing(plane.etcd_client()) as etcd:
        try:
            return etcd.revision()
        except EtcdError:
            return 0
