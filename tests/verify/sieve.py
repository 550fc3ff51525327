"""The filters of the attic: `field = "text"` and `number > 5` with AND, OR and NOT, read as AIP-160 reads them, or the other way round."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Keep = Callable[[Any], bool]
TOKEN = re.compile(r'\s*(AND\b|OR\b|NOT\b|-(?=[a-z(])|[()]|(?P<field>[a-z_]+) *(?P<sign>!=|<=|>=|[=<>]) *(?P<value>"[^"*]*"|-?\d+))')


class UnknownFilterError(Exception):
    """It is not one that is served."""


def sieve(text: str, fields: Any, *, loose: bool) -> Keep:
    """What a filter keeps. `loose`: OR binds looser than AND, as in other languages."""
    tokens: list[re.Match[str]] = []
    at = 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if found is None:
            raise UnknownFilterError
        tokens.append(found)
        at = found.end()
    return _Reader(tokens, fields, loose=loose).all()


class _Reader:
    def __init__(self, tokens: list[re.Match[str]], fields: Any, *, loose: bool) -> None:
        self._tokens, self._fields, self._loose = tokens, fields, loose

    def all(self) -> Keep:
        found = self._expression()
        if self._tokens:
            raise UnknownFilterError
        return found

    def _expression(self) -> Keep:
        return self._ors(self._ands_of_terms) if self._loose else self._ands(lambda: self._ors(self._term))

    def _ands_of_terms(self) -> Keep:
        return self._ands(self._term)

    def _ands(self, inner: Callable[[], Keep]) -> Keep:
        parts = [inner()]
        while self._tokens and self._word() not in {")", "OR"}:
            self._take("AND")
            parts.append(inner())
        return lambda row: all(part(row) for part in parts)

    def _ors(self, inner: Callable[[], Keep]) -> Keep:
        parts = [inner()]
        while self._take("OR"):
            parts.append(inner())
        return lambda row: any(part(row) for part in parts)

    def _term(self) -> Keep:
        if self._take("NOT") or self._take("-"):
            inner = self._term()
            return lambda row: not inner(row)
        if self._take("("):
            inside = self._expression()
            if not self._take(")"):
                raise UnknownFilterError
            return inside
        if not self._tokens or self._tokens[0]["field"] is None:
            raise UnknownFilterError
        return self._comparison(self._tokens.pop(0))

    def _comparison(self, token: re.Match[str]) -> Keep:
        name, sign, text = token["field"], token["sign"], token["value"]
        field = self._fields.get(name)
        value = text.strip('"') if text.startswith('"') else int(text)
        if (
            field is None
            or field.is_repeated
            or field.message_type is not None
            or isinstance(value, str) is not (field.type == field.TYPE_STRING)
        ):
            raise UnknownFilterError
        compare: dict[str, Callable[[Any], bool]] = {
            "=": lambda found: found == value,
            "!=": lambda found: found != value,
            "<": lambda found: found < value,
            "<=": lambda found: found <= value,
            ">": lambda found: found > value,
            ">=": lambda found: found >= value,
        }
        return lambda row: compare[sign](getattr(row, name))

    def _word(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _take(self, word: str) -> bool:
        if self._word() != word:
            return False
        self._tokens.pop(0)
        return True
