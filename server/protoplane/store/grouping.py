"""What engines do in their own ways when they group: the start of a month, a sum that does not overflow, parts as one text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from peewee import SQL, Case, Expression, Node, NodeList, fn

from protoplane.base.clock import MICROSECONDS
from protoplane.query.aggregate import Function

HOUR_MICROSECONDS = 3_600 * MICROSECONDS
DAY_MICROSECONDS = 24 * HOUR_MICROSECONDS
WEEK_MICROSECONDS = 7 * DAY_MICROSECONDS
MONDAY_MICROSECONDS = 3 * DAY_MICROSECONDS
"""1970 began on a Thursday: three days after a Monday."""


class Grouping(ABC):
    """Expressions of one engine."""

    @abstractmethod
    def start(self, time: Node, bucket: Function) -> Node:
        """The start of the hour, day, ISO week, month, quarter or year (UTC) that a time column is in: what rows are grouped by."""

    @abstractmethod
    def kept(self, start: Node) -> Node:
        """The start of a group as the engine keeps times: made for each group instead of each row."""

    @abstractmethod
    def whole_sum(self, value: Node) -> Node:
        """The sum of 64-bit integers: exact while 64 bits hold it, else a number of another type that compares as large as it is."""

    @abstractmethod
    def joined(self, texts: Sequence[Node]) -> Node:
        """Texts as one, which is equal where all of them are; none of them holds a `/`."""


class SqliteGrouping(Grouping):
    """Times are microseconds since 1970; SUM stops at what 64 bits hold."""

    def start(self, time: Node, bucket: Function) -> Node:
        """By arithmetic as long as all are of one length, else by the calendar: to 9999 in both directions of 1970."""
        match bucket:
            case Function.HOUR:
                return _floor(time, HOUR_MICROSECONDS)
            case Function.DAY:
                return _floor(time, DAY_MICROSECONDS)
            case Function.WEEK:
                return _floor(time, WEEK_MICROSECONDS, MONDAY_MICROSECONDS)
            case Function.MONTH:
                return _calendar(time, SQL("'start of month'"))
            case Function.QUARTER:
                month = fn.CAST(NodeList((fn.strftime(SQL("'%m'"), _seconds(time), SQL("'unixepoch'")), SQL("AS INTEGER"))))
                back = Expression(SQL("'-'"), "||", Expression(Expression(month, "-", SQL("1")), "%", SQL("3")))
                return _calendar(time, SQL("'start of month'"), Expression(back, "||", SQL("' months'")))
            case Function.YEAR:
                return _calendar(time, SQL("'start of year'"))
            case _:
                raise AssertionError(bucket)

    def kept(self, start: Node) -> Node:
        """They are microseconds as they are."""
        return start

    def whole_sum(self, value: Node) -> Node:
        """In two halves of 32 bits, whose own sums cannot overflow; beyond 64 bits as REAL."""
        high, low = fn.SUM(Expression(value, ">>", SQL("32"))), fn.SUM(Expression(value, "&", LOW_BITS))
        top = Expression(high, "+", Expression(low, ">>", SQL("32")))
        rest = Expression(low, "&", LOW_BITS)
        exact = Expression(Expression(top, "<<", SQL("32")), "|", rest)
        wide = Expression(Expression(top, "*", SQL("4294967296.0")), "+", rest)
        fits = NodeList((top, SQL("BETWEEN -2147483648 AND 2147483647")), parens=True)
        return Case(None, ((fits, exact),), wide)

    def joined(self, texts: Sequence[Node]) -> Node:
        """Write `a || '/' || b`."""
        return NodeList([part for text in texts for part in (SQL("|| '/' ||"), text)][1:], parens=True)


class ServerGrouping(Grouping):
    """Times are DATETIME; SUM of integers is DECIMAL."""

    def start(self, time: Node, bucket: Function) -> Node:
        """By subtraction from the day: functions that make a date of a year take years below 100 for others."""
        day = fn.DATE(time)
        match bucket:
            case Function.HOUR:
                return _moved(day, "+", fn.HOUR(time), "HOUR")
            case Function.DAY:
                return day
            case Function.WEEK:
                return _moved(day, "-", fn.WEEKDAY(time), "DAY")
            case Function.MONTH:
                return _first_of_month(day, time)
            case Function.QUARTER:
                months = fn.MOD(Expression(fn.MONTH(time), "-", SQL("1")), SQL("3"))
                return _moved(_first_of_month(day, time), "-", months, "MONTH")
            case Function.YEAR:
                return _moved(day, "-", Expression(fn.DAYOFYEAR(time), "-", SQL("1")), "DAY")
            case _:
                raise AssertionError(bucket)

    def kept(self, start: Node) -> Node:
        """Most are a DATE, which does not compare as a DATETIME does."""
        return fn.CAST(NodeList((start, SQL("AS DATETIME(6)"))))

    def whole_sum(self, value: Node) -> Node:
        """65 digits."""
        return fn.SUM(value)

    def joined(self, texts: Sequence[Node]) -> Node:
        """Write `CONCAT(a, '/', b)`."""
        return fn.CONCAT(*[part for text in texts for part in (SQL("'/'"), text)][1:])


LOW_BITS = SQL("4294967295")
SQLITE, SERVER = SqliteGrouping(), ServerGrouping()


def _floor(time: Node, length: int, shift: int = 0) -> Node:
    """The greatest multiple of a length (less a shift) that is not above the time; `%` alone rounds towards zero."""
    moved = Expression(time, "+", SQL(str(shift))) if shift else time
    into = Expression(moved, "%", SQL(str(length)))
    return Expression(time, "-", Expression(Expression(into, "+", SQL(str(length))), "%", SQL(str(length))))


def _seconds(time: Node) -> Node:
    return Expression(_floor(time, MICROSECONDS), "/", SQL(str(MICROSECONDS)))


def _calendar(time: Node, *modifiers: Node) -> Node:
    """Through strftime, whose modifiers know months and years."""
    start = fn.strftime(SQL("'%s'"), _seconds(time), SQL("'unixepoch'"), *modifiers)
    return Expression(fn.CAST(NodeList((start, SQL("AS INTEGER")))), "*", SQL(str(MICROSECONDS)))


def _moved(day: Node, sign: str, count: Node, unit: str) -> Node:
    return NodeList((day, SQL(f"{sign} INTERVAL"), count, SQL(unit)), parens=True)


def _first_of_month(day: Node, time: Node) -> Node:
    return _moved(day, "-", Expression(fn.DAYOFMONTH(time), "-", SQL("1")), "DAY")
