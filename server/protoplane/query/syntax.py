r"""The text of a filter as a tree (AIP-160), with the place of everything in it; nothing here knows fields or types.

    expression  = sequence { "AND" sequence }
    sequence    = factor { factor }                 juxtaposition means AND; between them is a space or a parenthesis
    factor      = term { "OR" term }                OR binds tighter than AND
    term        = [ "NOT" | "-" ] ( restriction | "(" expression ")" )
    restriction = ( member | function ) [ comparator ( value | function | "(" values ")" ) ]
    member      = name { "." name }
    values      = the same AND, OR, NOT over bare values: `labels:(a OR b)`
    function    = name { "." name } "(" [ argument { "," argument } ] ")"
    argument    = value | member | function

The scanner reads each character a bounded number of times, and depth and terms are counted on the way down, so a
hostile text costs no more than its length. Quoted strings take `\"`, `\'`, `\\`, `\*`, `\n`, `\r` and `\t`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeAlias

from protoplane.base import limits
from protoplane.query.caret import Misread

KEYWORDS = frozenset({"AND", "OR", "NOT"})

_SPACE = re.compile(r"\s*+")
_WORD = re.compile(r"""[^\s.,:()<>=!"'\\]++""")
_COMPARATOR = re.compile(r"<=|<|>=|>|!=|=|:")
_STRING = re.compile(r"""(["'])((?:(?!\1)[^\\]|\\.)*+)\1""", re.DOTALL)
# A bare value may hold dots (`v1.2`); one that starts like a number may hold colons too (`2024-05-01T12:00:00+02:00`).
_VALUE = re.compile(r"""-?[0-9.][^\s(),"'<>=!\\]*+|[^\s(),"'<>=!:\\]++""")
_ESCAPE = re.compile(r"\\(.)|(\*)", re.DOTALL)
_ESCAPED = {"\\": "\\", '"': '"', "'": "'", "*": "*", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written. `pieces` are the texts between its wildcards: one piece means that there are none."""

    offset: int
    text: str
    pieces: tuple[str, ...]
    quoted: bool
    from_now_micros: int | None = None
    """Of what a function like `now()` stands for: how far from the time of the call it is. A text says it never."""
    said: str = ""
    """What a function like `timestamp()` says that it is; a text says it never."""

    @property
    def is_star(self) -> bool:
        """Whether it is `*` alone: presence, after `:`."""
        return self.pieces == ("", "")


@dataclass(frozen=True, slots=True)
class Member:
    """A dotted path; `offsets` says where each part of it starts."""

    path: tuple[str, ...]
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Restriction:
    """`member comparator argument`, or with a function on the left; `offset` is the comparator's place."""

    member: Member | Call
    comparator: str
    offset: int
    argument: Tree


@dataclass(frozen=True, slots=True)
class Bare:
    """A word or phrase that is compared with nothing: a search."""

    member: Member
    literal: Literal


@dataclass(frozen=True, slots=True)
class Call:
    """`name(…)`. An argument without quotes may be a value or a field: which, the function says."""

    member: Member
    arguments: tuple[Literal | Member | Call, ...]

    @property
    def name(self) -> str:
        """The function's name, with its dots."""
        return ".".join(self.member.path)


@dataclass(frozen=True, slots=True)
class Not:
    """NOT or `-`."""

    tree: Tree


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more."""

    trees: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more."""

    trees: tuple[Tree, ...]


Tree: TypeAlias = Restriction | Bare | Call | Not | And | Or | Literal


def parse(text: str) -> Tree | None:
    """The tree of a filter, None for an empty one. Raises Misread; never recurses deeper than FILTER_DEPTH_MAX allows."""
    # A text that is short in characters cannot be long in bytes: most filters are never encoded for this.
    if len(text) * 4 > limits.FILTER_BYTES_MAX and len(text.encode(errors="replace")) > limits.FILTER_BYTES_MAX:
        raise Misread(0, f"the filter is longer than {limits.FILTER_BYTES_MAX} bytes")
    if "\0" in text:
        raise Misread(text.index("\0"), "the character U+0000 cannot be used")
    return _Parser(text).filter()


class _Parser:
    """One pass over one text. `position` is where the next token starts, spaces skipped."""

    __slots__ = ("depth", "in_values", "position", "terms", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.terms = 0
        self.in_values = False
        self.position = 0
        self.skip(0)

    def filter(self) -> Tree | None:
        if self.position == len(self.text):
            return None
        tree = self.expression()
        if self.position < len(self.text):  # Only `)` ends an expression before the end of the text.
            raise Misread(self.position, "this ')' closes nothing")
        return tree

    def expression(self) -> Tree:
        trees = self.sequence()
        while self.take_keyword("AND"):
            trees += self.sequence()
        return trees[0] if len(trees) == 1 else And(tuple(trees))

    def sequence(self) -> list[Tree]:
        trees = [self.factor()]
        while self.position < len(self.text) and self.text[self.position] != ")" and self.word() != "AND":
            self.check_apart()
            trees.append(self.factor())
        return trees

    def check_apart(self) -> None:
        """`a = 'it''s'` is a slip: it is not meant to be `a = 'it'` and a search for `s`."""
        before, here = self.text[self.position - 1], self.text[self.position]
        if not (before.isspace() or before == ")" or here == "(") and (before in "\"'" or here in "\"'"):
            raise Misread(self.position, "a space, AND or OR is expected here")

    def factor(self) -> Tree:
        tree = self.term()
        if not self.take_keyword("OR"):
            return tree
        trees = [tree, self.term()]
        while self.take_keyword("OR"):
            trees.append(self.term())
        return Or(tuple(trees))

    def term(self) -> Tree:
        start = self.position
        negative_number = self.in_values and self.text[start + 1 : start + 2].isdigit()
        if self.take_keyword("NOT") or (self.peek() == "-" and not negative_number and self.take("-")):
            self.enter(start)
            tree = self.simple()
            self.depth -= 1
            return Not(tree)
        return self.simple()

    def simple(self) -> Tree:
        if self.peek() == "(":
            return self.nested()
        return self.value() if self.in_values else self.restriction()

    def nested(self) -> Tree:
        start = self.position
        self.enter(start)
        self.take("(")
        tree = self.expression()
        if not self.take(")"):
            raise Misread(start, "this '(' is never closed")
        self.depth -= 1
        return tree

    def restriction(self) -> Tree:
        self.count()
        begin = self.position
        member: Member | Call = self.member()
        assert isinstance(member, Member)
        if self.peek() == "(" and self.position == member.offsets[-1] + len(member.path[-1]):
            member = Call(member, self.arguments())
        start = self.position
        match = _COMPARATOR.match(self.text, start)
        if match is None:
            if start < len(self.text) and self.text[start] not in "()-\"'" and _WORD.match(self.text, start) is None:
                raise Misread(start, "a comparator is expected here: = != < <= > >= or :")
            return Bare(member, self.searched(begin, start)) if isinstance(member, Member) else member
        self.skip(match.end())
        if self.peek() != "(":
            return Restriction(member, match.group(), start, self.value())
        self.in_values = True
        argument = self.nested()
        self.in_values = False
        return Restriction(member, match.group(), start, argument)

    def searched(self, begin: int, end: int) -> Literal:
        """What was read as a member, from `begin` to before `end`, as the word or phrase that it is."""
        word = self.text[begin:end].rstrip()
        match = _STRING.fullmatch(word)
        if match is not None:
            return replace(self.unescape(match), offset=begin)
        return Literal(begin, word, tuple(word.split("*")), quoted=False)

    def member(self) -> Member:
        path: list[str] = []
        offsets: list[int] = []
        while True:
            start = self.position
            if (match := _STRING.match(self.text, start)) is not None:
                part = self.unescape(match).text
            elif (match := _WORD.match(self.text, start)) is not None:
                part = match.group()
                if not path and part in KEYWORDS:
                    raise Misread(start, f"a field name is expected here, not {part}")
                if not path and part.startswith("-"):  # Only behind another NOT or `-`.
                    raise Misread(start, "a field name is expected here, not -; what is negated twice goes in parentheses")
            else:
                raise Misread(start, self.unexpected("a field name", "'(', NOT or -"))
            if len(path) == limits.FILTER_NAMES_MAX:
                raise Misread(start, f"a path has at most {limits.FILTER_NAMES_MAX} names")
            path.append(part)
            offsets.append(start)
            self.position = match.end()
            if self.peek() != ".":
                self.skip(self.position)
                return Member(tuple(path), tuple(offsets))
            self.position += 1

    def value(self) -> Literal | Call:
        if self.in_values:
            self.count()
        start = self.position
        if (match := _STRING.match(self.text, start)) is not None:
            literal = self.unescape(match)
        elif (match := _VALUE.match(self.text, start)) is not None:
            text = match.group()
            if text in KEYWORDS:
                raise Misread(start, f"a value is expected here; put {text} in quotes to mean the word")
            literal = Literal(start, text, tuple(text.split("*")), quoted=False)
        else:
            raise Misread(start, self.unexpected("a value", "a string in quotes"))
        if self.text[match.end() : match.end() + 1] == "(" and not literal.quoted:
            names = literal.text.split(".")
            offsets = tuple(start + sum(map(len, names[:index])) + index for index in range(len(names)))
            self.position = match.end()
            return Call(Member(tuple(names), offsets), self.arguments())
        if len(literal.pieces) > limits.FILTER_WILDCARDS_MAX + 1:
            raise Misread(start, f"a value has at most {limits.FILTER_WILDCARDS_MAX} wildcards")
        self.skip(match.end())
        return literal

    def arguments(self) -> tuple[Literal | Member | Call, ...]:
        self.enter(self.position)
        self.take("(")
        arguments: list[Literal | Member | Call] = []
        while not self.take(")"):
            if arguments and not self.take(","):
                raise Misread(self.position, "',' or ')' is expected here")
            arguments.append(self.argument())
            self.count()
        self.depth -= 1
        return tuple(arguments)

    def argument(self) -> Literal | Member | Call:
        start = self.position
        value = self.value()
        if self.peek() in (",", ")", "") or not isinstance(value, Literal) or value.quoted:
            return value
        self.position = start  # Part of it is in quotes: `labels."a b"`.
        return self.member()

    def unescape(self, match: re.Match[str]) -> Literal:
        body = match.group(2)
        if "\\" not in body:
            return Literal(match.start(), body, tuple(body.split("*")), quoted=True)
        pieces, piece, last = [], "", 0
        for part in _ESCAPE.finditer(body):
            piece += body[last : part.start()]
            last = part.end()
            if part.group(2):
                pieces.append(piece)
                piece = ""
            elif (plain := _ESCAPED.get(part.group(1))) is not None:
                piece += plain
            else:
                place = match.start(2) + part.start()
                raise Misread(place, r"there is no such escape; write \\ for a backslash, or one of \" \' \* \n \r \t")
        pieces.append(piece + body[last:])
        return Literal(match.start(), "*".join(pieces), tuple(pieces), quoted=True)

    def unexpected(self, wanted: str, others: str) -> str:
        if self.position == len(self.text):
            return f"{wanted} is expected here, but the filter ends"
        if self.text[self.position] in "\"'":
            return "this string is never closed"
        if self.text[self.position] == "\\":
            return "a backslash stands in quoted strings only"
        if self.text[self.position] in ":<>=!" and self.position and self.text[self.position - 1] not in " (:<>=!\t\r\n":
            return f"{wanted} is expected here; a value that holds {self.text[self.position]} goes in quotes"
        return f"{wanted} is expected here, or {others}"

    def enter(self, offset: int) -> None:
        self.depth += 1
        if self.depth > limits.FILTER_DEPTH_MAX:
            raise Misread(offset, f"parentheses and NOT are nested deeper than {limits.FILTER_DEPTH_MAX}")

    def count(self) -> None:
        self.terms += 1
        if self.terms > limits.FILTER_TERMS_MAX:
            raise Misread(self.position, f"the filter has more than {limits.FILTER_TERMS_MAX} comparisons")

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def word(self) -> str:
        match = _WORD.match(self.text, self.position)
        return match.group() if match else ""

    def take(self, mark: str) -> bool:
        if self.peek() != mark:
            return False
        self.skip(self.position + 1)
        return True

    def take_keyword(self, keyword: str) -> bool:
        end = self.position + len(keyword)
        # A prefix test first: it is far cheaper than the word, and mostly false.
        if not self.text.startswith(keyword, self.position) or self.word() != keyword:
            return False
        self.skip(end)
        return True

    def skip(self, position: int) -> None:
        match = _SPACE.match(self.text, position)
        self.position = match.end() if match else position
