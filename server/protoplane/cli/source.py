"""The text of a .proto file as declarations with their places, so that it can be added to without touching a byte of what is there.

protoc's parser gives no places for what does not link yet (a method whose request is still to be written), hence this small reader.
It knows where declarations begin and end and no more: what they mean is `contract.load`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
    r"""|[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*|[0-9][A-Za-z0-9_.+-]*|.""",
    re.DOTALL,
)
WITH_BODY = frozenset({"message", "enum", "service", "extend", "oneof", "rpc"})
NESTED = frozenset({"message", "service"})
OPEN, CLOSE = frozenset("{[("), frozenset("}])")


class UnreadableProto(ValueError):
    """The file is not a .proto as far as its declarations can be told apart. `line` counts from 1."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Token:
    """One word, string, number or sign and where it stands in the text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Declaration:
    """One statement: `keyword` is its first word, `name` the second (`message Book`), offsets are in characters of the text."""

    keyword: str
    name: str
    start: int
    end: int
    tokens: tuple[Token, ...]
    body_end: int = 0
    """Offset of the closing brace; 0 for a statement without a body."""
    body_start: int = 0
    """Offset behind the opening brace."""
    inner: tuple[Declaration, ...] = ()

    @property
    def code(self) -> str:
        """The statement without comments, one space between its tokens."""
        return " ".join(token.text for token in self.tokens)


@dataclass(frozen=True, slots=True)
class ProtoText:
    """A .proto file's text and its top-level declarations, in order."""

    text: str
    declarations: tuple[Declaration, ...]

    def all(self, keyword: str) -> Iterator[Declaration]:
        """The declarations that begin with this keyword."""
        return (declaration for declaration in self.declarations if declaration.keyword == keyword)

    @property
    def package(self) -> str:
        """The file's package; empty for none."""
        return next((declaration.name for declaration in self.all("package")), "")

    @property
    def imports(self) -> tuple[str, ...]:
        """Paths of the imported files, in order."""
        return tuple(declaration.tokens[-2].text[1:-1] for declaration in self.all("import"))

    def message(self, name: str) -> Declaration | None:
        """The top-level message of this name."""
        return next((declaration for declaration in self.all("message") if declaration.name == name), None)


@dataclass(frozen=True, slots=True)
class Insertion:
    """Text to put at an offset; insertions at one offset keep their order."""

    offset: int
    text: str


def read_proto(text: str) -> ProtoText:
    """Tell the declarations of a .proto apart; raises UnreadableProto with a line."""
    tokens = tuple(Token(match.group(), match.start(), match.end()) for match in TOKEN.finditer(text) if not match.group("blank"))
    reader = _Reader(text, tokens)
    return ProtoText(text, tuple(reader.statements(0, len(tokens))))


def insert(text: str, insertions: Sequence[Insertion]) -> str:
    """The text with every insertion made; line ends follow the text's own."""
    if "\r\n" in text:
        insertions = [Insertion(item.offset, item.text.replace("\n", "\r\n")) for item in insertions]
    pieces: list[str] = []
    position = 0
    for item in sorted(insertions, key=lambda item: item.offset):
        pieces += (text[position : item.offset], item.text)
        position = item.offset
    return "".join((*pieces, text[position:]))


def line_end(text: str, offset: int) -> int:
    """Offset behind the end of the line in which `offset` stands: behind a comment that trails a statement."""
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


@dataclass(frozen=True, slots=True)
class _Reader:
    text: str
    tokens: tuple[Token, ...]

    def statements(self, first: int, stop: int) -> Iterator[Declaration]:
        while first < stop:
            if self.tokens[first].text == ";":
                first += 1
                continue
            declaration, first = self._statement(first, stop)
            yield declaration

    def _statement(self, first: int, stop: int) -> tuple[Declaration, int]:
        keyword = self.tokens[first].text
        bodied = keyword in WITH_BODY
        depth, opened = 0, 0
        for index in range(first, stop):
            sign = self.tokens[index].text
            if sign in OPEN:
                if bodied and sign == "{" and depth == 0:
                    opened = index
                depth += 1
            elif sign in CLOSE:
                depth -= 1
                if depth < 0:
                    break
                if bodied and opened and depth == 0 and sign == "}":
                    return self._declaration(first, index + 1, opened), index + 1
            elif sign == ";" and depth == 0:
                return self._declaration(first, index + 1, 0), index + 1
        raise UnreadableProto(f"'{keyword}' is not finished", self.text.count("\n", 0, self.tokens[first].start) + 1)

    def _declaration(self, first: int, stop: int, opened: int) -> Declaration:
        tokens = self.tokens[first:stop]
        keyword = tokens[0].text
        inner = tuple(self.statements(opened + 1, stop - 1)) if opened and keyword in NESTED else ()
        return Declaration(
            keyword=keyword,
            name=tokens[1].text if len(tokens) > 1 else "",
            start=tokens[0].start,
            end=tokens[-1].end,
            tokens=tokens,
            body_start=self.tokens[opened].end if opened else 0,
            body_end=tokens[-1].start if opened else 0,
            inner=inner,
        )
