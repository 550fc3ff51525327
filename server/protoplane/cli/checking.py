"""What `protoplane doctor` is made of: one check, how it came out, and the project that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from protoplane.base.settings import Settings
    from protoplane.project import Project


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `todo` says what to do unless it is OK."""

    name: str
    state: State
    text: str
    todo: str = ""


class Patient:
    """The project that is looked at; its contract and code are read once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def project(self) -> Project:
        """Contract and code, with what is wrong about them."""
        from protoplane.project import read_project

        return read_project(self.settings)


Look: TypeAlias = Callable[[Patient], Iterator[Check]]
