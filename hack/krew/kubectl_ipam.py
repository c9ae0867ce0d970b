# SPDX-License-Identifier: Apache-2.0
"""The program in the archive.

krew links one program of a plugin.  So this one has two names: linked as `kubectl_complete-ipam`,
it answers what kubectl asks when a user presses the tab key.
"""

import sys
from pathlib import Path

from cli.kubectl import completion, main

if Path(sys.argv[0]).name.startswith("kubectl_complete"):
    completion.run()
else:
    main.run()
