# SPDX-License-Identifier: Apache-2.0
"""Estimate the most that a CEL expression costs, from its text and the sizes of its values.

Costs are in the API server's unit, about one step of its interpreter.  What an expression does most
of its work in is counted as the API server counts it: macros that iterate, and functions that read
a string or a list.  Every operator, field and call counts one.  Both sides of `||`, `&&` and `? :`
are added up, where the API server takes the larger of two branches.

Source: github.com/google/cel-go, checker/cost.go; k8s.io/apiserver, pkg/cel/library/cost.go
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Protocol

_TOKEN = re.compile(
    r"(?P<text>[rR]?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"))"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>\d[\w.]*)"
    r"|(?P<sign>\.\?|\[\?|&&|\|\||[=!<>]=|\S)"
)

_CLOSING = {"(": ")", "[": "]", "[?": "]", "{": "}"}

_READ = 0.1  # cost of reading one byte of a string; common.StringTraversalCostFactor
_REGEX = 0.25  # cost of one byte of a pattern, for each unit of reading
_LOOP = 2  # of one round of a macro besides its body: the condition, and what is accumulated
_GROWING_LOOP = 13  # the same where each round adds an item to a list: a list costs 10

_ITERATING = frozenset({"all", "exists", "exists_one", "existsOne"})
_COLLECTING = frozenset({"filter", "map", "transformList", "transformMap", "transformMapEntry"})
_OF_SETS = frozenset({"contains", "equivalent", "intersects"})
_OF_LISTS = frozenset({"includes", "indexOf", "isSorted", "lastIndexOf", "max", "min", "sum"})
_KEEPING = frozenset(
    {"first", "last", "lowerAscii", "orValue", "reverse", "slice", "sort", "substring", "trim",
     "upperAscii", "value"}
)  # fmt: skip
"""Functions whose result is no larger than what they are called on."""

_CHEAP = frozenset(
    {"bool", "double", "duration", "dyn", "has", "hasValue", "int", "none", "of", "size",
     "timestamp", "type", "uint"}
)  # fmt: skip
"""Functions that read nothing."""


class Value(Protocol):
    """What is known of a value: how large it can get, and what is in it."""

    @property
    def size(self) -> int:
        """Bytes of a string, items of a list or a map; 0 of everything else."""
        ...

    def field(self, name: str) -> "Value":
        """Return the field of an object, or the value of a key of a map."""
        ...

    def item(self) -> "Value":
        """Return any item of a list, or any key of a map."""
        ...


@dataclass(frozen=True, slots=True)
class Computed:
    """A value that the expression makes itself; like the API server, this forgets its items."""

    size: int = 0
    items: "Value | None" = None

    def field(self, name: str) -> Value:
        """Return the same as an item: what is made has no schema."""
        del name
        return self.item()

    def item(self) -> Value:
        """Return what was put in."""
        return self.items or Computed()


@dataclass(slots=True)
class Reader:
    """Reads one expression from left to right; `cost` is that of what was read so far."""

    tokens: list[str]
    scope: dict[str, Value]
    used: Callable[[Value], None]
    cost: float = 0
    at: int = 0

    def expression(self, *ends: str) -> Value:
        """Read up to one of `ends`, which is read too, and return the last value."""
        left: Value = Computed()
        sign = ""
        while self.at < len(self.tokens) and self.peek() not in ends:
            if not self._starts_a_value():
                sign = self._next()
                self.cost += 1
                continue
            right = self._value()
            left = self._combined(left, sign, right)
            sign = ""
        self.at += 1
        return left

    def peek(self) -> str:
        """Return the next token without reading it; empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _next(self) -> str:
        self.at += 1
        return self._last()

    def _last(self) -> str:
        """Return the token that was read last; empty beyond the end of what is no CEL."""
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def _starts_a_value(self) -> bool:
        first = self.peek()
        return first in _CLOSING or (first != "in" and bool(re.match(r"['\"\w]", first)))

    def _combined(self, left: Value, sign: str, right: Value) -> Value:
        """Count an operator that reads both of its sides."""
        if sign == "in":
            self._charge(right, 1)
        elif sign == "+":
            self.cost += _reading(left.size + right.size)
            return Computed(left.size + right.size, right.item())
        elif sign in {"==", "!=", "<", "<=", ">", ">="}:
            self.cost += _reading(min(left.size, right.size))
        return right

    def _value(self) -> Value:
        """Read a literal, a name, a call or a group, with everything that is called on it."""
        start = self._next()
        value: Value
        if start in _CLOSING:
            value = self._group(start)
        elif re.match(r"[rR]?['\"]", start):
            value = Computed(len(start.lstrip("rR")) - 2)
        elif self.peek() == "(":
            value = self._call(start, None)
        else:
            self.cost += 1
            value = self.scope.get(start, Computed())
        return self._chain(value)

    def _group(self, opening: str) -> Value:
        """Read `(...)`, or the items of a literal."""
        if opening == "(":
            return self.expression(")")
        items = self._arguments(_CLOSING[opening])
        self.cost += 10  # common.ListCreateBaseCost
        largest = max(items, key=lambda item: item.size, default=Computed())
        return Computed(len(items), largest)

    def _chain(self, value: Value) -> Value:
        """Read what follows a value: fields, items and calls."""
        while self.peek() in {".", ".?", "[", "[?"}:
            if self._next() in {"[", "[?"}:
                self.expression("]")
                self.cost += 1
                value = value.item()
            else:
                name = self._next()
                if self.peek() == "(":
                    value = self._call(name, value)
                else:
                    self.cost += 1
                    value = value.field(name)
        return value

    def _call(self, name: str, target: Value | None) -> Value:
        """Read the arguments of a function or a macro, and count what it does."""
        self.at += 1
        self.cost += 1
        if target is not None and name in _ITERATING | _COLLECTING | {"optMap", "optFlatMap"}:
            return self._macro(name, target)
        arguments = self._arguments(")")
        on, *others = [target, *arguments] if target is not None else [*arguments, Computed()]
        return self._function(name, on, others)

    def _arguments(self, closing: str) -> list[Value]:
        values = list[Value]()
        while self.at < len(self.tokens):
            if self.peek() == closing:
                self.at += 1
                break
            values.append(self.expression(",", ":", closing))
            if self._last() == closing:
                break
        return values

    def _macro(self, name: str, target: Value) -> Value:
        """Read the variables and the bodies of a macro, and count these once for each item."""
        variables = dict[str, Value]()
        while self.at + 1 < len(self.tokens) and self.tokens[self.at + 1] == ",":
            variables[self._next()] = target.item()
            self.at += 1
        before = self.cost
        result: Value = Computed()
        while self.at < len(self.tokens) and self._last() != ")":
            result = self._inside(variables, ",", ")")
        if name.startswith("opt"):
            return result
        loop = _GROWING_LOOP if name in _COLLECTING else _LOOP
        body, self.cost = self.cost - before + loop, before
        self._charge(target, body)
        if name == "filter":
            return target
        return Computed(target.size) if name in _COLLECTING else Computed()

    def _inside(self, variables: Mapping[str, Value], *ends: str) -> Value:
        """Read an expression in which some more names are known."""
        outer, self.scope = self.scope, {**self.scope, **variables}
        try:
            return self.expression(*ends)
        finally:
            self.scope = outer

    def _function(self, name: str, on: Value, others: list[Value]) -> Value:
        """Count a function by what it reads; return what it makes."""
        other = others[0] if others else Computed()
        if name in _CHEAP:
            return Computed()
        if name in _OF_SETS and len(others) > 1:  # sets.contains(list, list)
            self._charge(other, max(1, others[1].size))
        elif name == "contains":
            self._charge(on, 1, _reading(on.size) * max(1, _reading(other.size)))
        elif name in {"matches", "find", "findAll"}:
            self._charge(on, 1, _reading(on.size + 1) * ceil(other.size * _REGEX))
        elif name in {"startsWith", "endsWith"}:
            self.cost += _reading(other.size)
        elif name in _OF_LISTS and on.item().size:
            self._charge(on, 1 + _reading(on.item().size))
        elif name in {"replace", "split"}:
            self._charge(on, 1, 2 * _reading(on.size))
            longer = others[1].size if name == "replace" and len(others) > 1 else 1
            return Computed(on.size * max(1, longer))
        elif name == "join":
            size = on.size * (on.item().size + other.size)
            self._charge(on, 1, 2 * _reading(size))
            return Computed(size)
        else:
            self._charge(on, 1, _reading(on.size))
        return on if name in _KEEPING else Computed(on.size)

    def _charge(self, value: Value, each: float, whole: float | None = None) -> None:
        """Count work that grows with a value: so much for each item, or a sum for all of it."""
        self.cost += value.size * each if whole is None else whole
        self.used(value)


def cost(expression: str, scope: Mapping[str, Value], used: Callable[[Value], None]) -> float:
    """Return an upper estimate of what an expression costs; `used` gets each value it reads.

    Guarantees:
        Any text has a cost, also one that is no CEL: that is for the API server to say.
    """
    reader = Reader(list(_tokens(expression)), dict(scope), used)
    while reader.peek():
        reader.expression()
    return reader.cost


def _tokens(expression: str) -> Iterator[str]:
    return (match[0] for match in _TOKEN.finditer(expression))


def _reading(size: int) -> int:
    return ceil(size * _READ)
