"""Functions of filters: those that every filter has, and those that a project declares in Python with their SQL.

    @filter_function(args=(Kind.STRING,), returns=Kind.STRING)
    def initial(text: Node) -> Node:
        return fn.SUBSTR(text, 1, 1)

Such a function is called when a statement is made, never per row or per call: with the columns of fields, and with places for the
values that callers write, which are bound. It is `initial(title) = "A"` in a filter; one that returns a bool may stand alone.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import Node

from protoplane.contract.model import Field, Finding, Kind, Label, Place, Presence

BUILT_IN = ("ago", "duration", "endsWith", "length", "now", "size", "startsWith", "timestamp")
"""Functions that every filter has; see `query.applied`."""

KINDS = frozenset({Kind.BOOL, Kind.INT64, Kind.DOUBLE, Kind.STRING, Kind.TIMESTAMP, Kind.DURATION})
"""What functions of a project take and return. An integer field of any width is an INT64, a float a DOUBLE, as is every integer."""

ACCEPTED: Mapping[Kind, frozenset[Kind]] = {
    **{kind: frozenset({kind}) for kind in KINDS},
    Kind.INT64: frozenset({Kind.INT32, Kind.INT64, Kind.UINT32}),
    Kind.DOUBLE: frozenset({Kind.INT32, Kind.INT64, Kind.UINT32, Kind.UINT64, Kind.FLOAT, Kind.DOUBLE}),
}
"""Kinds of fields that a parameter of a kind takes."""

RULES: Mapping[str, str] = {
    "function-duplicate": "Two filter functions of one name, or one called as those that every filter has.",
    "function-signature": "A filter function whose Python does not fit what it is declared to take.",
}
"""What a project's filter functions can break."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_declared: list[FilterFunction] = []


@dataclass(frozen=True, slots=True)
class FilterFunction:
    """One function that a project declares."""

    name: str
    parameters: tuple[Kind, ...]
    returns: Kind
    build: Callable[..., Node]
    asks_engine: bool
    """Whether it has a parameter `engine`: `sqlite`, `mariadb` or `mysql`."""
    place: Place

    @property
    def field(self) -> Field:
        """What its result is compared as."""
        return field_of(self.name, self.returns, self.place)

    def apply(self, nodes: Sequence[Node], engine: str) -> Node:
        """Its SQL."""
        return self.build(*nodes, engine=engine) if self.asks_engine else self.build(*nodes)


def filter_function(
    *, args: Sequence[Kind], returns: Kind = Kind.BOOL, name: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the function below for filters: of so many arguments of these kinds, under its own name or the one given.

    It is given a Peewee node for each argument and returns one. Where it has a parameter `engine`, it is told which it is for.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        asks = "engine" in inspect.signature(function).parameters
        place = Place(function.__code__.co_filename.rpartition("/")[2], function.__code__.co_firstlineno)
        _declared.append(FilterFunction(name or function.__name__, tuple(args), returns, function, asks, place))
        return function

    return declare


def forget_functions() -> None:
    """Before a project's code is imported: what an earlier one declared is no more."""
    _declared.clear()


def declared_functions() -> tuple[dict[str, FilterFunction], list[Finding]]:
    """What the code imported since has declared, by name, and what is wrong with it."""
    functions: dict[str, FilterFunction] = {}
    findings: list[Finding] = []
    for function in _declared:
        problem = _signature_problem(function)
        if problem:
            mend = "take one Peewee node for each of `args`, and `engine` if it matters; kinds are bool, int64, double, string, timestamp, duration"
            findings.append(Finding(function.place, "function-signature", f"'{function.name}' {problem}", mend))
        elif function.name in functions or function.name in BUILT_IN:
            findings.append(
                Finding(function.place, "function-duplicate", f"there is a filter function '{function.name}' already", "rename it")
            )
        else:
            functions[function.name] = function
    return functions, findings


def _signature_problem(function: FilterFunction) -> str:
    if not _NAME.fullmatch(function.name):
        return "is no name for a function"
    kinds = {*function.parameters, function.returns}
    if not kinds <= KINDS:
        return f"takes or returns {', '.join(sorted(kind.value for kind in kinds - KINDS))}, which functions cannot"
    nodes = [Node() for _ in function.parameters]
    try:
        made: object = function.apply(nodes, "sqlite")
    except Exception as error:  # noqa: BLE001 - a team's code may raise anything.
        return f"raises {type(error).__name__} when its SQL is made: {error}"
    return "" if isinstance(made, Node) else f"returns {type(made).__name__}, not a Peewee node"


def field_of(name: str, kind: Kind, place: Place) -> Field:
    """A value without a column, as literals are read and bound for it."""
    return Field(name=name, path=name, number=0, kind=kind, label=Label.SINGULAR, presence=Presence.EXPLICIT, place=place)
