# SPDX-License-Identifier: Apache-2.0
"""From models to structural schemas and to the versions of each kind.

`structural.py` has most of the work: Pydantic's schema (`document.py`) becomes the form that the
API server demands.  `crds.py` brings the versions of a kind together, `loader.py` finds the kinds
in a package.
"""
