"""Values that must not be shown, and the files they are kept in."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar, final

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Permission bits of everyone but the owner."""


@final
class Secret(Generic[T]):
    """A value without a `repr`: only `reveal` gives it, so that every use can be found."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        # Pickling would write it somewhere nobody looks for secrets.
        raise TypeError("a Secret cannot be pickled or copied")


def keep_private(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; the first call makes it and keeps it, readable by its owner only.

    Two processes that start together agree on one content: the file appears whole, and only once. Raises OSError.
    """
    try:
        return read_private(path)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # Another process was first; its content is the one.
            os.link(fresh, path)
    finally:
        fresh.unlink()
    return read_private(path)


def read_private(path: Path) -> bytes:
    """What the file holds. PermissionError when anyone but its owner may read or write it; other OSErrors as they come."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & OTHERS:
            raise PermissionError(f"{path} can be read or written by others than its owner; run: chmod 600 {path}")
        return file.read()
