"""What the museum's contract cannot say: functions for its filters."""

from typing import Any

from peewee import SQL, Expression, Node, NodeList, fn

from protoplane.contract.model import Kind
from protoplane.query.functions import filter_function


@filter_function(args=(Kind.STRING,), returns=Kind.STRING)
def initial(text: Node) -> Any:
    """The first character."""
    return fn.SUBSTR(text, 1, 1)


@filter_function(args=(Kind.DOUBLE, Kind.DOUBLE))
def near(one: Node, other: Node) -> Any:
    """Whether two numbers differ by at most one."""
    return Expression(fn.ABS(Expression(one, "-", other)), "<=", SQL("1"))


@filter_function(args=(Kind.TIMESTAMP, Kind.TIMESTAMP), name="sameTime")
def same_time(one: Node, other: Node) -> Any:
    """Whether two times are one."""
    return Expression(one, "=", other)


@filter_function(args=(), returns=Kind.STRING, name="engineName")
def engine_name(*, engine: str) -> Any:
    """What the database is; a condition on nothing."""
    return NodeList((SQL(f"'{engine}'"),))
