# SPDX-License-Identifier: Apache-2.0
"""Address arithmetic: what a pool offers, and which of it is free.

Pure: integers and ranges of integers, no Kubernetes, no input or output, nothing of ours imported.
An address is its family (4 or 6) and an integer, so a /28 and an IPv6 /32 cost the same.

Start reading at `offer.py` (a pool's spec becomes a set of addresses), then `allocator.py` (the
lowest free one).  `notation.py` is the only place that reads or writes an address as text.
"""
