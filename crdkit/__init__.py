# SPDX-License-Identifier: Apache-2.0
"""Custom resources of Kubernetes in Python: their types, their definitions, their conversion.

    models/     what a model says of its kind: bases, markers, types that all APIs share
    validate/   what the API server would refuse, found before it is asked
    schema/     models -> structural schemas -> the versions of each kind
    render/     CustomResourceDefinitions, API reference, JSON schemas for editors

Imports nothing of the project around it, so that it can be used alone: README.md shows how.
Importing the package, or `models.resources`, does not import pydantic.

Start reading at `models/model.py` and `models/markers.py`.
"""
