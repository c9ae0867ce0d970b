# SPDX-License-Identifier: Apache-2.0
"""A controller, its API server and its users, one step at a time, in any order."""
