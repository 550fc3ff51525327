"""The text of a `.fga` file as a model; what is wrong with it is told all at once, each with its place and reason.

    model     = "model" "schema" version { type | condition }
    type      = "type" name [ "relations" { "define" name ":" operand [ operators ] } ]
    operators = { "or" operand } | { "and" operand } | "but" "not" operand      never mixed without parentheses
    operand   = "[" restriction { "," restriction } "]" | "(" operand [ operators ] ")" | name [ "from" name ]
    restriction = name [ ":*" | "#" name ] [ "with" name ]
    condition = "condition" name "(" name ":" kind { "," name ":" kind } ")" "{" CEL "}"

Brackets stand first and once, as in OpenFGA's own grammar; `#` after a space begins a comment. After something wrong the reader goes on
at the next `define`, `type` or `condition` that begins a line.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from protoplane.access.judge import judge, unknown_type
from protoplane.access.model import (
    SCHEMA,
    Computed,
    Condition,
    Exclusion,
    Intersection,
    Model,
    Relation,
    Restriction,
    Rewrite,
    This,
    Through,
    Union,
)
from protoplane.access.problem import InvalidModel, Misread, Problem, Wrong

MODEL_CHARACTERS_MAX = 262_144
"""Of a text: as much as OpenFGA takes of a model."""

DEPTH_MAX = 32
"""Nesting of parentheses in one expression."""

TYPE_CHARACTERS_MAX = 63
RELATION_CHARACTERS_MAX = 50
"""Lengths of names, as the columns of the tuples have room for; the second is OpenFGA's own."""

RESERVED = frozenset({"self", "this"})
KEYWORDS = frozenset({"or", "and", "but", "not", "from", "with", "define"})

_TOKEN = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9_$./-]*+|:\*|[\[\]():,#{}<>]")
_SPACE = re.compile(r"(?:\s|(?:^|(?<=\s))#[^\n]*)*+", re.MULTILINE)
_RESUME = re.compile(r"^[ \t]*(define|type|condition)\b", re.MULTILINE)


def parse(text: str) -> Model:
    """The model of a text. Raises InvalidModel, with what is wrong with its meaning too (`access.judge`)."""
    if len(text) > MODEL_CHARACTERS_MAX:
        raise InvalidModel((Problem(1, 1, Wrong.SYNTAX, f"the model is longer than {MODEL_CHARACTERS_MAX} characters"),))
    reader = _Reader(text)
    model = reader.model()
    found = reader.wrong or list(judge(model))
    if found:
        lines = [0, *(match.end() for match in re.finditer("\n", text))]
        raise InvalidModel(tuple(_placed(misread, lines) for misread in sorted(found, key=lambda misread: misread.offset)))
    return model


def _placed(misread: Misread, lines: list[int]) -> Problem:
    line = bisect_right(lines, misread.offset)
    return Problem(line, misread.offset - lines[line - 1] + 1, misread.reason, misread.text)


class _Reader:
    """One pass over one text. `position` is where the next token starts, spaces and comments skipped."""

    __slots__ = ("brackets", "depth", "position", "restrictions", "text", "wrong")

    def __init__(self, text: str) -> None:
        self.text = text
        self.wrong: list[Misread] = []
        self.restrictions: list[Restriction] = []
        self.brackets = False
        """Whether brackets may stand here."""
        self.depth = 0
        self.position = 0
        self.skip(0)

    def model(self) -> Model:
        types: dict[str, dict[str, Relation]] = {}
        conditions: dict[str, Condition] = {}
        relations: dict[str, Relation] = {}
        parts = [self.head]
        while parts or self.position < len(self.text):
            begun = self.position
            try:
                if parts:
                    parts.pop()()
                elif self.take("type"):
                    relations = self.type(types)
                elif self.take("define"):
                    self.define(relations)
                elif self.take("condition"):
                    self.condition(conditions)
                else:
                    raise self.unexpected("'type', 'define' or 'condition'")
            except Misread as misread:
                self.wrong.append(misread)
                self.resume(begun)
        return Model(types, conditions)

    def resume(self, begun: int) -> None:
        """Go on at the next part that begins a line, after the one that had begun."""
        for match in _RESUME.finditer(self.text, self.line_start()):
            if match.start(1) > begun:
                self.skip(match.start(1))
                return
        self.position = len(self.text)

    def head(self) -> None:
        self.expect("model")
        self.expect("schema")
        start = self.position
        if (version := self.word("a version")) != SCHEMA:
            raise Misread(start, Wrong.SCHEMA_UNSUPPORTED, f"the schema is '{version}'; what is read here is {SCHEMA}")

    def type(self, types: dict[str, dict[str, Relation]]) -> dict[str, Relation]:
        start = self.position
        name = self.name("a type's name", TYPE_CHARACTERS_MAX)
        if name in types:
            self.wrong.append(Misread(start, Wrong.DEFINED_TWICE, f"there is a type '{name}' already"))
        self.take("relations")
        relations: dict[str, Relation] = {}
        types.setdefault(name, relations)
        return relations

    def define(self, relations: dict[str, Relation]) -> None:
        start = self.position
        name = self.name("a relation's name", RELATION_CHARACTERS_MAX)
        self.expect(":")
        self.restrictions, self.brackets, self.depth = [], True, 0
        rewrite = self.expression()
        if self.position < len(self.text) and not _RESUME.match(self.text, self.line_start()):
            raise self.unexpected("the end of the definition")
        if name in relations:
            raise Misread(start, Wrong.DEFINED_TWICE, f"there is a relation '{name}' of this type already")
        relations[name] = Relation(name, rewrite, tuple(self.restrictions), start)

    def expression(self) -> Rewrite:
        first = self.operand()
        for operator, kind in (("or", Union), ("and", Intersection)):
            if self.take(operator):
                operands = [first, self.operand()]
                while self.take(operator):
                    operands.append(self.operand())
                self.refuse_mixture()
                return kind(tuple(operands))
        if self.take("but"):
            self.expect("not")
            subtract = self.operand()
            self.refuse_mixture()
            return Exclusion(first, subtract)
        return first

    def refuse_mixture(self) -> None:
        if (word := self.peek()) in {"or", "and", "but"}:
            raise Misread(self.position, Wrong.SYNTAX, f"'{word}' is mixed with another operator: put one of them into parentheses")

    def operand(self) -> Rewrite:
        start, brackets = self.position, self.brackets
        if self.take("("):
            self.depth += 1
            if self.depth > DEPTH_MAX:
                raise Misread(start, Wrong.SYNTAX, f"parentheses are nested deeper than {DEPTH_MAX}")
            inner = self.expression()
            self.expect(")")
            self.depth -= 1
            return inner
        self.brackets = False
        if self.take("["):
            if not brackets:
                raise Misread(start, Wrong.SYNTAX, "brackets stand first in a definition, and once")
            self.restrictions.append(self.restriction())
            while self.take(","):
                self.restrictions.append(self.restriction())
            self.expect("]")
            return This(start)
        relation = self.word("a relation, '[' or '('")
        return Through(relation, self.word("a relation"), start) if self.take("from") else Computed(relation, start)

    def restriction(self) -> Restriction:
        start = self.position
        kind = self.word("a type")
        wildcard = self.take(":*")
        relation = self.word("a relation") if not wildcard and self.take("#") else ""
        return Restriction(kind, relation, wildcard, self.word("a condition") if self.take("with") else "", start)

    def condition(self, conditions: dict[str, Condition]) -> None:
        start = self.position
        name = self.name("a condition's name", RELATION_CHARACTERS_MAX)
        self.expect("(")
        parameters: dict[str, str] = {}
        self.parameter(parameters)
        while self.take(","):
            self.parameter(parameters)
        self.expect(")")
        expression, place = self.braces()
        if name in conditions:
            raise Misread(start, Wrong.DEFINED_TWICE, f"there is a condition '{name}' already")
        conditions[name] = Condition(name, tuple(parameters.items()), expression, start, place)

    def parameter(self, parameters: dict[str, str]) -> None:
        start = self.position
        name = self.word("a parameter's name")
        if not name.isidentifier():
            raise Misread(start, Wrong.SYNTAX, f"'{name}' is no name that an expression can have: letters, digits and '_'")
        if name in parameters:
            raise Misread(start, Wrong.DEFINED_TWICE, f"there is a parameter '{name}' of this condition already")
        self.expect(":")
        start = self.position
        kind = self.word("a parameter's type")
        if self.take("<"):
            kind = f"{kind}<{self.word('a type')}>"
            self.expect(">")
        if (problem := unknown_type(kind)) is not None:
            raise Misread(start, Wrong.PARAMETER_TYPE_UNKNOWN, problem)
        parameters[name] = kind

    def braces(self) -> tuple[str, int]:
        """The expression between braces, and where it begins."""
        start = self.position
        if self.peek() != "{":
            raise self.unexpected("'{'")
        depth = 0
        for match in re.finditer(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}]""", self.text[start:]):
            depth += {"{": 1, "}": -1}.get(match.group(), 0)
            if not depth:
                self.skip(start + match.end())
                inner = self.text[start + 1 : start + match.start()]
                return inner.strip(), start + 1 + len(inner) - len(inner.lstrip())
        raise Misread(start, Wrong.SYNTAX, "this '{' is never closed")

    def name(self, wanted: str, characters_max: int) -> str:
        start = self.position
        name = self.word(wanted)
        if name in RESERVED:
            raise Misread(start, Wrong.NAME_RESERVED, f"'{name}' is a word of the language")
        if len(name) > characters_max:
            raise Misread(start, Wrong.NAME_TOO_LONG, f"{wanted} has at most {characters_max} characters")
        return name

    def word(self, wanted: str) -> str:
        word = self.peek()
        if not word or not (word[0].isalnum() or word[0] in "_$") or word in KEYWORDS:
            raise self.unexpected(wanted)
        self.skip(self.position + len(word))
        return word

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise self.unexpected(f"'{token}'")

    def unexpected(self, wanted: str) -> Misread:
        found = "the text ends" if self.position == len(self.text) else f"not '{self.peek() or self.text[self.position]}'"
        return Misread(self.position, Wrong.SYNTAX, f"{wanted} is expected here, {'but ' if found.startswith('the') else ''}{found}")

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        return match.group() if match else ""

    def take(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self.skip(self.position + len(token))
        return True

    def line_start(self) -> int:
        return self.text.rfind("\n", 0, self.position) + 1

    def skip(self, position: int) -> None:
        match = _SPACE.match(self.text, position)
        self.position = match.end() if match else position
