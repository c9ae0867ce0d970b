# SPDX-License-Identifier: Apache-2.0
"""The types of ASGI, the interface between servers and applications.

Source: https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
