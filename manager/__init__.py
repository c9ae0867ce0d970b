# SPDX-License-Identifier: Apache-2.0
"""The provider's process: flags, wiring, health, logs, and its Deployment (`pod.py`).

May import everything but `cli`.  Start reading at `process.py`.  What is imported when matters
here: the webhook answers within a second of exec, so `kube.connect` and `controller` come later.
"""
