# SPDX-License-Identifier: Apache-2.0
"""Why the plugin can't be packed."""


class KrewError(Exception):
    """An archive or the manifest can't be written; the text says why and what to do."""
