"""B10, B11: every method of the workspace, on every resource, by everybody, against an oracle of the declared rules: the answer, and the effect.

Two organisations have everything under equal ids. Whoever is called an owner is an admin of his own, and nothing else anywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from protoplane.contract.model import Access, Contract, Method, MethodKind
from tests.door.client import Door, code_of
from tests.door.service import Service
from tests.door.workspace import Office, pb
from tests.door.workspace.truth import Truth

KINDS = ("organisation", "group", "folder", "document")
CALLERS = {
    "owner": "users/amy",
    "other user": "users/olga",
    "banned user": "users/bill",
    "other organisation": "users/bert",
    "service": "services/robot",
    "user with the name of the service": "users/robot",
    "nobody": "",
}
WRITTEN = {"organisation": "display_name", "folder": "display_name", "document": "title"}
"""The field by which an update is seen; a group has none."""

_numbers = itertools.count(1)


@dataclass
class World:
    """Two organisations, whom their things belong to, and what is true of them."""

    offices: tuple[Office, Office]
    truth: Truth
    doors: dict[str, Door]
    names: dict[str, list[str]] = field(default_factory=dict)
    """Of each kind those of both."""

    @property
    def judge(self) -> Door:
        """Who sees everything: she made it."""
        return self.offices[0].door("ada")

    def give(self, *tuples: str) -> None:
        """Write tuples, and have them be true."""
        self.offices[0].give(*tuples)
        self.truth.add(*tuples)

    def made(self, kind: str, side: int) -> str:
        """A new resource that may be spoilt, below one of the two organisations; at the top, of the owner of one."""
        new, office = f"n{next(_numbers)}{self.offices[0].name}", self.offices[side]
        owner = ("users/amy", "users/bert")[side]
        if kind == "folder":
            return office.folder_in(new)
        if kind == "document":
            return office.document_in(office.folder, new)
        if kind == "organisation":
            name = str(self.judge.CreateOrganisation(organisation_id=new, organisation=pb.Organisation(display_name=new)).name)
            self.truth.add(f"{name}#admin@users/ada")
            self.give(f"{name}#admin@{owner}")
        else:
            name = str(self.judge.CreateGroup(group_id=new, group=pb.Group()).name)
            self.truth.add(f"{name}#owner@users/ada")
            self.give(f"{name}#owner@{owner}")
        return name

    def parent(self, kind: str, side: int) -> str:
        """What a resource of the kind is made below."""
        return {"folder": self.offices[side].organisation, "document": self.offices[side].folder}.get(kind, "")


@contextmanager
def worlds(workspace: Service, contract: Contract, fresh: str) -> Iterator[World]:
    with ExitStack() as stack:
        one, two = (stack.enter_context(Office.of(workspace, f"{fresh}{side}")) for side in "ab")
        doors = {who: stack.enter_context(closing(door_of(workspace, one, subject))) for who, subject in CALLERS.items()}
        truth = Truth(contract, f"{one.organisation}#admin@users/ada", f"{two.organisation}#admin@users/ada")
        world = World((one, two), truth, doors)
        groups = [office.group("staff") for office in (one, two)]
        truth.add(*(f"{group}#owner@users/ada" for group in groups))
        world.names = {
            "organisation": [one.organisation, two.organisation],
            "group": groups,
            "folder": [one.folder, two.folder],
            "document": [one.document, two.document],
        }
        world.give(
            f"{one.organisation}#admin@users/amy", f"{two.organisation}#admin@users/bert",
            f"{groups[0]}#member@users/olga", f"{groups[0]}#member@users/bill",
            f"{one.organisation}#member@{groups[0]}#member", f"{one.folder}#viewer@{groups[0]}#member",
            f"{one.document}#editor@services/robot", f"{one.document}#banned@users/bill", f"{groups[1]}#member@services/robot",
        )  # fmt: skip
        yield world


def door_of(workspace: Service, office: Office, subject: str) -> Door:
    kind, _, name = subject.partition("/")
    return office.service_door(name) if kind == "services" else workspace.door(name)


@pytest.fixture
def world(workspace: Service, fresh_id: str) -> Iterator[World]:
    """Of this test alone."""
    with worlds(workspace, workspace.app.contract, fresh_id) as world:
        yield world


def packed(message: Any) -> Any:
    found = Packed()
    found.Pack(message)
    return found


def changed(kind: str, name: str, text: str) -> Any:
    """A resource with another text; of a group, the same."""
    message = getattr(pb, kind.capitalize())(name=name)
    if kind in WRITTEN:
        setattr(message, WRITTEN[kind], text)
    return message


@dataclass(frozen=True)
class Try:
    """A request, what its rule asks about, and how one sees what came of it."""

    request: dict[str, Any]
    asked: list[str]
    done: Callable[[], bool] | None = None
    """Of a write: whether it took effect."""


def tries(world: World, method: Method, kind: str, side: int) -> Iterator[Try]:  # noqa: C901 - one case a kind of method.
    """All forms of a request about one resource of a kind, each on a victim of its own where it writes."""
    there, other = world.names[kind][side], world.names[kind][1 - side]
    text, more = f"t{next(_numbers)}", f"t{next(_numbers)}"
    get = getattr(world.judge, f"Get{kind.capitalize()}")

    def gone(name: str) -> Callable[[], bool]:
        return lambda: code_of(lambda: get(name=name)) != "OK"

    def written(name: str, text: str) -> Callable[[], bool] | None:
        return (lambda: getattr(get(name=name), WRITTEN[kind]) == text) if kind in WRITTEN else None

    def there_now(request: dict[str, Any]) -> Callable[[], bool]:
        return lambda: code_of(partial(getattr(world.judge, f"Create{kind.capitalize()}"), **request, validate_only=True)) != "OK"

    match method.kind:
        case MethodKind.GET:
            yield Try({"name": there}, [there])
        case MethodKind.BATCH_GET:
            yield Try({"names": [there]}, [there])
            yield Try({"names": [other, there, other]}, [other, there])
        case MethodKind.UPDATE:
            yield Try({kind: changed(kind, there, text)}, [there], written(there, text))
        case MethodKind.BATCH_UPDATE:
            yield Try({"requests": [{kind: changed(kind, there, text)}]}, [there], written(there, text))
            mixed = [{kind: changed(kind, name, more)} for name in (other, there)]
            yield Try({"requests": mixed}, [other, there], written(there, more))
        case MethodKind.DELETE:
            victim = world.made(kind, side)
            yield Try({"name": victim}, [victim], gone(victim))
        case MethodKind.BATCH_DELETE:
            victim, second = world.made(kind, side), world.made(kind, 1 - side)
            yield Try({"names": [victim]}, [victim], gone(victim))
            yield Try({"names": [second, world.made(kind, side)]}, [second, there], gone(second))
        case MethodKind.CREATE | MethodKind.BATCH_CREATE:
            parent = world.parent(kind, side)
            asked = [parent] if parent else []
            many = method.kind is MethodKind.BATCH_CREATE
            for new in (f"c{next(_numbers)}{world.offices[0].name}", f"d{next(_numbers)}{world.offices[0].name}"):
                request = {f"{kind}_id": new, kind: changed(kind, "", text)}
                above = {"parent": parent} if parent else {}
                body = {**above, "requests": [request]} if many else {**above, **request}
                yield Try(body, asked, there_now({**above, **request}))
        case MethodKind.CUSTOM:
            yield Try({"name": there}, [there])
        case _:
            raise AssertionError(method.path)


def own_methods(contract: Contract) -> list[Method]:
    return [method for method in contract.own_methods if method.kind is not MethodKind.COMMIT]


def test_b11_no_method_is_without_a_rule_and_every_rule_is_one_of_the_contract(workspace: Service) -> None:
    from tests.door.test_access_commands import shown

    methods, _ = shown(workspace)
    assert {path for path, (asked, _) in methods.items() if not asked} == set()
    assert {
        path: (str(one.rule.access), one.rule.permission or one.rule.relation) for path, one in workspace.app.contract.methods.items()
    } == methods


@pytest.mark.parametrize("kind", KINDS)
def test_b10_every_method_answers_everybody_as_the_declared_rules_say_and_does_no_more(workspace: Service, world: World, kind: str) -> None:
    asked = 0
    for method in own_methods(workspace.app.contract):
        if method.resource is None or method.resource.singular != kind or method.rule.access is Access.SCOPE:
            continue
        for (who, subject), side in itertools.product(CALLERS.items(), (0, 1)):
            for one in tries(world, method, kind, side):
                wanted = world.truth.code(method, subject, one.asked)
                code = code_of(partial(getattr(world.doors[who], method.name), **one.request))
                assert code == wanted, (who, method.name, one)
                if one.done is not None:
                    assert one.done() == (wanted == "OK"), (who, method.name, one)
                asked += 1
                created(world, method, subject, wanted, one)
    assert asked > 100


def created(world: World, method: Method, subject: str, code: str, one: Try) -> None:
    """What creators got is true from now on."""
    if code == "OK" and method.kind in {MethodKind.CREATE, MethodKind.BATCH_CREATE} and subject.startswith("users/"):
        kind = str(method.resource.singular) if method.resource is not None else ""
        items = one.request.get("requests", [one.request])
        parent = one.request.get("parent", "")
        for item in items:
            name = f"{f'{parent}/' if parent else ''}{kind}s/{item[f'{kind}_id']}"
            gets = {"organisation": "admin", "group": "owner", "document": "author"}.get(kind)
            if gets:
                world.truth.add(f"{name}#{gets}@{subject}")


LISTS: dict[str, Callable[[World], list[tuple[dict[str, str], str]]]] = {
    "organisation": lambda world: [({}, "")],
    "group": lambda world: [({}, "")],
    "folder": lambda world: [({"parent": name}, name) for name in (*world.names["organisation"], "organisations/-")],
    "document": lambda world: (
        [({"parent": name}, name) for name in (*world.names["folder"], "organisations/-/folders/-")]
        + [({"parent": f"{name}/folders/-"}, f"{name}/") for name in world.names["organisation"]]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_b10_lists_and_aggregates_hold_what_everybody_may_see_whatever_parents_they_are_asked_for(world: World, kind: str) -> None:
    """Of one parent, and of `-`; the rows are those of this test, which everything else is beside."""
    extra = [world.made(kind, side) for side in (0, 1, 0)]
    method = {"organisation": "member", "group": "member", "folder": "viewer", "document": "viewer"}[kind]
    for who, subject in CALLERS.items():
        for arguments, scope in LISTS[kind](world):
            list_, aggregate = (getattr(world.doors[who], f"{verb}{kind.capitalize()}s") for verb in ("List", "Aggregate"))
            if not subject:
                assert {code_of(partial(call, **arguments)) for call in (list_, aggregate)} == {"UNAUTHENTICATED"}
                continue
            every = [*world.names[kind], *extra]
            below = [name for name in every if "-" in scope.split("/") or name.startswith(scope)]
            wanted = {name for name in below if world.truth.holds(subject, method, name)}
            found: list[str] = []
            token, pages = "", 0
            while not pages or token:
                answer = list_(**arguments, page_size=2, page_token=token)
                found += [one.name for one in getattr(answer, f"{kind}s")]
                token, pages = answer.next_page_token, pages + 1
                assert pages < 200
            mine = [name for name in found if name in every]
            assert (set(mine), len(mine)) == (wanted, len(wanted)), (who, arguments)
            (group,) = aggregate(**arguments).groups
            assert group.values["count"].int64_value == len(found), (who, arguments)


@pytest.mark.parametrize("operation", ["create", "update", "delete", "verify"])
@pytest.mark.parametrize("kind", ["folder", "document"])
def test_b10_commits_ask_of_each_write_what_its_own_method_asks(workspace: Service, world: World, kind: str, operation: str) -> None:
    """With a write before it that its caller may do: nothing of that is kept where the other one is refused."""
    type_ = f"workspace.example.com/{kind.capitalize()}"
    standard = {one.kind: one for one in own_methods(workspace.app.contract) if one.resource is not None and one.resource.singular == kind}
    methods = {"create": MethodKind.CREATE, "update": MethodKind.UPDATE, "delete": MethodKind.DELETE, "verify": MethodKind.GET}
    method = standard[methods[operation]]
    for (who, subject), side in itertools.product(CALLERS.items(), (0, 1)):
        victim, text, new = world.made(kind, side), f"t{next(_numbers)}", f"g{next(_numbers)}{world.offices[0].name}"
        parent = world.parent(kind, side)
        write = {
            "create": {"create": {"parent": parent, "id": new, "resource": packed(changed(kind, "", text))}},
            "update": {"update": {"resource": packed(changed(kind, victim, text))}},
            "delete": {"delete": {"type": type_, "name": victim}},
            "verify": {"verify": {"type": type_, "name": victim}},
        }[operation]
        asked = [parent] if operation == "create" else [victim]
        mine = {"create": {"id": new, "resource": packed(pb.Group())}}
        wanted = world.truth.code(method, subject, asked)
        assert code_of(partial(world.doors[who].Commit, writes=[mine, write])) == wanted, (who, side)
        twin = {"create": {"id": new, "resource": packed(pb.Group())}}
        again = code_of(partial(world.judge.Commit, writes=[twin]))
        assert (again != "OK") == (wanted == "OK"), (who, side)
        assert bool(world.offices[0].tuples_of(f"groups/{new}")) == (wanted != "OK" or subject.startswith("users/")), (who, side)
