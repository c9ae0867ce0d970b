# SPDX-License-Identifier: Apache-2.0
"""Find what the API server would refuse, before anything is written.

`crd_validation.py` checks schemas, `value_validation.py` checks values such as defaults,
`spelling.py` checks names, and `cel_cost.py` estimates the cost of rules.  `jsonpath.py` follows
the paths of columns and rules.
"""
