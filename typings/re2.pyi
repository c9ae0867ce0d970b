# SPDX-License-Identifier: Apache-2.0
# The part of google-re2 that is used; the package has no types of its own.

class error(Exception): ...  # noqa: N801, N818 - the package's name

class Options:
    log_errors: bool
    max_mem: int

class _Regexp:
    def search(self, text: str) -> object | None: ...

def compile(pattern: str, options: Options | None = None) -> _Regexp: ...  # noqa: A001 - the package's name
