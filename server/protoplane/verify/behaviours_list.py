"""Lists, page by page: 19 to 26 (AIP-132, 158, 159, 164)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from protoplane.verify.check import MANY, Scene, check
from protoplane.verify.fields import changeable, free_text, scalars_of
from protoplane.verify.order import refused
from protoplane.verify.resources import Role
from protoplane.verify.scope import Scope, each_once, every_other_without, scope_of
from protoplane.verify.verdict import NotApplicable, about, expect, expect_code, skip
from protoplane.verify.world import setting

LISTS: Final = (Role.LIST,)
MADE: Final = (Role.LIST, Role.CREATE)
CHANGES: Final = 2
FIELDS_MAX: Final = 2
READABLE_BYTES_MIN: Final = 6
"""Fewer bytes are readable by chance."""


def _always(size: int) -> Callable[[int], int]:
    return lambda _: size


def somewhere(scene: Scene) -> dict[str, Any]:
    """Arguments of a list that can be had without making anything in it."""
    scene.request(Role.LIST, page_size=1, page_token="")
    return {"parent": scene.world.parent(scene.kind)} if scene.kind.has(Role.LIST, "parent") else {}


@check(19, aip=158, needs=LISTS, writes=False)
def negative_size_is_refused(scene: Scene) -> None:
    """A negative page_size is refused with INVALID_ARGUMENT."""
    expect_code(scene.page(**somewhere(scene), page_size=-1), "INVALID_ARGUMENT")


@check(19, aip=158, needs=LISTS, writes=False)
def sizes_are_lowered(scene: Scene) -> None:
    """A page_size of 0 is the service's own, and one above its maximum is lowered."""
    for size in (0, 2_147_483_647):
        with about(f"page_size {size}"):
            expect_code(scene.page(**somewhere(scene), page_size=size), "OK")


@check(19, aip=158, needs=MADE)
def sizes_are_honoured(scene: Scene) -> None:
    """No page has more rows than page_size, which may change from page to page."""
    scope = scope_of(scene)
    for number, page in enumerate(scene.walk(lambda page: 1 + page % 3 + scope.size() - 2, **scope.arguments)):
        size = 1 + number % 3 + scope.size() - 2
        expect(len(scene.rows(page)) <= size, f"{len(scene.rows(page))} rows on a page of {size}", page)


@check(20, aip=158, needs=MADE)
def the_last_page_has_no_token(scene: Scene) -> None:
    """The last page has no next_page_token, also when it is full."""
    scope = scope_of(scene)
    if not scope.exact:
        skip("others have rows there: the last page cannot be told")
    for size in (len(scope.names), len(scope.names) // 2, len(scope.names) + 1):
        count = 0
        for page in scene.walk(_always(size), **scope.arguments):
            count += len(scene.rows(page))
            if count == len(scope.names):
                expect(not page.response.next_page_token, "all rows have come, and there is a next_page_token", page)


@check(20, aip=158, needs=MADE)
def empty_collections_end(scene: Scene) -> None:
    """The pages of an empty collection end at once."""
    if not scene.kind.has(Role.LIST, "parent"):
        skip("there is no parent to make an empty collection of")
    found = scene.page(parent=scene.world.new_parent(scene.kind), page_size=5)
    expect_code(found, "OK")
    expect(not scene.rows(found) and not found.response.next_page_token, "there are rows, or a next_page_token", found)


@check(21, aip=158, must=False, needs=MADE)
def tokens_belong_to_their_call(scene: Scene) -> None:
    """A page_token with another filter, order or parent is refused with INVALID_ARGUMENT."""
    scope = scope_of(scene)
    token = _token(scope)
    field = scalars_of(scene, *_SCALARS)[0].name if scalars_of(scene, *_SCALARS) else scene.kind.name_field
    tried = 0
    for change in ({"order_by": field}, {"filter": f'{scene.kind.name_field} != "verify"'}, {"parent": ""}):
        name = next(iter(change))
        if not scene.kind.has(Role.LIST, name):
            continue
        if name == "parent":
            if not scene.world.makes_parents(scene.kind):
                continue
            change = {"parent": scene.world.new_parent(scene.kind)}  # noqa: PLW2901 - made only where it is needed.
        other = {**scope.arguments, **change, "page_size": scope.size()}
        if not scene.page(**other).ok:
            continue  # What is refused by itself tells nothing.
        tried += 1
        with about(f"another `{name}`"):
            expect_code(scene.page(**other, page_token=token), "INVALID_ARGUMENT")
    if not tried:
        skip("nothing of the request can be changed")


_SCALARS: Final = (1, 2, 3, 4, 5, 6, 9)
"""C++ types of numbers and texts."""


@check(21, aip=158, must=False, needs=LISTS, writes=False)
def garbage_is_no_token(scene: Scene) -> None:
    """A page_token that is none is refused with INVALID_ARGUMENT."""
    for token in ("verify-is-no-token", "AAAA", "%%%"):
        with about(f"page_token {token!r}"):
            expect_code(scene.page(**somewhere(scene), page_token=token), "INVALID_ARGUMENT")


def _token(scope: Scope) -> str:
    found = scope.scene.page(**scope.arguments, page_size=scope.size())
    expect_code(found, "OK")
    return str(found.response.next_page_token or skip("the first page holds everything"))


@check(22, aip=158, needs=MADE)
def tokens_are_opaque(scene: Scene) -> None:
    """Page tokens are URL-safe, and cannot be read by their callers."""
    scope = scope_of(scene)
    token = _token(scope)
    page = scene.world.caller.latest[-1]
    expect(re.fullmatch(r"[A-Za-z0-9._~=-]+", token), "the token is not URL-safe", page)
    ids = [name.rpartition("/")[2].encode() for name in scene.rows(page)]
    for data in _read(token):
        told = next((one for one in ids if len(one) >= READABLE_BYTES_MIN and one in data), b"")
        expect(not told, f"the token holds the id {told.decode()!r} in the clear", page)
        readable = bool(re.fullmatch(rb"[\x20-\x7e\s]+", data)) and (len(data) >= READABLE_BYTES_MIN or data.isdigit())
        expect(not readable, f"the token reads {data[:60]!r}", page)


def _read(token: str) -> Iterator[bytes]:
    """What a token says to those who undo the usual encodings."""
    if token.isdigit() or not re.fullmatch(r"[A-Za-z0-9_=-]+", token):
        yield token.encode()
    plain = token.rstrip("=")
    for text in (plain, plain.upper() if plain.islower() else plain):
        padded = text + "=" * (-len(text) % 4)
        for decode in (base64.urlsafe_b64decode, base64.b32decode, bytes.fromhex):
            try:
                yield decode(
                    text if decode is bytes.fromhex else padded if decode is base64.urlsafe_b64decode else text + "=" * (-len(text) % 8)
                )
            except (binascii.Error, ValueError):
                continue


@check(23, aip=158, needs=MADE)
def each_row_comes_once(scene: Scene) -> None:
    """A walk through all pages gives every row once."""
    scope = scope_of(scene)
    for _ in range(2):
        each_once(scope, scope.every(scope.size()), "a walk in small pages")


@check(23, aip=158, needs=(*MADE, Role.DELETE))
def others_writes_move_no_rows(scene: Scene) -> None:
    """Rows that are deleted and made meanwhile make no other row come twice or not at all."""
    scope = scope_of(scene, 8)
    found: list[str] = []
    gone: set[str] = set()
    changes = 0
    for page in scene.walk(lambda _: scope.size(), **scope.arguments):
        own = scope.own(page)
        found += own
        if own and changes < CHANGES and len(found) < len(scope.names):  # One that has come: whoever counts rows now skips one.
            changes += 1
            if changes == 1:
                gone.add(own[0])
                expect_code(scene.delete(own[0]), "OK")
            else:
                for _ in range(2):
                    scope.add()
    each_once(scope, found, "a walk while rows are deleted and made", but=frozenset(gone))


@check(23, aip=158, needs=MADE)
def ties_lose_no_rows(scene: Scene) -> None:
    """Rows with equal and with unset sort keys come once each."""
    if not scene.kind.has(Role.LIST, "order_by"):
        skip("the list has no `order_by`")
    tried = 0
    for field in [each for each in changeable(scene) if not each.is_repeated and each.message_type is None][:12]:
        if scene.world.annotations.field(field).required:
            continue
        scope = scope_of(scene, 6, every_other_without(field.name))
        if refused(scene.page(**scope.arguments, order_by=field.name)):
            continue
        for order in (field.name, f"{field.name} desc"):
            each_once(scope, scope.every(scope.size(), order_by=order), f"a walk by `{order}`")
        tried += 1
        if tried == FIELDS_MAX:
            return
    if not tried:
        skip("no field that may be unset can be sorted by")


@check(24, aip=158, needs=MADE)
def total_size_counts(scene: Scene) -> None:
    """Total_size counts what the filter finds."""
    if "total_size" not in scene.kind.methods[Role.LIST].output_type.fields_by_name:
        skip("the answer has no `total_size`")
    scope = scope_of(scene, 4)
    found = scene.page(**scope.arguments, page_size=2)
    expect_code(found, "OK")
    if scope.exact:
        expect(found.response.total_size == len(scope.names), f"{len(scope.names)} rows are there", found)
    if not scene.kind.has(Role.LIST, "filter") or "filter" in scope.arguments:
        return
    field = free_text(scene)
    word = scene.world.chance.word(12)
    scope.add(setting(field.name, word))
    found = scene.page(**scope.arguments, page_size=1, filter=f'{field.name} = "{word}"')
    if refused(found):
        return
    expect_code(found, "OK")
    expect(found.response.total_size == 1, "the filter finds one row", found)


@check(24, aip=158, needs=MADE)
def skip_counts_rows(scene: Scene) -> None:
    """Skip counts rows, and past the end there is nothing, and no error."""
    if not scene.kind.has(Role.LIST, "skip"):
        skip("the list has no `skip`")
    scope = scope_of(scene, 4)
    every = [name for page in scene.walk(lambda _: MANY, **scope.arguments) for name in scene.rows(page)]
    found = scene.some(MANY, **scope.arguments, skip=1)
    expect_code(found, "OK")
    if scope.exact:
        expect(scene.rows(found) == every[1:], "all rows but the first come", found)
    past = scene.some(MANY, **scope.arguments, skip=len(every) + 1_000)
    expect_code(past, "OK")
    expect(not scene.rows(past) and not past.response.next_page_token, "nothing comes", past)


@check(25, aip=132, needs=LISTS, writes=False)
def missing_parents_are_not_found(scene: Scene) -> None:
    """A list below a parent that is not there ends with NOT_FOUND."""
    if not scene.kind.has(Role.LIST, "parent"):
        skip(f"{scene.kind.title} has no parent")
    known = [scene.world.kinds[parent] for parent in scene.kind.parents if parent in scene.world.kinds]
    if not known or known[0].singleton:
        skip("nothing is known of its parents")
    expect_code(scene.page(parent=scene.world.absent(known[0])), "NOT_FOUND")


@check(25, aip=159, needs=MADE)
def wildcards_give_whole_names(scene: Scene) -> None:
    """A list across parents (-) gives whole names."""
    if not scene.kind.has(Role.LIST, "parent"):
        skip(f"{scene.kind.title} has no parent")
    scope = scope_of(scene, 2)
    above = str(scope.arguments["parent"]).rpartition("/")[0]
    found = scene.some(MANY, parent=f"{above}/-")
    if found.code in {"INVALID_ARGUMENT", "NOT_FOUND"}:
        skip(f"lists across parents are not served: {found.message}")
    expect_code(found, "OK")
    expect(not [name for name in scene.rows(found) if "/-/" in name], "names hold the - of the request", found)
    every = [name for page in scene.walk(lambda _: MANY, parent=f"{above}/-") for name in scene.rows(page)]
    missing = [name for name in scope.names if name not in every]
    expect(not missing, f"{', '.join(missing)} did not come", found)


@check(26, aip=164, must=False, needs=(*MADE, Role.DELETE))
def deleted_rows_are_hidden(scene: Scene) -> None:
    """Soft-deleted rows are listed only with show_deleted."""
    if not scene.kind.soft:
        skip(f"{scene.kind.title} is not soft-deleted")
    scope = scope_of(scene, 3)
    expect_code(scene.delete(scope.names[0]), "OK")
    expect(scope.names[0] not in scope.every(scope.size()), "a deleted row is listed", scene.world.caller.latest[-1])
    try:
        shown = scope.every(scope.size(), show_deleted=True)
    except NotApplicable:
        return
    expect(scope.names[0] in shown, "with show_deleted it is not listed", scene.world.caller.latest[-1])
