"""Repeated fields, maps, Structs and the messages inside them as JSON text, in one canonical form.

| in the contract | in the text |
| --- | --- |
| repeated | array, in order; an empty one is NULL |
| map | array of `[key, value]`, keys as text and sorted; an empty one is NULL |
| message | object of the fields that are set, by their proto names |
| int, uint, enum | number, exact |
| float, double | shortest number that reads back equal |
| bool | `true`, `false` |
| bytes, self-containing message, Any | base64 text |
| Timestamp, Duration | number of microseconds |
| wrapper | its value |
| Struct, Value, ListValue | as they are |

The form is ours, not protobuf's JSON mapping, so that the database compares numbers as numbers in filters. Maps are pairs rather than objects, because no two engines agree on how
to find a key that holds quotes, control characters or a leading minus sign.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

from google.protobuf.message import Message

from protoplane.contract.model import Field, Kind, Label, Presence

Json: TypeAlias = Any
ToJson: TypeAlias = Callable[[Any], Json]
Put: TypeAlias = Callable[[Message, Json], None]

MICROS = 1_000_000

_UNSET = object()
"""Not in the object at all; None is a null that somebody wrote into a Value."""


def json_writer(field: Field) -> Callable[[Message], str | None]:
    """From the message that has the field to the text; None when the field is empty. Its values were checked before."""
    get = attrgetter(field.name)
    convert = _to_json(field)
    match field.label:
        case Label.REPEATED:

            def repeated(owner: Message) -> str | None:
                values = get(owner)
                return _dump([convert(value) for value in values]) if values else None

            return repeated
        case Label.MAP:
            key = _key_text(field)

            def mapping(owner: Message) -> str | None:
                values = get(owner)
                # By index: reading a message map by items() gives the same, but scalar and message maps agree only here.
                return _dump([[key(k), convert(values[k])] for k in sorted(values)]) if values else None

            return mapping
        case Label.SINGULAR:
            name = field.name

            def singular(owner: Message) -> str | None:
                return _dump(convert(get(owner))) if owner.HasField(name) else None

            return singular


def json_reader(field: Field) -> Callable[[Message, str], None]:
    """From the text into the field of a message in which it is empty."""
    put = _put(field)

    def read(owner: Message, text: str) -> None:
        put(owner, json.loads(text))

    return read


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _key_text(field: Field) -> Callable[[Any], str]:
    assert field.key is not None
    return (lambda key: "true" if key else "false") if field.key.kind is Kind.BOOL else str


def _key_value(field: Field) -> Callable[[str], Any]:
    assert field.key is not None
    match field.key.kind:
        case Kind.BOOL:
            return lambda text: text == "true"
        case Kind.STRING:
            return str
        case _:
            return int


def _to_json(field: Field) -> ToJson:
    """From one value of the field (an element, of a repeated one)."""
    if field.wrapper:
        scalar = _scalar_to_json(field)
        return lambda wrapper: scalar(wrapper.value)
    match field.kind:
        case Kind.MESSAGE:
            parts = [(f.name, _member(f)) for f in field.fields]

            def message(value: Message) -> Json:
                pairs = ((name, member(value)) for name, member in parts)
                return {name: part for name, part in pairs if part is not _UNSET}

            return message
        case Kind.JSON:
            return _struct_to_json(field)
        case Kind.OPAQUE:
            return lambda value: base64.b64encode(value.SerializeToString(deterministic=True)).decode()
        case Kind.TIMESTAMP | Kind.DURATION:
            return lambda value: value.seconds * MICROS + value.nanos // 1_000
        case _:
            return _scalar_to_json(field)


def _scalar_to_json(field: Field) -> ToJson:
    match field.kind:
        case Kind.BYTES:
            return lambda value: base64.b64encode(value).decode()
        case Kind.FLOAT | Kind.DOUBLE:
            return lambda value: value + 0.0  # -0.0 becomes 0.0, as in columns.
        case _:
            return lambda value: value


def _member(field: Field) -> Callable[[Message], Json]:
    """From a message to the JSON of one of its fields; _UNSET when it is unset or has its default."""
    get, name = attrgetter(field.name), field.name
    convert = _to_json(field)
    if field.label is Label.REPEATED:
        return lambda owner: [convert(value) for value in get(owner)] or _UNSET
    if field.label is Label.MAP:
        key = _key_text(field)
        return lambda owner: [[key(k), convert(get(owner)[k])] for k in sorted(get(owner))] or _UNSET
    if field.presence is Presence.EXPLICIT:
        return lambda owner: convert(get(owner)) if owner.HasField(name) else _UNSET
    return lambda owner: convert(get(owner)) if get(owner) else _UNSET


def _struct_to_json(field: Field) -> ToJson:
    def of_value(value: Any) -> Json:
        match value.WhichOneof("kind"):
            case "number_value":
                return value.number_value + 0.0
            case "string_value":
                return value.string_value
            case "bool_value":
                return value.bool_value
            case "struct_value":
                return of_struct(value.struct_value)
            case "list_value":
                return of_list(value.list_value)
            case _:
                return None

    def of_struct(value: Any) -> Json:
        return {key: of_value(value.fields[key]) for key in sorted(value.fields)}

    def of_list(value: Any) -> Json:
        return [of_value(item) for item in value.values]

    return {"Struct": of_struct, "ListValue": of_list, "Value": of_value}[_message_name(field)]


def _message_name(field: Field) -> str:
    assert field.message is not None
    return field.message.name


def _put(field: Field) -> Put:
    """Into the field of a message, from the JSON of the whole field."""
    get = attrgetter(field.name)
    match field.label:
        case Label.REPEATED:
            return _put_repeated(field)
        case Label.MAP:
            key = _key_value(field)
            if _is_message(field):
                fill = _fill(field)

                def messages(owner: Message, data: Json) -> None:
                    target = get(owner)
                    for k, v in data:
                        fill(target[key(k)], v)

                return messages
            value = _from_json(field)

            def scalars(owner: Message, data: Json) -> None:
                target = get(owner)
                for k, v in data:
                    target[key(k)] = value(v)

            return scalars
        case Label.SINGULAR:
            return _put_singular(field)


def _put_repeated(field: Field) -> Put:
    get = attrgetter(field.name)
    if _is_message(field):
        fill = _fill(field)

        def messages(owner: Message, data: Json) -> None:
            target = get(owner)
            for item in data:
                fill(target.add(), item)

        return messages
    value = _from_json(field)
    return lambda owner, data: get(owner).extend([value(item) for item in data])


def _put_singular(field: Field) -> Put:
    get, name = attrgetter(field.name), field.name
    if _is_message(field):
        fill = _fill(field)

        def message(owner: Message, data: Json) -> None:
            target = get(owner)
            target.SetInParent()
            fill(target, data)

        return message
    value = _from_json(field)
    return lambda owner, data: setattr(owner, name, value(data))


def _is_message(field: Field) -> bool:
    return field.wrapper or field.kind in {Kind.MESSAGE, Kind.JSON, Kind.OPAQUE, Kind.TIMESTAMP, Kind.DURATION}


def _from_json(field: Field) -> Callable[[Json], Any]:
    match field.kind:
        case Kind.BYTES:
            return base64.b64decode
        case Kind.FLOAT | Kind.DOUBLE:
            return float
        case _:
            return lambda value: value


def _fill(field: Field) -> Callable[[Any, Json], None]:
    """Into an empty message, from its JSON."""
    if field.wrapper:
        value = _from_json(field)
        return lambda wrapper, data: setattr(wrapper, "value", value(data))
    match field.kind:
        case Kind.MESSAGE:
            parts = {f.name: _put(f) for f in field.fields}

            def message(target: Message, data: Json) -> None:
                for name, part in data.items():
                    if name in parts:  # A field that the contract has no more, or that only a newer server knows.
                        parts[name](target, part)

            return message
        case Kind.JSON:
            return {"Struct": _fill_struct, "ListValue": _fill_list, "Value": _fill_value}[_message_name(field)]
        case Kind.OPAQUE:
            return lambda target, data: target.MergeFromString(base64.b64decode(data))
        case Kind.DURATION:
            return _fill_duration
        case _:
            return _fill_timestamp


def _fill_timestamp(target: Any, micros: int) -> None:
    target.seconds, rest = divmod(micros, MICROS)
    target.nanos = rest * 1_000


def _fill_duration(target: Any, micros: int) -> None:
    seconds = abs(micros) // MICROS * (1 if micros >= 0 else -1)  # Both parts of a Duration have one sign.
    target.seconds, target.nanos = seconds, (micros - seconds * MICROS) * 1_000


def _fill_value(target: Any, data: Json) -> None:
    match data:
        case None:
            target.null_value = 0
        case bool():
            target.bool_value = data
        case int() | float():
            target.number_value = data
        case str():
            target.string_value = data
        case dict():
            target.struct_value.SetInParent()
            _fill_struct(target.struct_value, data)
        case _:
            target.list_value.SetInParent()
            _fill_list(target.list_value, data)


def _fill_struct(target: Any, data: Json) -> None:
    for key, value in data.items():
        _fill_value(target.fields[key], value)


def _fill_list(target: Any, data: Json) -> None:
    for value in data:
        _fill_value(target.values.add(), value)
