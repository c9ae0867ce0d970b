# SPDX-License-Identifier: Apache-2.0
"""Random traffic under random faults, and the proof that no address was lost or given twice.

Users create, delete and edit (`traffic`) while everything around two managers breaks (`faults`).
Meanwhile the whole history of the objects is read from etcd (`history`).  No restart of an API
server interrupts it, and it goes on from a backup where etcd was restored.  In the end `checker`
judges each step of it and `settled` what is left.

Start reading at `run`.  `python -m envtest.chaos --help` is `make chaos`.
"""
