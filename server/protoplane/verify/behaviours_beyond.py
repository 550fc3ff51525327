"""What no AIP describes, where a server has it as Protoplane does: aggregates, commits, expansion: 56, 58 and 59."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from protoplane.verify.behaviours_filter import Texts, texts
from protoplane.verify.check import Scene, check
from protoplane.verify.exchange import Exchange, Message
from protoplane.verify.resources import Role
from protoplane.verify.verdict import expect, expect_code, skip

GROUPS: Final = "protoplane.v1.AggregateGroup"
COMMIT: Final = "protoplane.commit.v1.CommitRequest"
ANY_PREFIX: Final = "type.googleapis.com/"


def _aggregate(scene: Scene, found: Texts, **arguments: Any) -> Exchange:
    """Aggregate over the first two rows."""
    groups = scene.kind.methods[Role.AGGREGATE].output_type.fields_by_name.get("groups")
    if groups is None or groups.message_type is None or groups.message_type.full_name != GROUPS:
        skip(f"{scene.kind.method_name(Role.AGGREGATE)} answers in a form that is not known here")
    chosen = " OR ".join(f'{found.field} = "{value}"' for value in found.values[:2])
    return scene.call(Role.AGGREGATE, **found.scope.arguments, filter=chosen, **arguments)


@check(56, aip=0, needs=(Role.AGGREGATE, Role.CREATE, Role.LIST))
def aggregates_count_what_lists_show(scene: Scene) -> None:
    """Aggregates are of the rows that List finds, and groups have each value once."""
    found = texts(scene)
    whole = _aggregate(scene, found, aggregates=["count() as verified"])
    expect_code(whole, "OK")
    counts = [group.values["verified"].int64_value for group in whole.response.groups]
    expect(counts == [2], f"two rows are there, and the groups count {counts}", whole)
    grouped = _aggregate(scene, found, group_by=[found.field], aggregates=["count() as verified"], order_by=f"{found.field} desc")
    expect_code(grouped, "OK")
    rows = [(group.values[found.field].string_value, group.values["verified"].int64_value) for group in grouped.response.groups]
    expect(rows == [(value, 1) for value in sorted(found.values[:2], reverse=True)], f"the groups are {rows}", grouped)


@check(56, aip=0, needs=(Role.AGGREGATE, Role.CREATE, Role.LIST))
def groups_come_once_page_by_page(scene: Scene) -> None:
    """Groups come once each, page by page."""
    found = texts(scene)
    token, seen = "", list[str]()
    for _ in range(3):
        page = _aggregate(scene, found, group_by=[found.field], page_size=1, page_token=token)
        expect_code(page, "OK")
        seen += [group.values[found.field].string_value for group in page.response.groups]
        token = page.response.next_page_token
        if not token:
            break
    expect(sorted(seen) == sorted(found.values[:2]), f"the groups are {seen}", scene.world.caller.latest[-1])


@check(56, aip=0, needs=(Role.AGGREGATE, Role.CREATE, Role.LIST))
def unknown_aggregates_are_refused(scene: Scene) -> None:
    """Aggregates and groups of no field are refused with INVALID_ARGUMENT."""
    found = texts(scene)
    for arguments in ({"aggregates": ["sum(verify_is_no_field)"]}, {"group_by": ["verify_is_no_field"]}):
        expect_code(_aggregate(scene, found, **arguments), "INVALID_ARGUMENT")


def _commit(scene: Scene) -> MethodDescriptor:
    method = scene.world.others.get("Commit")
    if method is None or method.input_type.full_name != COMMIT:
        skip("there is no Commit")
    served = {each.containing_service.full_name for each in scene.kind.methods.values()}
    return method if method.containing_service.full_name in served else skip(f"Commit is not of the service of {scene.kind.title}")


def _creation(scene: Scene, write: Message) -> str:
    """Make a write into the creation of a resource; its name to be."""
    request = scene.world.creation(scene.kind, scene.world.body(scene.kind))
    own = getattr(request, f"{scene.kind.word}_id", "") or skip("callers give no ids: what was made could not be looked for")
    slot = next(each.name for each in request.DESCRIPTOR.fields if each.message_type is scene.kind.message)
    write.create.parent, write.create.id = getattr(request, "parent", ""), own
    write.create.resource.type_url = f"{ANY_PREFIX}{scene.kind.message.full_name}"
    write.create.resource.value = getattr(request, slot).SerializeToString()
    name = scene.world.intended(scene.kind, request)
    scene.world.made.add(scene.kind, name, unsure=True)
    return name


@check(58, aip=0, needs=(Role.CREATE, Role.GET, Role.DELETE))
def commits_are_whole(scene: Scene) -> None:
    """The writes of a commit are done all or not at all, each under its own etag."""
    method = _commit(scene)
    scene.world.usable(scene.kind)
    taken = scene.new()
    request: Message = GetMessageClass(method.input_type)()
    name = _creation(scene, request.writes.add())
    good: Message = GetMessageClass(method.input_type)()
    good.CopyFrom(request)
    broken = request.writes.add().delete
    broken.type, broken.name, broken.etag = scene.kind.type, scene.name(taken), '"verify-stale"'
    if "etag" not in scene.kind.message.fields_by_name:
        skip(f"{scene.kind.title} has no `etag` to make a commit fail by")
    found = scene.world.ask(method, request)
    expect_code(found, "ABORTED")
    expect(not scene.get(name).ok, "the other write was done", found)
    expect(scene.get(scene.name(taken)).ok, "what was to be deleted is gone", found)
    fine = good.writes.add().delete
    fine.type, fine.name, fine.etag = scene.kind.type, scene.name(taken), taken.etag
    found = scene.world.ask(method, good)
    expect_code(found, "OK")
    expect(scene.get(name).ok, "what was to be created is not there", found)
    if not scene.kind.soft:
        expect(not scene.get(scene.name(taken)).ok, "what was to be deleted can still be read", found)


@check(59, aip=0, needs=(Role.CREATE, Role.GET))
def expansions_are_filled_when_asked_for(scene: Scene) -> None:
    """A field that a reference fills is filled when the read mask names it, and not otherwise."""
    pairs = [(each, source) for each in scene.kind.message.fields if (source := scene.world.annotations.expanded(each))]
    if not pairs:
        skip(f"{scene.kind.title} has no field that a reference fills")
    made = scene.new()
    seen = False
    for each, source in pairs:
        reference = getattr(made, source)
        reference = getattr(reference, "value", reference)  # A StringValue holds its text inside.
        if not reference or each.is_repeated:
            continue
        seen = True
        plain = scene.get(scene.name(made))
        expect(not plain.response.HasField(each.name), f"`{each.name}` is filled, and nobody asked for it", plain)
        found = _read(scene, scene.name(made), each)
        expect_code(found, "OK")
        name = getattr(getattr(found.response, each.name), "name", "")
        expect(name == reference, f"`{each.name}` has the name {name!r}, `{source}` says {reference!r}", found)
    if not seen:
        skip("no reference that fills a field could be set")


def _read(scene: Scene, name: str, each: FieldDescriptor) -> Exchange:
    """Get with the mask of one field."""
    request = scene.request(Role.GET, name=name)
    if scene.kind.has(Role.GET, "read_mask"):
        request.read_mask.paths.append(each.name)
        return scene.call(Role.GET, request)
    return scene.world.call(scene.kind, Role.GET, request, headers=(("x-goog-fieldmask", each.name),))
