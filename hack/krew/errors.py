# SPDX-License-Identifier: Apache-2.0
"""Why the plugin cannot be packed."""


class KrewError(Exception):
    """An archive or the manifest cannot be written; the text says why and what to do."""
