# SPDX-License-Identifier: Apache-2.0
"""Writes the manifests and pages that `make generate` keeps up to date.

    our kinds (api), by crdkit                       -> CRDs, API reference, JSON schemas
    their names                                      -> webhook configurations
    rules beside the code that needs them            -> roles
    ports, paths and arguments (manager/pod.py)      -> Services, a patch of the Deployment
    commands of click (manager, cli)                 -> reference of flags

May import `api`, `crdkit` and `kube`; what other packages declare is loaded by name.

Start reading at `manifests.py`, which is the list of files.  Run `python -m generator` to write,
with `--check` to compare.
"""
