# SPDX-License-Identifier: Apache-2.0
"""Address arithmetic: which addresses a pool may hand out, and which of them are free.

Pure: integers and ranges of integers, no Kubernetes, no input or output, nothing of ours imported.
An address is its family (4 or 6) and an integer, so a /28 and an IPv6 /32 cost the same.

Start reading at `pool_specs.py` (a pool's spec becomes an `AddressSet`), then `allocator.py` (the
lowest free one).  `notation.py` is the only place that reads or writes an address as text.
"""
