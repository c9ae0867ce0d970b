# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam` as a plugin of krew: an archive for each platform, and their manifest.

Read `archive` first.  Why it is built this way: docs/design/0011-krew.md.
"""
