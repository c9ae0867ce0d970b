# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam map`: pages that show all pools, in a browser or in one file.

Start reading at `command.py`.  `layout.py` places the addresses of a pool on a map of any size, and
is pure.  `model.py` holds the state of a cluster at one time, `views.py` selects what a page shows,
`cells.py` describes each cell of a map, and `pages.py` renders it.  `overlay.py` draws over a model
what a manifest would change, and `what_if.py` keeps the manifests.  `live.py` keeps the model
current by watches, and `service.py` answers the browser.  Only this package and `webhook` import
fastapi, only this one and `crdkit` jinja2.
"""
