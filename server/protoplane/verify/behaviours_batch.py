"""Batches: 45 to 47 (AIP-231, 233, 234, 235)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message_factory import GetMessageClass

from protoplane.verify.check import Scene, check
from protoplane.verify.exchange import Message
from protoplane.verify.fields import two_values
from protoplane.verify.resources import Role
from protoplane.verify.verdict import expect, expect_code, skip
from protoplane.verify.world import setting

NEEDS: Final = (Role.CREATE, Role.GET)


def _parent(scene: Scene, role: Role) -> dict[str, Any]:
    """The `parent` of a batch, where it has one."""
    return {"parent": scene.world.parent(scene.kind)} if scene.kind.has(role, "parent") else {}


def _names(scene: Scene, rows: Sequence[Message]) -> list[str]:
    return [scene.name(row) for row in rows]


@check(45, aip=231, needs=(*NEEDS, Role.BATCH_GET))
def batch_get_keeps_the_order(scene: Scene) -> None:
    """BatchGet answers in the order that was asked for."""
    names = sorted(scene.name(scene.new()) for _ in range(3))
    for wanted in (names, names[::-1]):  # An order that the answers always have fits one of the two at most.
        found = scene.call(Role.BATCH_GET, names=wanted, **_parent(scene, Role.BATCH_GET))
        expect_code(found, "OK")
        got = _names(scene, getattr(found.response, scene.kind.rows_field(Role.BATCH_GET)))
        expect(got == wanted, f"the answer has {got}", found)


@check(45, aip=231, needs=(*NEEDS, Role.BATCH_GET))
def batch_get_is_whole(scene: Scene) -> None:
    """BatchGet with one that is not there ends with NOT_FOUND."""
    names = [scene.name(scene.new()), scene.absent()]
    expect_code(scene.call(Role.BATCH_GET, names=names, **_parent(scene, Role.BATCH_GET)), "NOT_FOUND")


@check(45, aip=231, needs=(Role.BATCH_GET,), writes=False)
def batch_get_needs_names(scene: Scene) -> None:
    """BatchGet of nothing is refused with INVALID_ARGUMENT."""
    expect_code(scene.call(Role.BATCH_GET, **_parent(scene, Role.BATCH_GET)), "INVALID_ARGUMENT")


@check(45, aip=231, needs=(*NEEDS, Role.BATCH_GET))
def batch_get_has_one_parent(scene: Scene) -> None:
    """BatchGet with a name below another parent than its own is refused with INVALID_ARGUMENT."""
    if not _parent(scene, Role.BATCH_GET) or not _parent(scene, Role.BATCH_GET)["parent"]:
        skip("the request has no `parent`")
    name = scene.name(scene.new())
    other = scene.world.new_parent(scene.kind)
    expect_code(scene.call(Role.BATCH_GET, names=[name], parent=other), "INVALID_ARGUMENT")


def _requests(scene: Scene, count: int, parent: str | None = None) -> list[Message]:
    scene.world.usable(scene.kind)
    return [scene.world.creation(scene.kind, scene.world.body(scene.kind), parent=parent) for _ in range(count)]


def _sweep(scene: Scene, requests: Sequence[Message]) -> None:
    """Remember what a batch may have made."""
    for each in requests:
        scene.world.made.add(scene.kind, scene.world.intended(scene.kind, each), unsure=True)


@check(46, aip=233, needs=(*NEEDS, Role.BATCH_CREATE, Role.DELETE))
def batch_create_keeps_the_order(scene: Scene) -> None:
    """BatchCreate answers in the order of the requests."""
    requests = _requests(scene, 3)
    _sweep(scene, requests)
    found = scene.call(Role.BATCH_CREATE, requests=requests, **_parent(scene, Role.BATCH_CREATE))
    expect_code(found, "OK")
    got = _names(scene, getattr(found.response, scene.kind.rows_field(Role.BATCH_CREATE)))
    wanted = [scene.world.intended(scene.kind, each) for each in requests]
    if all(wanted):
        expect(got == wanted, f"the answer has {got}, not {wanted}", found)
    else:
        expect(len(got) == len(wanted), f"the answer has {len(got)} resources", found)


@check(46, aip=233, needs=(*NEEDS, Role.BATCH_CREATE, Role.DELETE))
def batch_create_is_whole(scene: Scene) -> None:
    """BatchCreate with one that cannot be made makes none."""
    first, second = _requests(scene, 2)
    taken = scene.new(parent=getattr(second, "parent", None))
    if not getattr(second, f"{scene.kind.word}_id", ""):
        skip("callers give no ids: no request could be made that fails")
    setattr(second, f"{scene.kind.word}_id", scene.name(taken).rpartition("/")[2])
    _sweep(scene, [first])
    found = scene.call(Role.BATCH_CREATE, requests=[first, second], **_parent(scene, Role.BATCH_CREATE))
    if found.ok and scene.try_new(own_id=scene.name(taken).rpartition("/")[2], parent=getattr(second, "parent", None)).ok:
        skip("a Create of what is there already goes well, too: no request could be made that fails")
    expect(not found.ok, "the batch went well, though one was there already", found)
    expect(not scene.get(scene.world.intended(scene.kind, first)).ok, "the other one was made", found)


@check(46, aip=233, needs=(*NEEDS, Role.BATCH_CREATE, Role.DELETE))
def batch_create_has_one_parent(scene: Scene) -> None:
    """BatchCreate with another parent than a request's is refused with INVALID_ARGUMENT."""
    if not scene.kind.has(Role.BATCH_CREATE, "parent") or not scene.world.parent(scene.kind):
        skip("the request has no `parent`")
    requests = _requests(scene, 1, parent=scene.world.new_parent(scene.kind))
    _sweep(scene, requests)
    found = scene.call(Role.BATCH_CREATE, requests=requests, parent=scene.world.parent(scene.kind))
    expect_code(found, "INVALID_ARGUMENT")


def _update(scene: Scene, name: str, field: str, value: Any) -> Message:
    made: Message = GetMessageClass(scene.kind.methods[Role.UPDATE].input_type)()
    slot = next(each.name for each in made.DESCRIPTOR.fields if each.message_type is scene.kind.message)
    setattr(getattr(made, slot), scene.kind.name_field, name)
    setattr(getattr(made, slot), field, value)
    made.update_mask.paths.append(field)
    return made


@check(46, aip=234, needs=(*NEEDS, Role.BATCH_UPDATE, Role.UPDATE))
def batch_update_is_whole(scene: Scene) -> None:
    """BatchUpdate changes all, in the order of the requests; with one that is not there it changes none."""
    field, first, second = two_values(scene)
    names = [scene.name(scene.new(setting(field.name, first))) for _ in range(2)]
    parent = _parent(scene, Role.BATCH_UPDATE)
    broken = [_update(scene, name, field.name, second) for name in (names[0], scene.absent())]
    found = scene.call(Role.BATCH_UPDATE, requests=broken, **parent)
    expect_code(found, "NOT_FOUND")
    expect(getattr(scene.read(names[0]), field.name) == first, "the other one changed", found)
    found = scene.call(Role.BATCH_UPDATE, requests=[_update(scene, name, field.name, second) for name in names[::-1]], **parent)
    expect_code(found, "OK")
    rows = getattr(found.response, scene.kind.rows_field(Role.BATCH_UPDATE))
    expect(_names(scene, rows) == names[::-1], "the answer has another order", found)
    expect(all(getattr(row, field.name) == second for row in rows), f"`{field.name}` is not what was given", found)


def _deletion(scene: Scene, names: Sequence[str]) -> dict[str, Any]:
    if scene.kind.has(Role.BATCH_DELETE, "names"):
        return {"names": list(names)}
    each = scene.kind.methods[Role.BATCH_DELETE].input_type.fields_by_name["requests"].message_type
    assert each is not None
    return {"requests": [GetMessageClass(each)(name=name) for name in names]}


@check(46, aip=235, needs=(*NEEDS, Role.BATCH_DELETE, Role.DELETE))
def batch_delete_is_whole(scene: Scene) -> None:
    """BatchDelete deletes all; with one that is not there it deletes none."""
    names = [scene.name(scene.new()) for _ in range(2)]
    parent, missing = _parent(scene, Role.BATCH_DELETE), scene.absent()
    found = scene.call(Role.BATCH_DELETE, **_deletion(scene, [names[0], missing]), **parent)
    expect_code(found, "NOT_FOUND")
    expect(scene.get(names[0]).ok, "the other one was deleted", found)
    expect_code(scene.call(Role.BATCH_DELETE, **_deletion(scene, names), **parent), "OK")
    if not scene.kind.soft:
        for name in names:
            expect(not scene.get(name).ok, "it can still be read", scene.world.caller.latest[-1])


@check(47, aip=235, needs=(Role.BATCH_DELETE,), writes=False)
def batch_delete_has_no_filter(scene: Scene) -> None:
    """BatchDelete takes names, no filter."""
    expect("filter" not in scene.kind.methods[Role.BATCH_DELETE].input_type.fields_by_name, "its request has a `filter`")


@check(47, aip=235, needs=(*NEEDS, Role.BATCH_DELETE))
def soft_batch_delete_gives_them(scene: Scene) -> None:
    """BatchDelete of soft-deleted resources answers with them."""
    if not scene.kind.soft:
        skip(f"{scene.kind.title} is not soft-deleted")
    rows = scene.kind.rows_field(Role.BATCH_DELETE)
    expect(rows, f"the answer of {scene.kind.method_name(Role.BATCH_DELETE)} holds no {scene.kind.title}")
    name = scene.name(scene.new())
    found = scene.call(Role.BATCH_DELETE, **_deletion(scene, [name]), **_parent(scene, Role.BATCH_DELETE))
    expect_code(found, "OK")
    expect(_names(scene, getattr(found.response, rows)) == [name], "the answer has another resource", found)
