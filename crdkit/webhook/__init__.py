# SPDX-License-Identifier: Apache-2.0
"""Answers the API server's ConversionReviews over HTTP, as an ASGI application.

Any ASGI server can run it: `uvicorn.run(ConversionApp(REGISTRY), ssl_certfile=...)`.  Importing it
does not import pydantic.

Start reading at `app.py` and `conversion_review.py`.  `limits.py` bounds what requests cost,
`worker.py` runs large reviews in a thread, and `decoding.py` decodes objects only as deep as
somebody looks.
"""

from .app import ConversionApp

__all__ = ["ConversionApp"]
