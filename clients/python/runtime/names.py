"""Resource names as values: made of ids and taken apart again, so that nobody joins text (AIP-122, AIP-4231)."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self

ANY = "-"
"""In place of an id: any one (AIP-159). As in the name of a parent, whose children of all parents are then listed."""

# The unreserved characters of RFC 3986; `.` and `..` are steps of a path.
_ID = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._~-]+")


class InvalidName(ValueError):
    """A text is no name of this kind of resource, or an id none that a name can hold."""


class ResourceName:
    """The name of a resource by its ids, which are the fields of the subclass, in the order of its pattern."""

    __slots__ = ()

    PATTERN: ClassVar[str]
    """`publishers/{publisher}/books/{book}`"""

    def __post_init__(self) -> None:
        for variable, value in zip(fields(self), self._ids(), strict=True):  # type: ignore[arg-type] # Subclasses are dataclasses.
            if not _ID.fullmatch(value):
                raise InvalidName(f"{value!r} cannot be the id {variable.name!r} of a {type(self).__name__}")

    @classmethod
    def parse(cls, name: str) -> Self:
        """The ids of a name; `-` may stand for any. Raises InvalidName for what does not fit the pattern."""
        wanted, given = cls.PATTERN.split("/"), name.split("/")
        pairs = tuple(zip(wanted, given, strict=False))
        if len(wanted) != len(given) or any(piece != text for piece, text in pairs if not piece.startswith("{")):
            raise InvalidName(f"{name!r} is not of the form {cls.PATTERN!r}")
        ids = (text for piece, text in pairs if piece.startswith("{"))
        variables = fields(cls)  # type: ignore[arg-type] # Subclasses are dataclasses.
        return cls(**{variable.name: value for variable, value in zip(variables, ids, strict=True)})

    def format(self) -> str:
        """The name: `publishers/penguin/books/emma`."""
        ids = iter(self._ids())
        return "/".join(next(ids) if piece.startswith("{") else piece for piece in self.PATTERN.split("/"))

    @property
    def parent(self) -> str:
        """The name of the parent: `publishers/penguin`; "" at the top."""
        pieces = 2 if self.PATTERN.endswith("}") else 1  # Of a singleton the last word has no id.
        return "/".join(self.format().split("/")[:-pieces])

    @property
    def wildcard(self) -> bool:
        """Whether it stands for more than one resource."""
        return ANY in self._ids()

    def __str__(self) -> str:
        return self.format()

    def _ids(self) -> tuple[str, ...]:
        return tuple(getattr(self, variable.name) for variable in fields(self))  # type: ignore[arg-type] # Subclasses are dataclasses.
