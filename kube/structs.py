# SPDX-License-Identifier: Apache-2.0
"""What all structs of the wire have in common."""

from __future__ import annotations

from typing import TypeVar

import msgspec

S = TypeVar("S")


class Struct(
    msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A part of an object with the JSON names of Kubernetes.

    Caveats:
        Not tracked by the garbage collector, which 200,000 objects would keep busy: what is decoded
        from JSON has no cycles.
    """


def prepared(kind: type[S]) -> type[S]:
    """Prepare msgspec's decoding of a struct, and of the structs in it, now.

    Otherwise msgspec prepares it when it decodes one for the first time.  Two threads that do so at
    once crash the process (SIGSEGV, msgspec 0.22).  An import runs in one thread at a time.
    """
    msgspec.json.Decoder(kind)
    return kind
