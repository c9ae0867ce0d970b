# SPDX-License-Identifier: Apache-2.0
"""One JSON object per line on standard error, from us and from the libraries below."""

import logging
import sys

import structlog

_DEBUG_VERBOSITY = 4  # -v=4 is where Kubernetes programs start to tell each step


def configure(verbosity: int) -> None:
    """Set up logging for the process; `verbosity` is that of Kubernetes' `-v`."""
    level = logging.DEBUG if verbosity >= _DEBUG_VERBOSITY else logging.INFO
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(  # variables may hold tokens and keys
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
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
    logging.getLogger("webhook").setLevel(level)  # ours, though it logs by the standard library
