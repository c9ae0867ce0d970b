# SPDX-License-Identifier: Apache-2.0
"""Whatever is decoded was prepared at import: two threads that do so at once would end the process.

The API server's Secrets and reviews come to the event loop and to threads in any order.
"""

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil
import msgspec
from msgspec import _utils

for name in ("kube", "objects", "webhook", "controller", "manager"):
    for module in pkgutil.iter_modules(importlib.import_module(name).__path__, f"{name}."):
        importlib.import_module(module.name)

late = set()
work_out = _utils._get_class_mro_and_typevar_mappings

def noted(kind):
    late.add(kind)
    return work_out(kind)

def below(kind):
    for each in kind.__subclasses__():
        yield from below(each) if each.__subclasses__() else [each]

_utils._get_class_mro_and_typevar_mappings = noted
ours = {kind for kind in below(msgspec.Struct) if not kind.__module__.startswith("msgspec")}
assert len(ours) > 40, ours
for kind in ours:
    msgspec.json.Decoder(kind)
print(*sorted(f"{kind.__module__}.{kind.__name__}" for kind in late), sep="\\n")
"""


def test_every_struct_is_prepared_when_its_module_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []
