# SPDX-License-Identifier: Apache-2.0
"""From the versions of each kind to files.

`files.py` renders CustomResourceDefinitions, the API reference and JSON schemas for editors;
`output.py` writes files, or compares them with the present ones.
"""
