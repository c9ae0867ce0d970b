# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam top`: a live view of all pools in the terminal.

Start reading at `command.py`.  `page.py` makes the lines of one screen, and is pure.  `changes.py`
remembers the last change of each pool, and `screen.py` draws on a terminal and reads its keys.
"""
