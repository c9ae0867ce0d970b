# SPDX-License-Identifier: Apache-2.0
"""Imports the modules of users, and explains why one cannot be imported."""

import importlib
from collections.abc import Callable
from types import ModuleType

from ..errors import GenerationError


def module(name: str, error: Callable[[str, str], GenerationError]) -> ModuleType:
    """Import a module.

    Args:
        name: The module's full name.
        error: Makes the error to raise from the name and the problem.

    Raises:
        GenerationError: the module does not exist, fails or ends the program.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as cause:
        raise error(name, f"can't be imported: {cause}") from cause
    except SystemExit as cause:
        raise error(
            name,
            f"can't be imported: it ends the program (SystemExit: {cause.code}); put what it runs "
            'below `if __name__ == "__main__":`',
        ) from cause
    except Exception as cause:
        raise error(name, f"can't be imported: {type(cause).__name__}: {cause}") from cause
