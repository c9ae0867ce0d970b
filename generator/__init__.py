# SPDX-License-Identifier: Apache-2.0
"""Turns types and declarations into the manifests that the API server needs.

    models (api) -> JSON schema -> structural schema -> CustomResourceDefinitions
    their names                                      -> webhook configurations
    rules beside the code that needs them            -> roles
    ports, paths and arguments (kube/pod.py)         -> Services, a patch of the Deployment
    models                                           -> API reference, JSON schemas for editors
    commands of click (manager, cli)                 -> reference of flags

May import `api` and `kube`; the declarations of the sibling packages are loaded by name.  Only this
package imports jinja2 and re2.

Start reading at `manifests.py`, which is the list of files; `structural.py` is where the work is.
Run `python -m generator` to write, with `--check` to compare, with `--models` for kinds of
others.
"""
