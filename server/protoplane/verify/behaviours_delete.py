"""Delete and soft delete: 41 to 43 (AIP-135, 164)."""

from __future__ import annotations

from typing import Final

from protoplane.verify.check import Scene, check
from protoplane.verify.fields import two_values
from protoplane.verify.resources import Kind, Role
from protoplane.verify.verdict import NotApplicable, expect, expect_code, skip
from protoplane.verify.world import setting

NEEDS: Final = (Role.CREATE, Role.GET, Role.DELETE)


@check(41, aip=135, needs=NEEDS)
def deleted_is_gone(scene: Scene) -> None:
    """What was deleted is gone, and a second Delete ends with NOT_FOUND."""
    name = scene.name(scene.new())
    expect_code(scene.delete(name), "OK")
    if not scene.kind.soft:
        expect(not scene.get(name).ok, "it can still be read", scene.world.caller.latest[-1])
    expect_code(scene.delete(name), "NOT_FOUND")


@check(41, aip=135, needs=NEEDS)
def allow_missing_is_content(scene: Scene) -> None:
    """With allow_missing a Delete of what is not there goes well."""
    scene.request(Role.DELETE, allow_missing=True)
    name = scene.name(scene.new())
    expect_code(scene.delete(name, allow_missing=True), "OK")
    expect_code(scene.delete(name, allow_missing=True), "OK")


@check(41, aip=135, needs=(*NEEDS, Role.UPDATE))
def an_old_etag_is_aborted(scene: Scene) -> None:
    """A Delete with an old etag ends with ABORTED and deletes nothing."""
    scene.request(Role.DELETE, etag="")
    if "etag" not in scene.kind.message.fields_by_name:
        skip(f"{scene.kind.title} has no `etag`")
    field, first, second = two_values(scene)
    made = scene.new(setting(field.name, first))
    body = scene.empty(scene.name(made))
    setattr(body, field.name, second)
    changed = scene.update(body, [field.name])
    expect_code(changed, "OK")
    expect_code(scene.delete(scene.name(made), etag=made.etag), "ABORTED")
    expect(scene.get(scene.name(made)).ok, "it is gone", scene.world.caller.latest[-1])
    expect_code(scene.delete(scene.name(made), etag=changed.response.etag), "OK")


def _child(scene: Scene) -> Kind:
    for other in scene.world.kinds.values():
        if scene.kind.type in other.parents and not other.singleton and other.has(Role.CREATE, "parent"):
            try:
                scene.world.usable(other)
            except NotApplicable:
                continue
            return other
    return skip(f"nothing can be made below a {scene.kind.title}")


@check(42, aip=135, needs=NEEDS)
def children_are_in_the_way(scene: Scene) -> None:
    """A Delete of what has children ends with FAILED_PRECONDITION."""
    child = _child(scene)
    if scene.kind.soft:
        skip(f"{scene.kind.title} is soft-deleted: its children stay with it")
    name = scene.name(scene.new())
    scene.world.create(child, parent=name)
    expect_code(scene.delete(name), "FAILED_PRECONDITION")


@check(42, aip=135, needs=NEEDS)
def force_takes_the_children(scene: Scene) -> None:
    """With force a Delete takes the children, too."""
    scene.request(Role.DELETE, force=True)
    child = _child(scene)
    name = scene.name(scene.new())
    below = getattr(scene.world.create(child, parent=name), child.name_field)
    expect_code(scene.delete(name, force=True), "OK")
    if child.has(Role.GET) and not scene.kind.soft and not child.soft:
        read = scene.world.call(child, Role.GET, scene.world.request(child, Role.GET, name=below))
        expect(not read.ok, "the child can still be read", read)


@check(42, aip=156, needs=NEEDS)
def singletons_are_not_in_the_way(scene: Scene) -> None:
    """A singleton below it is not in the way of a Delete."""
    singles = [other for other in scene.world.kinds.values() if scene.kind.type in other.parents and other.singleton]
    if not singles:
        skip(f"there is no singleton below a {scene.kind.title}")
    name = scene.name(scene.new())
    for other in singles:
        if other.has(Role.GET):
            single = f"{name}/{other.pattern_below(scene.kind.type).rpartition('/')[2]}"
            expect_code(scene.world.call(other, Role.GET, scene.world.request(other, Role.GET, name=single)), "OK")
    expect_code(scene.delete(name), "OK")


def _soft(scene: Scene) -> None:
    if not scene.kind.soft:
        skip(f"{scene.kind.title} is not soft-deleted")


@check(43, aip=164, needs=NEEDS)
def soft_delete_gives_the_resource(scene: Scene) -> None:
    """A soft Delete answers with the resource and its delete_time; a second one ends with NOT_FOUND."""
    _soft(scene)
    name = scene.name(scene.new())
    found = scene.delete(name)
    expect_code(found, "OK")
    if found.response.DESCRIPTOR is scene.kind.message and "delete_time" in scene.kind.message.fields_by_name:
        expect(found.response.delete_time.seconds, "the answer has no delete_time", found)
    expect_code(scene.delete(name), "NOT_FOUND")


@check(43, aip=164, needs=(*NEEDS, Role.UNDELETE))
def undelete_brings_back(scene: Scene) -> None:
    """Undelete brings it back; of what is not deleted it ends with ALREADY_EXISTS."""
    name = scene.name(scene.new())
    expect_code(scene.delete(name), "OK")
    expect_code(scene.call(Role.UNDELETE, name=name), "OK")
    read = scene.read(name)
    if "delete_time" in scene.kind.message.fields_by_name:
        expect(not read.HasField("delete_time"), "it still has a delete_time", scene.world.caller.latest[-1])
    expect_code(scene.call(Role.UNDELETE, name=name), "ALREADY_EXISTS")


@check(43, aip=164, needs=NEEDS)
def deleted_ids_are_not_free(scene: Scene) -> None:
    """The id of what is soft-deleted is not free."""
    _soft(scene)
    if not scene.world.new_id(scene.kind):
        skip("callers give no ids")
    made = scene.new()
    expect_code(scene.delete(scene.name(made)), "OK")
    found = scene.try_new(own_id=scene.name(made).rpartition("/")[2])
    expect_code(found, "ALREADY_EXISTS")
