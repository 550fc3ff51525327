"""The file format of `fga model test` (`.fga.yaml`): a model, tuples, and what should follow from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import yaml

from protoplane.access.conditions import Conditions
from protoplane.access.context import canonical
from protoplane.access.given import Unanswered
from protoplane.access.model import Model
from protoplane.access.problem import InvalidModel
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, RelationTuple, Subject, admits, object_of, subject_of
from protoplane.cli.access_yaml import BrokenFile, Item, read_lines, read_rows, read_text, read_yaml
from protoplane.store.closure import Asker

STORE = ("name", "model", "model_file", "tuples", "tuple_file", "tuple_files", "tests")
TEST = ("name", "description", "tuples", "tuple_file", "tuple_files", "check", "list_objects", "list_users")
TUPLE = ("user", "relation", "object", "condition")
CSV = ("user_type", "user_id", "user_relation", "relation", "object_type", "object_id", "condition_name", "condition_context")

Context: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CheckCase:
    """Whether a subject has a relation on an object."""

    subject: Subject
    relation: str
    object: Object
    context: Context
    expected: bool

    def __str__(self) -> str:
        return f"Check(user={self.subject},relation={self.relation},object={self.object}{_told(self.context)})"


@dataclass(frozen=True, slots=True)
class ObjectsCase:
    """On which objects of a type it has it."""

    subject: Subject
    relation: str
    type: str
    context: Context
    expected: frozenset[str]

    def __str__(self) -> str:
        return f"ListObjects(user={self.subject},relation={self.relation},type={self.type}{_told(self.context)})"


@dataclass(frozen=True, slots=True)
class UsersCase:
    """Which subjects of some kinds have it on an object."""

    object: Object
    relation: str
    kinds: tuple[Asker, ...]
    context: Context
    expected: frozenset[str]

    def __str__(self) -> str:
        kinds = " ".join(f"{kind.type}#{kind.relation}" if kind.relation else kind.type for kind in self.kinds)
        return f"ListUsers(object={self.object},relation={self.relation},user_filter=[{kinds}]{_told(self.context)})"


Case: TypeAlias = CheckCase | ObjectsCase | UsersCase


@dataclass(frozen=True, slots=True)
class Test:
    """Tuples beside those of the store, and questions."""

    name: str
    tuples: tuple[RelationTuple, ...] = ()
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """A file of tests."""

    path: Path
    model: Model
    conditions: Conditions
    tuples: tuple[RelationTuple, ...] = ()
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rules:
    """What tuples must keep to."""

    model: Model
    conditions: Conditions


def read_store(path: Path) -> Store:
    """A `.fga.yaml` file with all that it names. Raises BrokenFile."""
    whole = read_yaml(path, read_text(path))
    fields = whole.fields(STORE)
    model = _model(path, whole, fields)
    rules = _Rules(model, Conditions(model))
    return Store(path, model, rules.conditions, tuple(_tuples(path, fields, rules)), tuple(_tests(path, fields, rules)))


def _model(path: Path, whole: Item, fields: Mapping[str, Item]) -> Model:
    given = [fields[name] for name in ("model", "model_file") if name in fields]
    if len(given) != 1:
        raise (given[-1] if given else whole).wrong("either 'model' or 'model_file' is needed")
    text, place, named = given[0].text(), path, fields.get("model_file")
    if named is not None:
        place = path.parent / text
        if place.name == "fga.mod" or place.suffix == ".json":
            raise named.wrong(f"{text}: only the text of one model is read (.fga); modular models (fga.mod) and models in JSON are not")
        text = read_text(place, named)
    try:
        return parse(text)
    except InvalidModel as invalid:
        first, more = invalid.problems[0], len(invalid.problems) - 1
        problem = f"{first.text} [{first.reason}]{f' (and {more} more)' if more else ''}"
        if named is not None:
            raise BrokenFile(place, first.line, first.column, problem) from None
        block = isinstance(given[0].node, yaml.ScalarNode) and given[0].node.style in {"|", ">"}
        line = given[0].node.start_mark.line + first.line + block
        within, written = text.split("\n")[first.line - 1], read_text(path).split("\n")[line - 1]
        raise BrokenFile(path, line, max(written.find(within), 0) + first.column, f"in the model: {problem}") from None


def _tuples(path: Path, fields: Mapping[str, Item], rules: _Rules) -> Iterator[RelationTuple]:
    files = [fields["tuple_file"]] if "tuple_file" in fields else []
    files += fields["tuple_files"].items() if "tuple_files" in fields else []
    for item in fields["tuples"].items() if "tuples" in fields else ():
        yield _tuple(item, rules)
    for named in files:
        place = path.parent / named.text()
        text = read_text(place, named)
        if place.suffix == ".csv":
            yield from (_row(place, line, row, rules) for line, row in read_rows(place, text, CSV))
        else:
            items = read_lines(place, text) if place.suffix == ".jsonl" else read_yaml(place, text).items()
            yield from (_tuple(item, rules) for item in items)


def _tuple(item: Item, rules: _Rules) -> RelationTuple:
    fields = item.fields(TUPLE)
    object_, subject = _object(_needed(item, fields, "object")), _subject(_needed(item, fields, "user"))
    name, context = "", {}
    if "condition" in fields:
        condition = fields["condition"].fields(("name", "context"))
        name = _needed(fields["condition"], condition, "name").text()
        context = dict(condition["context"].context()) if "context" in condition else {}
    held = RelationTuple(object_, _needed(item, fields, "relation").text(), subject, name)
    return _admitted(held, context, rules, item.wrong)


def _row(path: Path, line: int, row: Mapping[str, str], rules: _Rules) -> RelationTuple:
    def wrong(text: str) -> BrokenFile:
        return BrokenFile(path, line, 1, text)

    missing = [name for name in ("user_type", "user_id", "relation", "object_type", "object_id") if not row.get(name)]
    if missing:
        raise wrong(f"'{missing[0]}' is missing")
    try:
        context = json.loads(row.get("condition_context") or "{}")
    except (ValueError, RecursionError):
        context = None
    if not isinstance(context, dict):
        raise wrong("'condition_context' must be an object of JSON")
    subject = Subject(row["user_type"], row["user_id"], row.get("user_relation", ""))
    held = RelationTuple(Object(row["object_type"], row["object_id"]), row["relation"], subject, row.get("condition_name", ""))
    return _admitted(held, context, rules, wrong)


def _admitted(held: RelationTuple, context: Context, rules: _Rules, wrong: Callable[[str], BrokenFile]) -> RelationTuple:
    relation = rules.model.relation(held.object.type, held.relation)
    if relation is None:
        raise wrong(f"there is no relation '{held.relation}' of type '{held.object.type}'")
    if not admits(rules.model, held):
        raise wrong(f"the model does not allow {held}: '{relation.name}' is {', '.join(map(str, relation.restrictions)) or 'computed'}")
    if not held.condition:
        return held
    try:
        rules.conditions.admit(held.condition, context)
    except Unanswered as unanswered:
        raise wrong(str(unanswered)) from None
    return replace(held, context=canonical(context))


def _tests(path: Path, fields: Mapping[str, Item], rules: _Rules) -> Iterator[Test]:
    for number, item in enumerate(fields["tests"].items() if "tests" in fields else (), 1):
        test = item.fields(TEST)
        name = test["name"].text() if "name" in test else f"test {number}"
        cases = [*_each(test, "check", _checks), *_each(test, "list_objects", _objects), *_each(test, "list_users", _users)]
        yield Test(name, tuple(_tuples(path, test, rules)), tuple(cases))


def _each(test: Mapping[str, Item], name: str, read: Callable[[Item], Iterator[Case]]) -> Iterator[Case]:
    for item in test[name].items() if name in test else ():
        yield from read(item)


def _checks(item: Item) -> Iterator[Case]:
    fields = item.fields(("user", "users", "object", "objects", "context", "assertions"))
    context, assertions = _context(fields), _needed(item, fields, "assertions").entries()
    for subject in map(_subject, _one_or_more(item, fields, "user")):
        for object_ in map(_object, _one_or_more(item, fields, "object")):
            for relation, expected in assertions.items():
                yield CheckCase(subject, relation, object_, context, expected.truth())


def _objects(item: Item) -> Iterator[Case]:
    fields = item.fields(("user", "type", "context", "assertions"))
    subject, kind = _subject(_needed(item, fields, "user")), _needed(item, fields, "type").text()
    for relation, expected in _needed(item, fields, "assertions").entries().items():
        yield ObjectsCase(subject, relation, kind, _context(fields), frozenset(str(_object(one)) for one in expected.items()))


def _users(item: Item) -> Iterator[Case]:
    fields = item.fields(("object", "user_filter", "context", "assertions"))
    kinds = []
    for one in _needed(item, fields, "user_filter").items():
        kind = one.fields(("type", "relation"))
        kinds.append(Asker(_needed(one, kind, "type").text(), kind["relation"].text() if "relation" in kind else ""))
    object_ = _object(_needed(item, fields, "object"))
    for relation, expected in _needed(item, fields, "assertions").entries().items():
        users = expected.fields(("users",))
        named = frozenset(str(_subject(one)) for one in (users["users"].items() if "users" in users else ()))
        yield UsersCase(object_, relation, tuple(kinds), _context(fields), named)


def _one_or_more(item: Item, fields: Mapping[str, Item], name: str) -> Sequence[Item]:
    if (name in fields) == (f"{name}s" in fields):
        raise item.wrong(f"either '{name}' or '{name}s' is needed")
    return [fields[name]] if name in fields else fields[f"{name}s"].items()


def _needed(item: Item, fields: Mapping[str, Item], name: str) -> Item:
    if name not in fields:
        raise item.wrong(f"'{name}' is missing")
    return fields[name]


def _context(fields: Mapping[str, Item]) -> Context:
    return fields["context"].context() if "context" in fields else {}


def _subject(item: Item) -> Subject:
    subject = subject_of(item.text())
    if not subject.type or not subject.id:
        raise item.wrong(f"'{item.text()}' is no user: 'type:id', 'type:id#relation' or 'type:*'")
    return subject


def _object(item: Item) -> Object:
    object_ = object_of(item.text())
    if not object_.type or not object_.id:
        raise item.wrong(f"'{item.text()}' is no object: 'type:id'")
    return object_


def _told(context: Context) -> str:
    return f",context={json.dumps(context, sort_keys=True, ensure_ascii=False)}" if context else ""
