# SPDX-License-Identifier: Apache-2.0
"""What tests of a controller need: an API server in memory (`fake.py`)."""
