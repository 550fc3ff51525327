"""What is wrong with a model, with its place and its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Wrong(StrEnum):
    """Why a model cannot be used."""

    SYNTAX = "SYNTAX"
    SCHEMA_UNSUPPORTED = "SCHEMA_UNSUPPORTED"
    NAME_RESERVED = "NAME_RESERVED"
    NAME_TOO_LONG = "NAME_TOO_LONG"
    DEFINED_TWICE = "DEFINED_TWICE"
    TYPE_UNDEFINED = "TYPE_UNDEFINED"
    RELATION_UNDEFINED = "RELATION_UNDEFINED"
    CONDITION_UNDEFINED = "CONDITION_UNDEFINED"
    CONDITION_UNUSED = "CONDITION_UNUSED"
    CONDITION_INVALID = "CONDITION_INVALID"
    PARAMETER_TYPE_UNKNOWN = "PARAMETER_TYPE_UNKNOWN"
    TUPLESET_NOT_DIRECT = "TUPLESET_NOT_DIRECT"
    CYCLE = "CYCLE"
    NO_ENTRYPOINT = "NO_ENTRYPOINT"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a model from being used. Lines and columns count from 1."""

    line: int
    column: int
    reason: Wrong
    text: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.text} [{self.reason}]"


class InvalidModel(Exception):
    """The problems of a model, in the order of the text."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Misread(Exception):
    """Something wrong at a place of the text, counted in characters from 0."""

    def __init__(self, offset: int, reason: Wrong, text: str) -> None:
        super().__init__(text)
        self.offset, self.reason, self.text = offset, reason, text
