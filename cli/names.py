# SPDX-License-Identifier: Apache-2.0
"""The syntax of names, labels and the like; each rule returns the error, or an empty text.

Source: k8s.io/apimachinery, api/validate/content and api/validation.  Lengths count bytes of UTF-8.
"""

import re

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_WORD = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_LONGEST_LABEL = 63  # of DNS
_LONGEST_SUBDOMAIN = 253  # of DNS
_LONGEST_GENERATED = 58  # 63 without the five random characters
_RANDOM = "aaaaa"  # any that the API server may append

_LOWER = "lower-case letters, digits"
_ENDS = "begin and end with a letter or a digit"


def name(text: str) -> str:
    """Check the name of an object, which is a DNS subdomain."""
    if not _DNS_SUBDOMAIN.fullmatch(text):
        return f"must have only {_LOWER}, '-' and '.', and {_ENDS}, such as rack-1.example"
    return _too_long(text, _LONGEST_SUBDOMAIN)


def generate_name(text: str) -> str:
    """Check the beginning of a name that the API server is to complete."""
    masked = f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text
    return name(masked) or name(text[:_LONGEST_GENERATED] + _RANDOM)


def namespace(text: str) -> str:
    """Check the name of a namespace, which is a DNS label."""
    if not _DNS_LABEL.fullmatch(text):
        return f"must have only {_LOWER} and '-', and {_ENDS}, such as team-1"
    return _too_long(text, _LONGEST_LABEL)


def label_value(text: str) -> str:
    """Check the value of a label, which may be empty."""
    return _word(text) if text else ""


def qualified(text: str) -> str:
    """Check a label key or a finalizer: a word, or a DNS subdomain, `/` and a word."""
    prefix, slash, word = text.rpartition("/")
    if "/" in prefix:
        return "must have one '/' at most, such as example.com/rack"
    if slash and (problem := name(prefix)):
        return f"has a wrong prefix {prefix!r}: it {problem}"
    return _word(word)


def annotation(text: str) -> str:
    """Check a key of annotations, where case does not matter."""
    return qualified(text.lower())


def _word(text: str) -> str:
    if not text:
        return "must not be empty"
    if not _WORD.fullmatch(text):
        return f"must have only letters (A to Z), digits, '-', '_' and '.', and {_ENDS}"
    return _too_long(text, _LONGEST_LABEL)


def _too_long(text: str, most: int) -> str:
    return "" if len(text.encode()) <= most else f"must have at most {most} characters"
