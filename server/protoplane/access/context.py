"""What a tuple and a request say to conditions, and how it is kept; what it may cost to read it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

from protoplane.access.given import Unanswered

Context: TypeAlias = Mapping[str, object]
"""Values by parameter, as JSON has them."""

CONTEXT_BYTES_MAX = 32 * 1024
"""Of a context as JSON; OpenFGA's bound for what a tuple says."""
CONTEXT_VALUES_MAX = 1_000
"""Values in a context, those in lists and maps counted too: `l.all(x, x in l)` over so many takes 7 ms."""
CONTEXT_DEPTH_MAX = 32


class ConditionFailed(Unanswered):
    """One cannot be evaluated for what it is told."""

    def __init__(self, condition: str, problem: str) -> None:
        super().__init__(f"condition '{condition}': {problem}")
        self.condition, self.problem = condition, problem


class ContextMismatch(ConditionFailed):
    """A value does not fit its parameter."""

    def __init__(self, condition: str, parameter: str, problem: str) -> None:
        super().__init__(condition, f"parameter '{parameter}': {problem}")
        self.parameter = parameter


class ContextMissing(ConditionFailed):
    """Nobody says the values of these parameters, sorted."""

    def __init__(self, condition: str, parameters: tuple[str, ...]) -> None:
        super().__init__(condition, f"{', '.join(map(repr, parameters))} {'is' if len(parameters) == 1 else 'are'} missing")
        self.parameters = parameters


class ContextTooLarge(Unanswered):
    """A context is beyond a bound, which the text names."""


def canonical(context: Context) -> str:
    """One text for equal contexts. Raises ContextTooLarge."""
    if not context:
        return "{}"
    values, ahead = 0, [(inner, 1) for inner in context.values()]
    while ahead:
        value, depth = ahead.pop()
        values += 1
        if depth > CONTEXT_DEPTH_MAX:
            raise ContextTooLarge(f"the context is nested deeper than CONTEXT_DEPTH_MAX ({CONTEXT_DEPTH_MAX})")
        if values + len(ahead) > CONTEXT_VALUES_MAX:
            raise ContextTooLarge(f"the context has more than CONTEXT_VALUES_MAX ({CONTEXT_VALUES_MAX}) values")
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        ahead += [(one, depth + 1) for one in inner]
    text = json.dumps(plain(context), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode("utf-8", "surrogatepass")) > CONTEXT_BYTES_MAX:
        raise ContextTooLarge(f"the context has more than CONTEXT_BYTES_MAX ({CONTEXT_BYTES_MAX}) bytes as JSON")
    return text


def plain(value: object) -> object:
    """A value of JSON as a Struct has it: every number a double."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return as_double(value) if isinstance(value, int) and not isinstance(value, bool) else value


def as_double(value: float) -> float:
    """A number of JSON as a double."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
