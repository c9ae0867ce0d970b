# SPDX-License-Identifier: Apache-2.0
"""One JSON object per line on standard error, from us and from the libraries below.

The log level may change while the process runs.  Loggers are cached, and structlog's filtering
loggers do not check a level.  So all loggers have one class, and a change of the level replaces its
methods.  A call below the level costs almost nothing, as before.
"""

import logging
import sys

import structlog

MOST = 2**31 - 1
"""The highest verbosity: Kubernetes' `-v` is an int32."""

_DEBUG_VERBOSITY = 4  # -v=4 is where Kubernetes programs start to log each step

_Logger: type[structlog.typing.FilteringBoundLogger] = type(
    "_Logger", (structlog.make_filtering_bound_logger(logging.INFO),), {}
)
_OURS = logging.getLogger("webhook")  # though it logs by the standard library


class _Present:
    verbosity = 0


def verbosity() -> int:
    """Return the log level as a verbosity of Kubernetes' `-v`."""
    return _Present.verbosity


def set_verbosity(value: int) -> None:
    """Change the level of all existing loggers."""
    _Present.verbosity = value
    level = logging.DEBUG if value >= _DEBUG_VERBOSITY else logging.INFO
    for name, method in vars(structlog.make_filtering_bound_logger(level)).items():
        if callable(method):
            setattr(_Logger, name, method)
    _OURS.setLevel(level)


def configure(value: int) -> None:
    """Set up logging for the process; `value` is the verbosity to begin with."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(  # variables may hold tokens and keys
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=_Logger,
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    render = structlog.processors.JSONRenderer()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    set_verbosity(value)
