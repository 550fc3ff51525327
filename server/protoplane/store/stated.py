"""Statements that read what is said of one relation of one object, by tuples or by its own row: to be shown, and not to be walked."""

# ruff: noqa: S608 - of names of tables and columns alone.

from __future__ import annotations

from collections.abc import Sequence

from protoplane.store.closure import Closures
from protoplane.store.ddl import Row
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from protoplane.store.sources import Kind, Source
from protoplane.store.statements import Statement
from protoplane.store.tuples import CONDITION, CONTEXT

KIND = Kind("@object_type@", "@relation@", "@subject_type@", "@subject_relation@")


class Stated:
    """The statements of one engine, made once for each source."""

    def __init__(self, engine: Engine, closures: Closures) -> None:
        self._closures = closures
        self._under = "".join(f", c.{engine.dialect.definitions.name(name)}" for name in (CONDITION, CONTEXT))
        self._statements: dict[tuple[int, bool], Statement] = {}

    def read(self, session: Session, key: tuple[str, str], object_id: str, subject: tuple[str, str, str], limit: int) -> Sequence[Row]:
        """The ids of an object's subjects of a kind, or the one with an id if that is not empty, at most `limit`, sorted.

        Ids of subjects under conditions come with the condition and its context. A subject is type, relation and id.
        """
        kind, relation, subject_id = subject
        values = {"object_type": key[0], "relation": key[1], "object": object_id, "subject_type": kind, "subject_relation": relation}
        values |= {"subject": subject_id} if subject_id else {}
        plain, conditional = (self._closures.sources.of(*key, conditional=one, contextual=False)[0] for one in (False, True))
        found: list[Row] = []
        for source in dict.fromkeys((plain, conditional)):
            statement = self._statement(source, exact=bool(subject_id), under=source is self._closures.sources.conditional)
            found += session.rows(statement.sql, statement.bound({**values, "limit": limit}))
        return sorted(found, key=lambda row: str(row[0]))[:limit]

    def _statement(self, source: Source, *, exact: bool, under: bool) -> Statement:
        statement = self._statements.get((source.number, exact))
        if statement is None:
            joined = source.by_both(KIND, "asked.id", "@subject@") if exact else source.by_object(KIND, "asked.id")
            told = f"{source.subject_id}{self._under if under else ''}"
            found = f"(SELECT @object@ AS id) AS asked {self._closures.join} {joined}"
            statement = self._closures.statement(f"SELECT {told} FROM {found} ORDER BY {source.subject_id} LIMIT @limit@")
            self._statements[source.number, exact] = statement
        return statement
