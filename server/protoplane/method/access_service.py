"""`protoplane.access.v1.Access`, served beside every contract that declares relations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

from google.protobuf.json_format import MessageToDict

from protoplane.access.expansion import Expansion, Kind, expand
from protoplane.access.given import Given
from protoplane.access.tuples import Object, RelationTuple, Subject
from protoplane.base.errors import Violation, invalid_fields
from protoplane.changes.tuples import fill_tuple
from protoplane.method.call import Call
from protoplane.method.custom import Servicer
from protoplane.method.guard import Guard, refusing
from protoplane.method.named import read_filter, read_object, read_subject, read_tuple
from protoplane.method.tuple_writes import WRITE, write_tuples
from protoplane.query.paging import Position, digest_arguments, page_rows
from protoplane.store.closure import Asker

STREAMED_AT_ONCE = 500
"""Names in one message of a stream."""

_Asked: TypeAlias = tuple[Subject, str, Object]


class AccessService(Servicer):
    """What its contract says, on the relations of the contract beside it."""

    service: ClassVar[str] = "protoplane.access.v1.Access"
    permissions: ClassVar[frozenset[str]] = frozenset({WRITE})

    # Questions

    def check(self, call: Call, request: Any) -> Any:
        """One question."""
        guard, given = call.relations, _given(call, request)
        with refusing():
            held = guard.checks.check(call.session, *_asked(guard, request, ""), given)
        return call.method.response_class(allowed=held)

    def batch_check(self, call: Call, request: Any) -> Any:
        """Many, those of one subject together."""
        guard, given = call.relations, _given(call, request)
        asked = [_asked(guard, item, f"items[{i}].") for i, item in enumerate(request.items)]
        places: dict[Subject, list[int]] = {}
        for i, (subject, _, _) in enumerate(asked):
            places.setdefault(subject, []).append(i)
        allowed = [False] * len(asked)
        if len(places) > 1:  # Of one subject it is one statement, or several that see to it themselves.
            call.session.snapshot()
        with refusing():
            for subject, several in places.items():
                answers = guard.checks.check_many(call.session, subject, [asked[i][1:] for i in several], given)
                for i, held in zip(several, answers, strict=True):
                    allowed[i] = held
        return call.method.response_class(allowed=allowed)

    def list_resources(self, call: Call, request: Any) -> Any:
        """A page of their names."""
        found, token = _page(call, request, self._resources(call, request))
        return call.method.response_class(resources=found, next_page_token=token)

    def stream_resources(self, call: Call, request: Any) -> Iterator[Any]:
        """All of their names."""
        for names in _parts(self._resources(call, request)):
            yield call.method.response_class(resources=names)

    def list_subjects(self, call: Call, request: Any) -> Any:
        """A page of their names."""
        found, token = _page(call, request, self._subjects(call, request))
        return call.method.response_class(subjects=found, next_page_token=token)

    def stream_subjects(self, call: Call, request: Any) -> Iterator[Any]:
        """All of their names."""
        for names in _parts(self._subjects(call, request)):
            yield call.method.response_class(subjects=names)

    def expand(self, call: Call, request: Any) -> Any:
        """One level of an expression."""
        guard = call.relations
        found = read_object(guard, request.resource, "resource")
        response: Any = call.method.response_class()
        with refusing():
            _fill(guard, response.tree, expand(call.session, guard.stated, request.relation, found))
        return response

    def test_permissions(self, call: Call, request: Any) -> Any:
        """Which of some the caller has."""
        if not request.resource:
            held = [one for one in request.permissions if one in call.principal.permissions]
            return call.method.response_class(permissions=held)
        guard = call.relations
        found = read_object(guard, request.resource, "resource")
        answers = guard.held_on(call, [(relation, found) for relation in request.permissions])
        held = [one for one, allowed in zip(request.permissions, answers, strict=True) if allowed]
        return call.method.response_class(permissions=held)

    # Tuples

    def read_relations(self, call: Call, request: Any) -> Any:
        """A page of tuples."""
        guard, size = call.relations, page_rows(request.page_size)
        told = read_filter(guard, request.filter, "filter.")
        digest = digest_arguments(call.method.path, [("filter", request.filter.SerializeToString(deterministic=True))])
        after = None
        if request.page_token:
            position = guard.tokens.open(request.page_token, digest, call.now_micros)
            object_type, object_id, relation, subject_type, subject_relation, subject_id = map(str, position)
            after = RelationTuple(Object(object_type, object_id), relation, Subject(subject_type, subject_id, subject_relation))
        found = guard.relations.read(call.session, told, after=after, limit=size + 1)
        response: Any = call.method.response_class()
        for held in found[:size]:
            fill_tuple(response.tuples.add(), held, guard.names)
        if len(found) > size:
            last = found[size - 1]
            subject = last.subject
            place: Position = (last.object.type, last.object.id, last.relation, subject.type, subject.relation, subject.id)
            response.next_page_token = guard.tokens.seal(digest, place, call.now_micros)
        return response

    def write_relations(self, call: Call, request: Any) -> Any:
        """Tuples written and taken away, all or none."""
        write_tuples(call, request)
        return call.method.response_class()

    # Parts

    def _resources(self, call: Call, request: Any) -> list[str]:
        guard, given = call.relations, _given(call, request)
        if request.type not in guard.names.types:
            raise invalid_fields([Violation("type", "must be the type of a resource of this contract", "TYPE_UNKNOWN")])
        subject = read_subject(guard, request.subject, "subject")
        with refusing():
            ids = guard.checks.list_objects(call.session, subject, request.relation, request.type, given)
        return sorted(guard.names.several(request.type, ids))

    def _subjects(self, call: Call, request: Any) -> list[str]:
        guard, given = call.relations, _given(call, request)
        kind, _, relation = request.subject_type.partition("#")
        known = guard.declared.model.types.get(kind)
        if known is None or (relation and relation not in known):
            raise invalid_fields([Violation("subject_type", "must be a type, or a type, # and a relation of it", "TYPE_UNKNOWN")])
        found = read_object(guard, request.resource, "resource")
        with refusing():
            subjects = guard.checks.list_subjects(call.session, found, request.relation, Asker(kind, relation), given)
        return sorted(map(guard.names.text, subjects))


def _asked(guard: Guard, request: Any, prefix: str) -> _Asked:
    subject = read_subject(guard, request.subject, f"{prefix}subject")
    return subject, request.relation, read_object(guard, request.resource, f"{prefix}resource")


def _given(call: Call, request: Any) -> Given:
    guard = call.relations
    tuples = tuple([read_tuple(guard, one, f"contextual_tuples[{i}].") for i, one in enumerate(request.contextual_tuples)])
    return guard.told(call, tuples, MessageToDict(request.context) if request.HasField("context") else {})


def _page(call: Call, request: Any, names: Sequence[str]) -> tuple[Sequence[str], str]:
    """The names after those of the page before, and the token of the next page."""
    size, tokens = page_rows(request.page_size), call.relations.tokens
    bound = type(request)()
    bound.CopyFrom(request)
    for name in ("page_token", "page_size"):
        bound.ClearField(name)
    digest = digest_arguments(call.method.path, [("request", bound.SerializeToString(deterministic=True))])
    left = list(names)
    if request.page_token:
        (last,) = tokens.open(request.page_token, digest, call.now_micros)
        left = [name for name in names if name > str(last)]
    token = tokens.seal(digest, (left[size - 1],), call.now_micros) if len(left) > size else ""
    return left[:size], token


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), STREAMED_AT_ONCE):
        yield names[start : start + STREAMED_AT_ONCE]


def _fill(guard: Guard, tree: Any, found: Expansion) -> None:
    """An expansion as callers read it."""
    tree.userset = guard.names.text(found.userset)
    part = getattr(tree, _PARTS[found.kind])
    part.SetInParent()
    if found.kind in {Kind.DIRECT, Kind.COMPUTED}:
        part.subjects.extend(map(guard.names.text, found.subjects))
    for branch in found.branches:
        _fill(guard, part.trees.add(), branch)


_PARTS = {
    Kind.DIRECT: "direct",
    Kind.COMPUTED: "computed",
    Kind.ANY_OF: "any_of",
    Kind.ALL_OF: "all_of",
    Kind.WITHOUT: "without",
}
"""The field of a UsersetTree for each kind of expression."""
