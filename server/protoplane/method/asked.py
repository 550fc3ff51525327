"""What of a resource a call asks for: by its `read_mask`, its `view`, or the side channel (AIP-157). One of the three at most."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from protoplane.base.errors import Violation, invalid_fields
from protoplane.contract.model import Field, Method, MethodKind
from protoplane.contract.views import BASIC, FULL, view_enum, view_names
from protoplane.method.call import Call
from protoplane.method.narrow import Narrow, Reading
from protoplane.query.mask import refuse_mask
from protoplane.query.read_mask import SIDE_CHANNEL, Inside, Part, ReadMasks, split_paths, trim

MASK: Final = "read_mask"

TRIMS_KEPT_MAX = 128
"""Masks of answers kept per method, by their text. The oldest goes first."""

KEPT_CHARACTERS_MAX = 2_048
"""Of a text that is kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for."""

    narrow: Narrow | None
    """Of the resource; None for everything that is stored."""
    answer: Part
    """Of the answer around the resources: those of a List stand in one of its fields."""

    def leave_out(self, answer: Message) -> None:
        """Clear the fields of an answer that were not asked for; the resources in it are narrow already."""
        if not self.answer.whole:
            for descriptor, _ in answer.ListFields():
                if self.answer.below(descriptor.name) is None:
                    answer.ClearField(descriptor.name)


ALL: Final = Asked(None, Part(whole=True))
Ask = Callable[[Call, Any], Asked]


def compile_asked(method: Method, reading: Reading, *, around: bool) -> Ask:
    """How a method that reads learns what a call asks for; the caller's right to what it expands is checked with it.

    `around`: a team's code calls it. The side channel then has expansions filled and narrows nothing, because the code may need
    what the caller does not; what leaves the service is narrowed in the end.
    """
    headers = _Headers(method, reading, around=around)
    has_mask = _is_mask(method.request_field(MASK))
    views = _views(method, reading)
    if not has_mask and views is None:

        def by_side_channel(call: Call, _request: Any) -> Asked:
            return headers.of(call) if call.field_mask else ALL

        return by_side_channel

    def ask(call: Call, request: Any) -> Asked:
        paths = tuple(request.read_mask.paths) if has_mask else ()
        view: int = request.view if views is not None else 0
        if bool(paths) + bool(view) + bool(call.field_mask) > 1:
            raise refuse_mask(paths[0] if paths else call.field_mask, "give one of read_mask, view and x-goog-fieldmask.", MASK)
        if call.field_mask:
            return headers.of(call)
        if not paths and views is None:
            return ALL
        if not paths and views is not None and view not in views:
            raise invalid_fields([Violation("view", "is no view there is", "UNKNOWN_VIEW")])
        narrow = reading.of(paths, MASK) if paths or views is None else views[view]
        return ALL if narrow is None else _authorised(call, Asked(narrow, ALL.answer))

    return ask


def _authorised(call: Call, asked: Asked) -> Asked:
    if asked.narrow is not None:
        asked.narrow.authorise(call)
    return asked


def _is_mask(field: Field | None) -> bool:
    return field is not None and field.message is not None and field.message.full_name == "google.protobuf.FieldMask"


def _views(method: Method, reading: Reading) -> dict[int, Narrow | None] | None:
    """What each value of the method's `view` reads; None where it has none. Unspecified is BASIC for lists, FULL for all else."""
    enum = view_enum(method)
    if enum is None:
        return None
    declared = {view.name: reading.of(view.paths, "view") for view in reading.rows.resource.views}
    default = BASIC if method.kind is MethodKind.LIST else FULL
    return {0: declared.get(default)} | {number: declared.get(name) for number, name in view_names(enum).items()}


class _Headers:
    """The masks of one method's answers, from the side channel."""

    def __init__(self, method: Method, reading: Reading, *, around: bool) -> None:
        self._masks = answer_masks(method, reading.inside)
        self._reading, self._around = reading, around
        message = reading.rows.resource.message
        fields = () if method.response is message else method.response_fields
        self._listed = next((field for field in fields if field.message is message), None)
        self._kept: dict[str, Asked] = {}
        self._keeping = threading.Lock()

    def of(self, call: Call) -> Asked:
        """What the call's mask asks for. Raises Fault INVALID_FIELD_MASK, PERMISSION_DENIED."""
        asked = self._kept.get(call.field_mask)
        if asked is None:
            asked = self._read(call.field_mask)
            if len(call.field_mask) <= KEPT_CHARACTERS_MAX:
                with self._keeping:
                    if len(self._kept) >= TRIMS_KEPT_MAX:
                        del self._kept[next(iter(self._kept))]
                    self._kept[call.field_mask] = asked
        return _authorised(call, asked)

    def _read(self, text: str) -> Asked:
        answer = self._masks.read(split_paths(text), SIDE_CHANNEL)
        part = answer
        if self._listed is not None:
            part = (answer.fields.get(self._listed.name) or Part()).element()
            if answer.whole:
                part = Part(whole=True, fields=part.fields)
        if self._around:
            return Asked(self._reading.of_part(Part(whole=True, fields=part.fields), SIDE_CHANNEL), ALL.answer)
        return Asked(self._reading.of_part(part, SIDE_CHANNEL), answer)


def answer_masks(method: Method, inside: Inside) -> ReadMasks:
    """How masks of a method's answers are read. Answers to standard writes hold no expansions."""
    expands = method.kind in {MethodKind.GET, MethodKind.BATCH_GET, MethodKind.LIST, MethodKind.CUSTOM}
    return ReadMasks(method.response_fields, inside, f"the answer of {method.name}", expands=expands)


def compile_trim(method: Method, inside: Inside) -> Callable[[str], Callable[[bytes], bytes]]:
    """How the side channel narrows an answer whose handler does not: from the mask to what is done with the encoded answer.

    The mask is read before anything is done, the answer narrowed after everything: an answer that is kept for retries is whole.
    """
    masks, response_class = answer_masks(method, inside), method.response_class

    def narrower(text: str) -> Callable[[bytes], bytes]:
        part = masks.read(split_paths(text), SIDE_CHANNEL)

        def narrow(data: bytes) -> bytes:
            answer: Message = response_class.FromString(data)
            trim(answer, part)
            return answer.SerializeToString()

        return narrow

    return narrower
