# SPDX-License-Identifier: Apache-2.0
"""The names of fields in CEL rules, where reserved words and signs are escaped."""

import re

_RESERVED = frozenset(
    {
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import",
        "in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void",
        "while",
    }
)  # fmt: skip

_SIGNS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


def name(field: str) -> str:
    """Return `max__dash__size` for the field `max-size`, and `__namespace__` for `namespace`.

    Source: k8s.io/apiserver, pkg/cel/escaping.go
    """
    if field in _RESERVED:
        return f"__{field}__"
    return re.sub(r"__|[./-]", lambda sign: _SIGNS[sign[0]], field)
