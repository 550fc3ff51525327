"""Resource names in filters: `airline = "airlines/ua"` becomes tests of the key columns."""

from __future__ import annotations

from protoplane.base import limits
from protoplane.contract.model import Pattern
from protoplane.contract.names import Id, integer
from protoplane.query.caret import Misread, quote
from protoplane.query.predicate import Op, Test, pattern
from protoplane.query.syntax import Literal


def read_name(name: Pattern, literal: Literal) -> tuple[tuple[int, Test], ...]:
    """The tests, by index of the pattern's variable, that hold for the names the literal stands for.

    `*` stands for any part of one id and never reaches over a `/`. The empty name is the unset reference.
    A text that is no name of the pattern is refused, not false: it is a mistake, and this way it is seen.
    """
    if literal.pieces == ("",):
        return tuple((index, Test(Op.EQUAL, _unset(name, index))) for index in range(len(name.variables)))
    segments = _segments(literal.pieces)
    collections, ids = segments[::2], segments[1::2]
    fits = len(literal.text) <= limits.NAME_CHARACTERS_MAX and len(ids) == len(name.variables) and ("",) not in ids
    if not fits or collections != [(collection,) for collection in name.collections]:
        raise Misread(literal.offset, f"{quote(literal.text)} is not a name of the form '{name.text}'")
    tests = [
        (index, _number_test(pieces, literal) if index in name.integers else _test(pieces))
        for index, pieces in enumerate(ids)
        if any(pieces)
    ]
    # All wildcards: any name, but not the unset reference.
    return tuple(tests) or ((0, Test(Op.UNEQUAL, _unset(name, 0))),)


def _unset(name: Pattern, index: int) -> Id:
    """What the column of an unset reference holds."""
    return 0 if index in name.integers else ""


def _number_test(pieces: tuple[str, ...], literal: Literal) -> Test:
    number = integer(pieces[0]) if len(pieces) == 1 else None
    if number is None:
        raise Misread(literal.offset, f"the ids in {quote(literal.text)} are whole numbers from 1; '*' stands for all of one")
    return Test(Op.EQUAL, number)


def _test(pieces: tuple[str, ...]) -> Test:
    return Test(Op.EQUAL, pieces[0]) if len(pieces) == 1 else Test(Op.LIKE, pattern(pieces))


def _segments(pieces: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The pieces between wildcards, cut again at each `/`."""
    segments: list[list[str]] = [[]]
    for piece in pieces:
        first, *others = piece.split("/")
        segments[-1].append(first)
        segments += [[other] for other in others]
    return [tuple(segment) for segment in segments]
