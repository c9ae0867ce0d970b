# SPDX-License-Identifier: Apache-2.0
"""Answers the API server's reviews: conversion between versions, and admission.

May import `conversion`, `crdkit`, `objects`, `kube`, `ipam` and `api`; only this package imports
fastapi and uvicorn.  Starts first in the process and fast, so nothing here imports `kubernetes`,
and the pydantic models only with the first review of a write.

Start reading at `app.py` (which path does what), then `admission.py` (the rules) with
`admission_review.py` (their form).  `crdkit.webhook` answers conversion reviews.  `server.py` and
`tls.py` are the port and its certificates.
"""
