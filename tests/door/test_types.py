"""Every value of every type, at its extremes, comes back as it was stored; or is refused, or differs exactly as documented."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.door.client import Door, Refused
from tests.door.conftest import specimens
from tests.door.service import Service

Refuse = Callable[..., Refused]

FIRST = -62_135_596_800
"""0001-01-01T00:00:00Z in seconds since 1970."""
LAST = 253_402_300_799
"""9999-12-31T23:59:59Z."""
DURATION_MAX = 315_576_000_000
"""Seconds of a Duration, by its own documentation: about 10,000 years."""
FLOAT_MAX = struct.unpack(">f", bytes.fromhex("7f7fffff"))[0]
FLOAT_MIN = struct.unpack(">f", bytes.fromhex("00000001"))[0]
TEXTS = [
    "", " ", "trailing  ", "\t\n\r", "\x01\x1f", "😀", "e\u0301", "\u00e9", "ﬀ", "ß", "%_!\\'\"`", "\u202e", "\ufeff", "𝕏" * 1000, "x" * 70_000,
    "' OR 1=1 --", "; DROP TABLE specimens", "\\", "NULL", "<script>alert(1)</script>", "İı", "\x7f\x80\u2028",
]  # fmt: skip
BLOBS = [b"", b"\0", b"\xff\xfe\0\0", b"'\"\\%_", bytes(range(256)), b"\0" * 1_048_576, b"trailing  "]
INT32 = [0, 1, -1, 2**31 - 1, -(2**31)]
INT64 = [0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1]
UINT32 = [0, 1, 2**32 - 1]
UINT64 = [0, 1, 2**63 - 1]
DOUBLES = [0.0, 1.0, -1.0, 0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308, 2**53 + 1.0, 1e22]
FLOATS = [0.0, 1.0, FLOAT_MAX, -FLOAT_MAX, FLOAT_MIN, struct.unpack(">f", struct.pack(">f", 0.1))[0]]


def stamp(seconds: int, nanos: int = 0) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos)


def span(seconds: int, nanos: int = 0) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=seconds, nanos=nanos)


TIMES = [stamp(0), stamp(FIRST), stamp(LAST, 999_999_000), stamp(-1, 1_000), stamp(1, 999_999_000)]
SPANS = [span(0), span(DURATION_MAX), span(-DURATION_MAX), span(1, 1_000), span(-1, -1_000), span(0, -999_999_000)]


def values() -> dict[str, list[Any]]:
    """Field → values that must come back equal."""
    part = specimens.Specimen.Part
    inner = part.Inner
    deep = specimens.Specimen.Node(text="a", children=[specimens.Specimen.Node(text="b", children=[specimens.Specimen.Node()])])
    packed = any_pb2.Any()
    packed.Pack(stamp(5))
    parts = [
        part(), part(text="x "), part(number=0), part(inner=inner()), part(inner=inner(measure=0.1, note="", blob=b"\0")),
        part(time=stamp(FIRST)), part(words=["", "x"]), part(colour=-5, flag=True, number=-(2**63)),
    ]  # fmt: skip
    struct = struct_pb2.Struct()
    struct.update({"a": 1.5, "b": None, "c": [1, "x", {"d": True}], "": {}, "😀": "😀"})
    nothing = struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    return {
        "a_bool": [False, True], "an_int32": INT32, "a_sint32": INT32, "a_sfixed32": INT32, "an_int64": INT64, "a_sint64": INT64,
        "a_sfixed64": INT64, "a_uint32": UINT32, "a_fixed32": UINT32, "a_uint64": UINT64, "a_fixed64": UINT64, "a_float": FLOATS,
        "a_double": DOUBLES, "a_string": TEXTS, "some_bytes": BLOBS, "colour": [0, 1, -5, 77, 2**31 - 1, -(2**31)],
        "a_time": TIMES, "a_duration": SPANS,
        "maybe_bool": [False, True], "maybe_int64": INT64, "maybe_uint64": UINT64, "maybe_double": DOUBLES, "maybe_string": TEXTS,
        "maybe_bytes": BLOBS, "maybe_colour": [0, -5],
        "wrapped_bool": [wrappers_pb2.BoolValue(value=v) for v in (False, True)],
        "wrapped_int32": [wrappers_pb2.Int32Value(value=v) for v in INT32], "wrapped_int64": [wrappers_pb2.Int64Value(value=v) for v in INT64],
        "wrapped_uint32": [wrappers_pb2.UInt32Value(value=v) for v in UINT32],
        "wrapped_uint64": [wrappers_pb2.UInt64Value(value=v) for v in UINT64],
        "wrapped_float": [wrappers_pb2.FloatValue(value=v) for v in FLOATS],
        "wrapped_double": [wrappers_pb2.DoubleValue(value=v) for v in DOUBLES],
        "wrapped_string": [wrappers_pb2.StringValue(value=v) for v in TEXTS],
        "wrapped_bytes": [wrappers_pb2.BytesValue(value=v) for v in BLOBS],
        "part": parts, "parts": [[], parts], "parts_by_key": [{f"k{i} ": p for i, p in enumerate(parts)}, {"": part(), "😀": part()}],
        "numbers": [[], INT64], "measures": [DOUBLES], "words": [TEXTS, [""]], "blobs": [BLOBS], "colours": [[0, -5, 77]],
        "times": [TIMES], "durations": [SPANS], "names_by_number": [{0: "", -(2**31): "x", 2**31 - 1: "😀"}],
        "counts_by_flag": [{False: 0, True: 2**63 - 1}], "blobs_by_key": [{"a": b"\0\xff", "A": b"", "a ": b"x"}],
        "chosen_text": ["", "x"], "chosen_number": [0, -1], "chosen_part": parts, "chosen_time": TIMES, "chosen_flag": [False, True],
        "details": [struct_pb2.Struct(), struct],
        "anything": [nothing, struct_pb2.Value(number_value=1e300), struct_pb2.Value(string_value=""), struct_pb2.Value(struct_value=struct)],
        "list": [struct_pb2.ListValue(), struct_pb2.ListValue(values=[nothing, struct_pb2.Value(bool_value=False)])],
        "any": [any_pb2.Any(), packed], "tree": [specimens.Specimen.Node(), deep], "more_details": [[struct, struct_pb2.Struct()]],
        "field_mask": [field_mask_pb2.FieldMask(), field_mask_pb2.FieldMask(paths=["a.b", "c"])],
        "from": ["x", ""], "class": ["", "y"], "import": TIMES,
    }  # fmt: skip


def fields_of() -> set[str]:
    return {field.name for field in specimens.Specimen.DESCRIPTOR.fields} - {"name", "etag"}


def bare(specimen: Any) -> Any:
    """Without what the service fills."""
    copy = type(specimen)()
    copy.CopyFrom(specimen)
    copy.ClearField("name")
    copy.ClearField("etag")
    return copy


def test_the_table_has_every_field() -> None:
    assert set(values()) == fields_of()


def test_b08_every_value_of_every_type_comes_back_equal(door: Door) -> None:
    for name, candidates in values().items():
        for value in candidates:
            given = specimens.Specimen(**{name: value})
            made = door.CreateSpecimen(specimen=given)
            assert bare(made) == given, (name, value)
            read = door.GetSpecimen(name=made.name)
            assert read == made, (name, value)
            cleared = door.UpdateSpecimen(specimen=specimens.Specimen(name=made.name), update_mask={"paths": ["*"]})
            assert bare(cleared) == specimens.Specimen(), (name, value)
            written = door.UpdateSpecimen(specimen=specimens.Specimen(name=made.name, **{name: value}), update_mask={"paths": [name]})
            assert bare(written) == given, (name, value)
            assert door.GetSpecimen(name=made.name) == written


def test_all_fields_at_once_and_in_lists(door: Door) -> None:
    table = values()
    oneof = {f.name for f in specimens.Specimen.DESCRIPTOR.oneofs_by_name["choice"].fields}
    rng = random.Random(7)
    for chosen in sorted(oneof):
        picked = {
            name: rng.choice([v for v in options if not _large(v)] or options) for name, options in table.items() if name not in oneof
        }
        given = specimens.Specimen(**picked, **{chosen: table[chosen][-1]})
        made = door.CreateSpecimen(specimen=given)
        assert bare(made) == given
        (listed,) = door.ListSpecimens(filter=f'name = "{made.name}"').specimens
        assert listed == made


def _large(value: Any) -> bool:
    if isinstance(value, (list, dict)):
        return any(map(_large, value.values() if isinstance(value, dict) else value))
    return len(getattr(value, "value", value) if isinstance(getattr(value, "value", value), (str, bytes)) else "") > 100_000


@pytest.mark.parametrize("field", ["a_float", "a_double", "maybe_double", "wrapped_float", "wrapped_double", "measures"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_b08_nan_and_infinities_are_refused(door: Door, refused: Refuse, field: str, number: float) -> None:
    wrapped = {"wrapped_float": wrappers_pb2.FloatValue(value=number), "wrapped_double": wrappers_pb2.DoubleValue(value=number)}
    value = wrapped.get(field, [number] if field == "measures" else number)
    refusal = refused(door.CreateSpecimen, specimen=specimens.Specimen(**{field: value}))
    assert (refusal.code, any(v.startswith(f"specimen.{field}") for v in refusal.violations)) == ("INVALID_ARGUMENT", True)


def test_b08_negative_zero_becomes_zero(door: Door) -> None:
    made = door.CreateSpecimen(specimen=specimens.Specimen(a_double=-0.0, maybe_double=-0.0, measures=[-0.0], a_float=-0.0))
    read = door.GetSpecimen(name=made.name)
    for one in (made, read):
        assert [math.copysign(1, v) for v in (one.a_double, one.maybe_double, one.measures[0], one.a_float)] == [1, 1, 1, 1]
        assert one.HasField("maybe_double")


def test_b08_times_are_floored_to_microseconds_and_the_stored_value_is_returned(door: Door) -> None:
    given = specimens.Specimen(
        a_time=stamp(-1, 999_999_999),
        a_duration=span(-1, -1_001),
        times=[stamp(1, 1_999)],
        part=specimens.Specimen.Part(time=stamp(0, 999)),
    )
    made = door.CreateSpecimen(specimen=given)
    assert made.a_time == stamp(-1, 999_999_000)
    assert made.a_duration == span(-1, -2_000)
    assert (made.times[0], made.part.time) == (stamp(1, 1_000), stamp(0))
    assert door.GetSpecimen(name=made.name) == made


@pytest.mark.parametrize(
    ("field", "value"),
    [("a_time", stamp(FIRST - 1)), ("a_time", stamp(LAST + 1)), ("a_time", stamp(0, -1)), ("a_time", stamp(0, 1_000_000_000)),
     ("a_duration", span(DURATION_MAX + 1)), ("a_duration", span(-DURATION_MAX, -999_999_999)), ("a_duration", span(1, -1)), ("a_duration", span(0, 1_000_000_000)), ("times", [stamp(LAST + 1)])],
)  # fmt: skip
def test_b08_times_out_of_range_are_refused(door: Door, refused: Refuse, field: str, value: Any) -> None:
    refusal = refused(door.CreateSpecimen, specimen=specimens.Specimen(**{field: value}))
    assert (refusal.code, any(v.startswith(f"specimen.{field}") for v in refusal.violations)) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("a_string", "a\0b"), ("maybe_string", "\0"), ("words", ["x", "\0"]), ("parts", [{"text": "\0"}]), ("part", {"inner": {"note": "\0"}}),
     ("blobs_by_key", {"\0": b""}), ("names_by_number", {1: "\0"}), ("parts_by_key", {"a": {"words": ["\0"]}})],
)  # fmt: skip
def test_b08_text_with_nul_is_refused(door: Door, refused: Refuse, field: str, value: Any) -> None:
    """SQLite's functions end at U+0000: sorted, paged and compared rows would differ from those of other engines."""
    refusal = refused(door.CreateSpecimen, specimen=specimens.Specimen(**{field: value}))
    assert (refusal.code, any(v.startswith(f"specimen.{field}") for v in refusal.violations)) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize("field", ["a_uint64", "a_fixed64", "maybe_uint64"])
def test_b08_uint64_is_exact_or_refused_by_name(served: Service, door: Door, refused: Refuse, field: str) -> None:
    largest = specimens.Specimen(**{field: 2**64 - 1})
    if served.database.url.startswith("sqlite"):
        assert list(refused(door.CreateSpecimen, specimen=largest).violations) == [f"specimen.{field}"]
        return
    made = door.CreateSpecimen(specimen=largest)
    assert getattr(door.GetSpecimen(name=made.name), field) == 2**64 - 1


def test_four_mebibytes_are_too_much_and_said_so(door: Door, refused: Refuse) -> None:
    refusal = refused(door.CreateSpecimen, specimen=specimens.Specimen(some_bytes=b"x" * (5 * 1024 * 1024)))
    assert refusal.code == "RESOURCE_EXHAUSTED"
    assert door.ListSpecimens(page_size=1) is not None


def test_a_page_of_large_rows_ends_before_clients_refuse_it(door: Door) -> None:
    word, blob = f"w{random.Random().getrandbits(60):x}", b"x" * 1_000_000
    names = [door.CreateSpecimen(specimen=specimens.Specimen(maybe_string=word, some_bytes=blob)).name for _ in range(8)]
    found, token, pages = [], "", 0
    while True:
        page = door.ListSpecimens(filter=f'maybe_string = "{word}"', page_size=1_000, page_token=token)
        assert page.ByteSize() < 4 * 1024 * 1024
        found += [specimen.name for specimen in page.specimens]
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert (found, pages) == (sorted(names), 3)


def test_text_is_compared_exactly(door: Door) -> None:
    """The pairs that collations confuse (reliability checklist, 4)."""
    word = f"w{random.Random().getrandbits(60):x}"
    texts = ["a", "A", "é", "e", "e\u0301", "ss", "ß", "a ", "😀", "😁", "1", "１", ""]
    for text in texts:
        door.CreateSpecimen(specimen=specimens.Specimen(a_string=text, maybe_string=word))
    for text in texts:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        found = door.ListSpecimens(filter=f'maybe_string = "{word}" AND a_string = "{quoted}"').specimens
        assert [s.a_string for s in found] == [text]
    ordered = [s.a_string for s in door.ListSpecimens(filter=f'maybe_string = "{word}"', order_by="a_string").specimens]
    assert ordered == sorted(texts, key=str.encode)


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT300, TEXT20, TEXT10, TEXT5 = (st.text(CHARACTERS, max_size=size) for size in (300, 20, 10, 5))

scalars = st.fixed_dictionaries(
    {
        "an_int32": st.integers(-(2**31), 2**31 - 1),
        "an_int64": st.integers(-(2**63), 2**63 - 1),
        "a_uint64": st.integers(0, 2**63 - 1),
        "a_double": st.floats(allow_nan=False, allow_infinity=False),
        "a_float": st.floats(allow_nan=False, allow_infinity=False, width=32),
        "a_string": TEXT300,
        "some_bytes": st.binary(max_size=300),
        "maybe_string": st.none() | TEXT20,
        "words": st.lists(TEXT10, max_size=5),
        "measures": st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
        "blobs_by_key": st.dictionaries(TEXT5, st.binary(max_size=5), max_size=4),
        "a_time": st.none() | st.builds(stamp, st.integers(FIRST, LAST), st.integers(0, 999_999).map(lambda n: n * 1_000)),
    }
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=scalars)
def test_anything_that_is_stored_is_read_back(door: Door, fields: dict[str, Any]) -> None:
    given_one = specimens.Specimen(**{k: v for k, v in fields.items() if v is not None})
    for name in ("a_double", "a_float"):
        if getattr(given_one, name) == 0:
            setattr(given_one, name, 0.0)  # -0, as documented.
    given_one.measures[:] = [m + 0.0 for m in given_one.measures]
    made = door.CreateSpecimen(specimen=given_one)
    assert bare(made) == given_one
    assert door.GetSpecimen(name=made.name) == made
