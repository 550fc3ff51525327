"""Resources as lines of files: the generated code against protobuf's own writer, and there and back."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from protoplane.cli.project import read_contract, read_settings
from protoplane.cli.rendering import write_pages
from protoplane.cli.tables import BadTable, Row, TableOptions, read_csv, read_ndjson
from protoplane.contract.model import Resource
from tests.door.conftest import project

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["=1+1", "'", "-", 'a"b', "\r\n", "NA"]
)
# -0 is stored as 0.
WHOLE = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
}
KEPT_WHOLE = {
    "google.protobuf.Any",
    "google.protobuf.FieldMask",
    "google.protobuf.Struct",
    "google.protobuf.Value",
    "google.protobuf.ListValue",
}
"""Protobuf's own writer writes them; left unset here."""


@pytest.fixture(scope="module")
def specimen(tmp_path_factory: pytest.TempPathFactory) -> Resource:
    folder = project(tmp_path_factory.mktemp("specimens"), "sqlite:///:memory:")
    return read_contract(read_settings(folder)).resources["library.example.com/Specimen"]


@pytest.fixture(scope="module")
def held(specimen: Resource) -> st.SearchStrategy[dict[str, Any]]:
    return keywords(specimen.message)


def one(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values of one field, as a message constructor takes them."""
    if field.message_type is not None:
        return keywords(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_STRING:
        return TEXT
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8)
    return WHOLE[field.cpp_type]


def keywords(message: Descriptor) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the fields of a message."""
    if message.full_name == "google.protobuf.Timestamp":
        return st.fixed_dictionaries({"seconds": st.integers(-62_135_596_800, 253_402_300_799), "nanos": st.integers(0, 999_999_999)})
    if message.full_name == "google.protobuf.Duration":
        return st.tuples(st.sampled_from([1, -1]), st.integers(0, 315_576_000_000), st.integers(0, 999_999_999)).map(
            lambda parts: {"seconds": parts[0] * parts[1], "nanos": parts[0] * parts[2]}
        )
    found: dict[str, st.SearchStrategy[Any]] = {}
    for field in message.fields:
        inner = field.message_type
        if field.name in {"name", "etag"} or (
            inner is not None and (inner.full_name in KEPT_WHOLE or inner is message or inner.name == "Node")
        ):
            continue
        if inner is not None and inner.GetOptions().map_entry:
            found[field.name] = st.dictionaries(one(inner.fields_by_name["key"]), one(inner.fields_by_name["value"]), max_size=2)
        elif field.is_repeated:
            found[field.name] = st.lists(one(field), max_size=2)
        else:
            found[field.name] = one(field)
    in_oneof = {field.name for oneof in message.oneofs for field in oneof.fields if len(oneof.fields) > 1}
    plain = st.fixed_dictionaries({}, optional={name: value for name, value in found.items() if name not in in_oneof})
    chosen = [st.fixed_dictionaries({name: found[name]}) for name in sorted(in_oneof)]
    return st.builds(lambda a, b: a | b, plain, st.one_of(st.just({}), *chosen)) if chosen else plain


def written(form: str, resource: Resource, message: Any, options: TableOptions) -> str:
    out = io.StringIO(newline="")
    assert write_pages(out, form, resource, [[message], []], options) == 1
    return out.getvalue()


def test_a_line_of_json_is_what_protobuf_writes(specimen: Resource, held: st.SearchStrategy[dict[str, Any]]) -> None:
    @settings(deadline=None, max_examples=80)
    @given(fields=held)
    def holds(fields: dict[str, Any]) -> None:
        message = specimen.message_class(name="specimens/s", **fields)
        expected = json_format.MessageToDict(message, descriptor_pool=specimen.message.file.pool)
        line = written("ndjson", specimen, message, TableOptions())
        assert line.endswith("}\n")
        assert json.loads(line) == expected
        assert list(json.loads(line)) == list(expected)

    holds()


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_whatever_is_written_is_read_back(specimen: Resource, held: st.SearchStrategy[dict[str, Any]], form: str) -> None:
    @settings(deadline=None, max_examples=80)
    @given(fields=held, raw=st.booleans())
    def holds(fields: dict[str, Any], raw: bool) -> None:
        message, options = specimen.message_class(name="specimens/s", **fields), TableOptions(raw=raw)
        text = written(form, specimen, message, options)
        (row,) = (read_csv if form == "csv" else read_ndjson)(io.StringIO(text, newline=""), specimen, options)
        assert isinstance(row, Row), row
        assert row.id == "s"
        read = specimen.message_class(name="specimens/s", **row.keywords)
        assert written(form, specimen, read, options) == text
        if form == "ndjson":  # In CSV an empty cell is an unset field: there is no empty text, and no message without fields.
            assert read == message

    holds()


def test_a_text_that_stands_for_unset_is_refused_and_not_lost(specimen: Resource) -> None:
    options = TableOptions(unset=frozenset({"NA"}))
    assert ",NA," in written("csv", specimen, specimen.message_class(name="specimens/s"), options)
    with pytest.raises(BadTable, match="a_string has the value 'NA'"):
        written("csv", specimen, specimen.message_class(name="specimens/s", a_string="NA"), options)


def test_keywords_of_python_and_numbers_of_unknown_enum_values_are_written(specimen: Resource) -> None:
    message = specimen.message_class(name="specimens/s", colour=77, **{"from": "here", "class": ""})
    line = json.loads(written("ndjson", specimen, message, TableOptions()))
    assert line == {"name": "specimens/s", "colour": 77, "from": "here", "class": ""}
