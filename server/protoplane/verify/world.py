"""The server as the checks see it: resources to make, to read and to refer to, whatever they need around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from protoplane.verify.annotations import Annotations
from protoplane.verify.chance import Chance
from protoplane.verify.data import Learned, Maker
from protoplane.verify.exchange import Caller, Exchange, Message
from protoplane.verify.made import Left, Made
from protoplane.verify.patterns import matching
from protoplane.verify.resources import Kind, Role, find_kinds, parent_pattern
from protoplane.verify.target import Target
from protoplane.verify.values import NoValueError, rule, rules_of
from protoplane.verify.verdict import NotApplicable, skip

ATTEMPTS_MAX: Final = 16
"""Creations of one resource, each with what was learned from the refusal of the one before."""

CLEANING_SECONDS: Final = 60.0
CLEANING_CALLS: Final = 20_000
CHILDREN_MAX: Final = 1_000
IDS_MAX: Final = 60
ID_LONG: Final = 8
"""Characters from which on an id of chance is nobody's."""

SHUT: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "UNAVAILABLE", "RESOURCE_EXHAUSTED"})
"""Codes that tell nothing about the behaviour that was asked for."""

Change = Callable[[Message], object]
"""What makes a valid resource into the one that a check wants."""


def setting(name: str, value: Any) -> Change:
    """Puts a value into a field."""
    return lambda body: setattr(body, name, value)


def clearing(name: str) -> Change:
    """Empties a field."""
    return lambda body: body.ClearField(name)


def _allowed(found: Exchange) -> Exchange:
    if found.code in SHUT:
        skip(f"{found.method.name} is refused: {found.code}: {found.message}")
    return found


@dataclass(frozen=True, slots=True)
class Example:
    """What a user says of one kind of resource. `fields` is a valid resource as JSON, whole."""

    fields: Mapping[str, Any] | None = None
    parent: str = ""
    id_pattern: str = ""

    @staticmethod
    def of(told: Mapping[str, Any]) -> Example:
        """From JSON: the fields, and `@parent` and `@id` (a regular expression)."""
        fields = {key: value for key, value in told.items() if not key.startswith("@")}
        return Example(fields or None, str(told.get("@parent", "")), str(told.get("@id", "")))


@dataclass(frozen=True, slots=True)
class Permits:
    """What may be done to the server."""

    read_only: bool = False
    leftovers: bool = False
    """Make resources that cannot be deleted, too."""


@final
@dataclass(slots=True, eq=False)
class World:
    """Everything that checks share. Methods that make something raise NotApplicable when it cannot be had."""

    caller: Caller
    annotations: Annotations
    maker: Maker
    chance: Chance
    kinds: Mapping[str, Kind]
    permits: Permits
    examples: Mapping[str, Example]
    others: Mapping[str, MethodDescriptor]
    """Methods by name, whatever they are about."""
    made: Made = field(default_factory=Made)
    _learned: dict[str, Learned] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)
    _unusable: dict[str, str] = field(default_factory=dict)
    _making: list[str] = field(default_factory=list)
    _proven: dict[tuple[str, str], bool] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)

    @staticmethod
    def of(target: Target, caller: Caller, seed: str, permits: Permits, examples: Mapping[str, Example]) -> World:
        """The world of a target."""
        annotations, chance = Annotations(target.pool), Chance(seed)
        kinds = {kind.type: kind for kind in find_kinds(target, annotations)}
        others = {method.name: method for service in target.services for method in service.methods}
        return World(caller, annotations, Maker(annotations, chance), chance, kinds, permits, examples, others)

    def request(self, kind: Kind, role: Role, **fields: Any) -> Message:
        """A request with these fields; NotApplicable when it has no such field."""
        if role not in kind.methods:
            skip(f"there is no {kind.method_name(role)}")
        descriptor = kind.methods[role].input_type
        missing = [name for name in fields if name not in descriptor.fields_by_name]
        if missing:
            skip(f"{descriptor.name} has no `{missing[0]}`")
        request = GetMessageClass(descriptor)()
        for name, value in fields.items():
            if isinstance(value, list | tuple):
                getattr(request, name).extend(value)
            elif descriptor.fields_by_name[name].message_type is not None:
                getattr(request, name).CopyFrom(value)
            else:
                setattr(request, name, value)
        return request

    def call(self, kind: Kind, role: Role, request: Message, *, seconds: float = 0.0, headers: Sequence[tuple[str, str]] = ()) -> Exchange:
        """Call a method of a kind, and remember what it made or deleted. NotApplicable when the caller may not, or it is not there."""
        if role not in kind.methods:
            skip(f"there is no {kind.method_name(role)}")
        intended = self.intended(kind, request) if role is Role.CREATE else ""
        self.made.add(kind, intended, unsure=True)  # Before: an interrupt may come while the server is at it.
        found = self.caller.call(kind.methods[role], request, seconds=seconds, headers=headers)
        self.made.note(kind, role, found, intended)
        return _allowed(found)

    def ask(self, method: MethodDescriptor, request: Message) -> Exchange:
        """Call any other method. Who calls one that makes something sees to that it is taken away."""
        return _allowed(self.caller.call(method, request))

    def intended(self, kind: Kind, request: Message) -> str:
        """The name that a Create is to give, "" when the server chooses."""
        own = getattr(request, f"{kind.word}_id", "")
        parent = getattr(request, "parent", "")
        return "/".join(filter(None, (parent, self._collection(kind, parent), own))) if own else ""

    def _collection(self, kind: Kind, parent: str | None = None) -> str:
        """The word before the last id, below a parent: that which checks go by, or the one that is named."""
        words = None if parent is None else parent.split("/")[::2] if parent else []
        pattern = next((one for one in kind.patterns if one.split("/")[:-2:2] == words), kind.pattern)
        return pattern.split("/")[-2] if pattern and not kind.singleton else kind.plural

    def learned(self, kind: Kind) -> Learned:
        """What is known of a kind by refusals."""
        return self._learned.setdefault(kind.type, Learned())

    def proven(self, kind: Kind, field: str, prove: Callable[[], bool]) -> bool:
        """Whether the server takes the values that are made for a field; `prove` is asked once."""
        if (kind.type, field) not in self._proven:
            self._proven[kind.type, field] = prove()
        return self._proven[kind.type, field]

    def example(self, kind: Kind) -> Example:
        """What the user says of a kind."""
        return self.examples.get(kind.type) or self.examples.get(kind.title) or Example()

    def body(self, kind: Kind) -> Message:
        """A valid resource that is not stored. NotApplicable when none can be made."""
        told = self.example(kind).fields
        if told is not None:
            made = GetMessageClass(kind.message)()
            try:
                return json_format.ParseDict(dict(told), made, descriptor_pool=self.caller.pool)
            except json_format.ParseError as error:
                skip(f"the example of {kind.title} does not fit: {error}")
        try:
            return self.maker.message(kind.message, self._refer, self.learned(kind))
        except NoValueError as trouble:
            skip(f"{trouble}; give an example with --data")

    def _refer(self, reference: str) -> str:
        """A resource to refer to; "" when there is none."""
        if reference not in self.kinds or reference in self._making:
            return ""
        try:
            return self.shared(self.kinds[reference])
        except NotApplicable:
            return self.existing(self.kinds[reference])

    def shared(self, kind: Kind) -> str:
        """The name of a resource of ours that nobody changes: for references, and as a parent."""
        if self.permits.read_only:
            return self.existing(kind) or skip(f"there is no {kind.title} to look at")
        if kind.singleton:
            return f"{self.parent(kind)}/{kind.pattern.rpartition('/')[2]}"
        if kind.type not in self._shared:
            self._shared[kind.type] = getattr(self.create(kind), kind.name_field)
        return self._shared[kind.type]

    def existing(self, kind: Kind) -> str:
        """The name of any resource that is there; "" when none can be seen."""
        rows = kind.rows_field(Role.LIST)
        try:
            parent = {"parent": self.parent(kind)} if kind.has(Role.LIST, "parent") else {}
            found = self.call(kind, Role.LIST, self.request(kind, Role.LIST, **parent)) if rows else None
        except NotApplicable:
            return ""
        listed = getattr(found.response, rows) if found is not None and found.ok else ()
        return str(getattr(listed[0], kind.name_field)) if listed else ""

    def parent(self, kind: Kind) -> str:
        """The name of a parent, of our own where that can be; "" for a resource at the top."""
        if self.example(kind).parent:
            return self.example(kind).parent
        above = self._above(kind)
        if above is None:
            if "" in kind.parents:
                return ""
            pattern = parent_pattern(kind.pattern) if kind.pattern else "unknown"
            skip(f'the server has no method that makes the parents of {kind.title} ({pattern}); name one with --data: "@parent"')
        return self.shared(above)

    def makes_parents(self, kind: Kind) -> bool:
        """Whether parents of our own can be had, and as many as are wanted."""
        above = self._above(kind)
        return not (self.example(kind).parent or self.permits.read_only or above is None or above.singleton)

    def new_parent(self, kind: Kind) -> str:
        """The name of a parent that nothing is below."""
        above = self._above(kind)
        if above is None or not self.makes_parents(kind):
            skip(f"there is no way to make another parent of a {kind.title}")
        return str(getattr(self.create(above), above.name_field))

    def _above(self, kind: Kind) -> Kind | None:
        return next((self.kinds[parent] for parent in kind.parents if parent in self.kinds), None)

    def new_id(self, kind: Kind) -> str:
        """An id that nobody has; "" where callers give none."""
        if not kind.has(Role.CREATE, f"{kind.word}_id") or self.annotations.ids(kind.message).by_server:
            return ""
        for _ in range(IDS_MAX):
            own = self._some_id(kind)
            if own not in self._ids and (len(own) >= ID_LONG or self._is_free(kind, own)):
                self._ids.add(own)
                return own
        return skip(f"every id that was tried for a {kind.title} is taken")

    def _some_id(self, kind: Kind) -> str:
        pattern = self.id_pattern(kind)
        if pattern:
            made = matching(f"^(?:{pattern})$", self.chance)
            return made or skip(f'cannot make an id for {kind.title} because of the pattern {pattern}; give one with --data: "@id"')
        forms = (f"verify-{self.chance.word(10)}", self.chance.uuid4(), self._some_number(), self.chance.word(6))
        return forms[self.learned(kind).turns.get("@id", 0) % len(forms)]

    def _some_number(self) -> str:
        return str(10**11 + self.chance.number(10**12))

    def has_numbers(self, kind: Kind) -> bool:
        """Whether the ids of a kind are whole numbers, as those that are there look. Such have no form of AIP-122."""
        name = self._shared.get(kind.type) or self.existing(kind)
        own = name.rpartition("/")[2]
        return own.isascii() and own.isdigit()

    def _is_free(self, kind: Kind, own: str) -> bool:
        """Whether nobody has a short id: chance alone does not tell it from theirs, and ours are deleted."""
        name = "/".join(filter(None, (self.parent(kind), self._collection(kind), own)))
        return self.call(kind, Role.GET, self.request(kind, Role.GET, name=name)).code == "NOT_FOUND"

    def id_pattern(self, kind: Kind) -> str:
        """What ids of a kind must match, where anybody says so; else ""."""
        given = self.example(kind).id_pattern or self.annotations.ids(kind.message).pattern
        if given or not kind.has(Role.CREATE, f"{kind.word}_id"):
            return given
        facts = self.annotations.field(kind.methods[Role.CREATE].input_type.fields_by_name[f"{kind.word}_id"])
        return rule(rules_of(facts), "pattern") or ""

    def creation(self, kind: Kind, body: Message, *, parent: str | None = None, own_id: str | None = None, **fields: Any) -> Message:
        """The request that creates `body`. Without `own_id` a new one is made; with "" none is given."""
        if self.permits.read_only:
            skip("nothing is written with --read-only")
        if Role.CREATE not in kind.methods:
            skip(f"there is no {kind.method_name(Role.CREATE)}")
        if Role.DELETE not in kind.methods and not self.permits.leftovers:
            skip(f"there is no {kind.method_name(Role.DELETE)}: what was made would stay; --leftovers allows it")
        descriptor = kind.methods[Role.CREATE].input_type
        slot = next((each.name for each in descriptor.fields if each.message_type is kind.message), kind.word)
        given: dict[str, Any] = {slot: body, **fields}
        if "parent" in descriptor.fields_by_name:
            given["parent"] = self.parent(kind) if parent is None else parent
        chosen = self.new_id(kind) if own_id is None else own_id
        if chosen:
            given[f"{kind.word}_id"] = chosen
        request = self.request(kind, Role.CREATE, **given)
        self._complete(request, set(given))
        return request

    def _complete(self, request: Message, given: set[str]) -> None:
        """Fill what else a request must have."""
        for each, facts in self.maker.settable(request.DESCRIPTOR):
            if facts.required and each.name not in given and not each.name.endswith("_id") and not each.is_repeated:
                whole = self.maker.message(request.DESCRIPTOR, self._refer, Learned(only_required=True))
                if each.message_type is not None:
                    getattr(request, each.name).CopyFrom(getattr(whole, each.name))
                else:
                    setattr(request, each.name, getattr(whole, each.name))

    def try_create(self, kind: Kind, change: Change | None = None, *, parent: str | None = None, **fields: Any) -> Exchange:
        """Try to create a resource that differs from a valid one."""
        self.usable(kind)
        body = self.body(kind)
        if change is not None:
            change(body)
        return self.call(kind, Role.CREATE, self.creation(kind, body, parent=parent, **fields))

    def usable(self, kind: Kind) -> None:
        """NotApplicable unless resources of this kind can be made."""
        if kind.type not in self._shared:
            self.shared(kind)

    def create(self, kind: Kind, change: Change | None = None, *, parent: str | None = None, **fields: Any) -> Message:
        """A stored resource of ours. What the server refuses teaches what to give it, unless `change` asked for it."""
        if kind.type in self._unusable:
            skip(self._unusable[kind.type])
        self._making.append(kind.type)
        try:
            return self._create(kind, change, parent, fields)
        except NotApplicable as reason:
            if change is None and not fields:
                self._unusable[kind.type] = str(reason)
            raise
        finally:
            self._making.pop()

    def _create(self, kind: Kind, change: Change | None, parent: str | None, fields: Mapping[str, Any]) -> Message:
        found = None
        for _ in range(ATTEMPTS_MAX):
            try:
                body = self.body(kind)
            except NotApplicable:
                if found is None:
                    raise
                break  # Nothing else comes to mind; what the server said last tells more.
            if change is not None:
                change(body)
            found = self.call(kind, Role.CREATE, self.creation(kind, body, parent=parent, **fields))
            if found.ok:
                return found.response
            taken = found.code == "ALREADY_EXISTS" and "own_id" not in fields
            if taken and change is None and found.violations:
                self._learn(kind, found)  # Not the id, but another value that only one may have.
            if not taken and (change is not None or found.code != "INVALID_ARGUMENT" or not self._learn(kind, found)):
                break
        assert found is not None
        fields_told = "".join(f"; {name}: {text}" for name, text in found.violations.items())
        return skip(f"cannot make a valid {kind.title}: {found.code}: {found.message}{fields_told}; give an example with --data")

    def _learn(self, kind: Kind, refusal: Exchange) -> bool:
        """Take a refusal to heart; False when it says nothing that helps."""
        learned = self.learned(kind)
        paths = [path.removeprefix(f"{kind.word}.").removeprefix("resource.") for path in refusal.violations]
        for path in paths:
            self._learn_of(kind, learned, path.split("[")[0])
        if paths:
            return True
        if learned.only_required:
            return False
        learned.only_required = True
        return True

    def _learn_of(self, kind: Kind, learned: Learned, path: str) -> None:
        top = path.partition(".")[0]
        if path == f"{kind.word}_id":
            learned.turns["@id"] = learned.turns.get("@id", 0) + 1
            return
        known = kind.message.fields_by_name.get(top)
        required = known is not None and self.annotations.field(known).required
        if known is not None and (top in learned.left_out or (learned.only_required and not required)):
            learned.required.add(top)  # It is missed, though nothing said that it must be there.
            learned.left_out.discard(top)
        elif required or top in learned.required or learned.turns.get(path, 0) == 0:
            learned.turns[path] = learned.turns.get(path, 0) + 1
        else:
            learned.left_out.add(top)

    def absent(self, kind: Kind) -> str:
        """A name that is well formed and that nothing has: below a parent that is there, but for singletons, which are there with theirs."""
        if kind.singleton:
            above = [self.kinds[parent] for parent in kind.parents if parent in self.kinds]
            if not above:
                skip(f"nothing is known of the parents of {kind.title}")
            return f"{self.absent(above[0])}/{kind.pattern.rpartition('/')[2]}"
        if not self.permits.read_only and not kind.soft and Role.DELETE in kind.methods:
            gone = getattr(self.create(kind), kind.name_field)
            deleted = self.call(kind, Role.DELETE, self.request(kind, Role.DELETE, name=gone))
            if deleted.ok:
                return str(gone)
        if not kind.pattern:
            skip("nothing says what its names look like")
        pattern = self.id_pattern(kind)
        numbers = not pattern and self.has_numbers(kind)
        own = self._some_number() if numbers else self.new_id(kind) or (self._some_id(kind) if pattern else self.chance.word(20))
        if len(own) < ID_LONG and not self._is_free(kind, own):
            skip("ids are so short that any may be somebody's")
        return "/".join(filter(None, (self.parent(kind), self._collection(kind), own)))

    def tidy(self) -> None:
        """Delete what one check made: lists stay short, and others see little of it. What cannot be deleted now is tried again at the end."""
        self.made.take_away(self._delete, self._children, read=self._is_there, kept=set(self._shared.values()))

    def clean(self) -> list[Left]:
        """Delete everything that was made; what could not be is told."""
        self.caller.extend(CLEANING_SECONDS, CLEANING_CALLS)
        left = self.made.take_away(self._delete, self._children, read=self._is_there)
        return [Left(one.name, one.why, one.allowed and self.permits.leftovers) for one in left]

    def _delete(self, kind: Kind, name: str) -> Exchange:
        if Role.DELETE not in kind.methods:
            why = f"there is no {kind.method_name(Role.DELETE)}"
            return Exchange(next(iter(kind.methods.values())), None, "UNIMPLEMENTED", why, (), None, self.caller.pool)
        force = {"force": True} if kind.has(Role.DELETE, "force") else {}
        return self.caller.call(kind.methods[Role.DELETE], self.request(kind, Role.DELETE, name=name, **force))

    def _is_there(self, kind: Kind, name: str) -> bool:
        """Whether it can be read; True where nothing can be."""
        return not kind.has(Role.GET) or self.caller.call(kind.methods[Role.GET], self.request(kind, Role.GET, name=name)).ok

    def _children(self, kind: Kind, name: str) -> Iterator[tuple[Kind, str]]:
        """What is below a resource."""
        for other in self.kinds.values():
            rows = other.rows_field(Role.LIST)
            if kind.type not in other.parents or not rows or not other.has(Role.LIST, "parent", "page_token"):
                continue
            token, count = "", 0
            while count < CHILDREN_MAX:
                found = self.caller.call(other.methods[Role.LIST], self.request(other, Role.LIST, parent=name, page_token=token))
                if not found.ok:
                    break
                for one in list(getattr(found.response, rows)):
                    child = getattr(one, other.name_field)
                    count += 1
                    yield from self._children(other, child)
                    yield other, child
                token = getattr(found.response, "next_page_token", "")
                if not token:
                    break
