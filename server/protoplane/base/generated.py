"""Python that is written and compiled at start, where a loop over fields would cost more than the work itself.

The text is made from positions and the contract's own identifiers only, never from what a call or a row holds.
"""

from __future__ import annotations

import keyword
from typing import Any


class Source:
    """Python source being written, with the objects it names."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.lines: list[str] = []
        self.names: dict[str, object] = {}

    def add(self, depth: int, line: str) -> None:
        """One line, so deep."""
        self.lines.append("    " * depth + line)

    def bind(self, value: object) -> str:
        """A name for an object that the source uses."""
        name = f"_{len(self.names)}"
        self.names[name] = value
        return name

    def compile(self, function: str) -> Any:
        """The function of that name."""
        scope = dict(self.names)
        exec(compile("\n".join(self.lines), f"<{self.title}>", "exec"), scope)  # noqa: S102 - see the module.
        return scope[function]


def attribute(owner: str, name: str) -> str:
    """Reading an attribute; a name that is a Python keyword cannot stand behind a dot."""
    return f"getattr({owner}, {name!r})" if keyword.iskeyword(name) else f"{owner}.{name}"
