# SPDX-License-Identifier: Apache-2.0
"""The exit codes of commands that read a cluster.

Codes 0 to 2 are kubectl's: `kubectl diff` has 0 and 1, and click has 2 for a wrong command line.
"""

from ..errors import CliError

DONE = 0
"""The command did what it was asked."""

NO = 1
"""The answer is no: findings, differences, or nothing free.  Each command's help says which."""

USAGE = 2
"""The command line has a mistake."""

FAILED = 3
"""The cluster cannot be read, or a named object does not exist."""

__all__ = ["DONE", "FAILED", "NO", "USAGE", "CliError"]
