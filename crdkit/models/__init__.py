# SPDX-License-Identifier: Apache-2.0
"""The vocabulary for types of custom resources.

`model.py` has the bases `Model` and `Object`, `markers.py` what a field or a version tells the API
server beyond its Python type, `resources.py` the names of a kind.  `meta.py` and `values.py` have
types that many APIs share.
"""
