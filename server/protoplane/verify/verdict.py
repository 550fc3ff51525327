"""What a check can end with, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from protoplane.verify.exchange import Exchange


class Verdict(Enum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - no password.
    FAIL = "fail"
    SHOULD = "should"
    """Wrong in what an AIP asks for with "should"."""
    NOT_APPLICABLE = "n/a"


@dataclass(eq=False)  # Not frozen: context managers set the traceback of what passes through them.
class Wrong(Exception):
    """The server does not behave: what was expected, and the exchanges that show it."""

    text: str
    exchanges: tuple[Exchange, ...] = ()

    def __str__(self) -> str:
        return self.text


class NotApplicable(Exception):
    """The check cannot be made here; the text says why."""


def wrong(text: str, *exchanges: Exchange) -> NoReturn:
    """End the check: the server does not behave."""
    raise Wrong(text, exchanges)


def skip(reason: str) -> NoReturn:
    """End the check: it cannot be made here."""
    raise NotApplicable(reason)


def expect(holds: object, text: str, *exchanges: Exchange) -> None:
    """End the check unless something holds; `text` says what should."""
    if not holds:
        raise Wrong(text, exchanges)


def expect_code(exchange: Exchange, *codes: str) -> None:
    """The call must end with one of these codes."""
    if exchange.code not in codes:
        raise Wrong(f"{' or '.join(codes)} expected, {exchange.code} came", (exchange,))


@contextmanager
def about(what: str) -> Iterator[None]:
    """Say of a failure inside what it is about."""
    try:
        yield
    except Wrong as trouble:
        trouble.text = f"{what}: {trouble.text}"
        raise
