# SPDX-License-Identifier: Apache-2.0
"""What the API server would refuse, found before anything is written.

`crd_validation.py` judges schemas, `value_validation.py` judges values such as defaults,
`spelling.py` judges names, and `cel_cost.py` estimates the cost of rules.  `jsonpath.py` follows
the paths of columns and rules.
"""
