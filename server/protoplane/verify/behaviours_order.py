"""Sorting: 27 (AIP-132)."""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import FieldDescriptor

from protoplane.verify.check import MANY, Scene, check
from protoplane.verify.fields import changeable
from protoplane.verify.order import Column, column, refused
from protoplane.verify.resources import Role
from protoplane.verify.verdict import about, expect, expect_code, skip

NEEDS: Final = (Role.LIST, Role.CREATE)


def _sorted(scene: Scene, one: Column, order: str, wanted: list[str]) -> None:
    with about(f"order_by {order!r}"):
        found = one.scope.every(MANY, order_by=order)
        expect(found == wanted, f"the rows come as {found}, not as {wanted}", scene.world.caller.latest[-1])


def _sortable(scene: Scene, *, number: bool) -> Column:
    if not scene.kind.has(Role.LIST, "order_by"):
        skip("the list has no `order_by`")
    one = column(scene, number=number)
    found = scene.page(**one.scope.arguments, order_by=one.field.name)
    if refused(found):
        skip(f"it does not sort by `{one.field.name}`: {found.message}")
    return one


@check(27, aip=132, needs=NEEDS)
def numbers_sort_as_numbers(scene: Scene) -> None:
    """Numbers sort as numbers, ascending unless `desc` is said."""
    one = _sortable(scene, number=True)
    _sorted(scene, one, one.field.name, one.ascending)
    _sorted(scene, one, f"{one.field.name} desc", one.ascending[::-1])


@check(27, aip=132, needs=NEEDS)
def texts_sort(scene: Scene) -> None:
    """Texts sort ascending unless `desc` is said."""
    one = _sortable(scene, number=False)
    _sorted(scene, one, one.field.name, one.ascending)
    _sorted(scene, one, f"{one.field.name} desc", one.ascending[::-1])


@check(27, aip=132, needs=NEEDS)
def spaces_mean_nothing(scene: Scene) -> None:
    """Spaces mean nothing, and a second field decides among equals."""
    one = _sortable(scene, number=False)
    name = one.field.name
    _sorted(scene, one, f"  {name}   desc ", one.ascending[::-1])
    second = next((each.name for each in changeable(scene) if each.cpp_type == FieldDescriptor.CPPTYPE_STRING and each.name != name), "")
    if not second or refused(scene.page(**one.scope.arguments, order_by=second)):
        second = scene.kind.name_field
    if refused(scene.page(**one.scope.arguments, order_by=second)):
        return
    for order in (f"{name} desc,{second}", f" {name}  desc ,  {second} "):
        _sorted(scene, one, order, one.ascending[::-1])


@check(27, aip=132, needs=(Role.LIST,), writes=False)
def unknown_fields_are_refused(scene: Scene) -> None:
    """An order_by that names no field is refused with INVALID_ARGUMENT."""
    if not scene.kind.has(Role.LIST, "order_by"):
        skip("the list has no `order_by`")
    parent = {"parent": scene.world.parent(scene.kind)} if scene.kind.has(Role.LIST, "parent") else {}
    expect_code(scene.page(**parent, order_by="verify_is_no_field"), "INVALID_ARGUMENT")


@check(27, aip=132, needs=NEEDS)
def subfields_sort(scene: Scene) -> None:
    """Fields of messages sort by their path."""
    if not scene.kind.has(Role.LIST, "order_by"):
        skip("the list has no `order_by`")
    parent = {"parent": scene.world.parent(scene.kind)} if scene.kind.has(Role.LIST, "parent") else {}
    for each in scene.kind.message.fields:
        inside = each.message_type
        if each.is_repeated or inside is None or inside.full_name.startswith("google."):
            continue
        for inner in inside.fields:
            if not inner.is_repeated and inner.cpp_type in {FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_INT32}:
                found = scene.page(**parent, order_by=f"{each.name}.{inner.name}")
                if refused(found):
                    skip(f"it does not sort by `{each.name}.{inner.name}`: {found.message}")
                expect_code(found, "OK")
                return
    skip(f"{scene.kind.title} has no message with a text or number in it")
