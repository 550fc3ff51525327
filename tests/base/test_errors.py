"""The table of reasons, and faults as they go out."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

import pytest
from google.rpc import error_details_pb2

from protoplane.base.errors import DOMAIN, REASONS, TEXT_CHARACTERS_MAX, Code, Fault, Reason, Refusal, Violation, invalid_fields
from protoplane.contract.load import load
from protoplane.contract.sources import include_roots


def test_the_enum_that_clients_have_and_the_table_agree() -> None:
    """protos/protoplane/v1/reason.proto ships to clients; every value has its code in the comment."""
    draft = load(include_roots()[:1], ["protoplane/v1/reason.proto"]).draft
    assert draft is not None
    text = (include_roots()[0] / "protoplane/v1/reason.proto").read_text()
    values = re.findall(r"// ([A-Z_]+): [^\n]+\n(?:  //[^\n]*\n)*  ([A-Z_]+) = \d+;", text)
    assert {name: code for code, name in values} == {reason.value: code.name for reason, (code, _) in REASONS.items()}
    assert set(REASONS) == set(Reason)
    assert DOMAIN == "protoplane.v1"


@pytest.mark.parametrize("reason", Reason)
def test_every_text_is_made_of_its_metadata(reason: Reason) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{1,61}[A-Z0-9]", reason)
    keys = [key for _, key, _, _ in Formatter().parse(REASONS[reason][1]) if key]
    assert all(re.fullmatch(r"[a-z][a-zA-Z0-9-_]{1,63}", key) for key in keys)
    metadata: dict[str, Any] = dict.fromkeys(keys, "{value}")
    fault = Fault(reason, **metadata)
    assert fault.text.count("{value}") == len(keys)
    status = fault.to_status()
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == (reason.value, DOMAIN, dict.fromkeys(keys, "{value}"))
    assert status.code == REASONS[reason][0]


def test_values_quoted_back_are_bounded() -> None:
    fault = Fault(Reason.RESOURCE_NOT_FOUND, name="x" * 1_000_000)
    assert len(fault.text) < TEXT_CHARACTERS_MAX + 50
    assert len(fault.metadata["name"]) == TEXT_CHARACTERS_MAX


def test_each_detail_is_there_once() -> None:
    fault = invalid_fields([Violation("a", "wrong", "WRONG"), Violation("a", "worse", "WORSE"), Violation("b", "bad", "BAD")])
    names = [detail.TypeName() for detail in fault.to_status().details]
    assert names == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
    assert fault.metadata == {"fields": "a, b"}


def test_a_refusal_of_a_team_has_its_own_reason_and_domain() -> None:
    refusal = Refusal(Code.FAILED_PRECONDITION, "TOO_LATE", domain="desk.v1", text="'{name}' has left.", name="flights/1")
    info = error_details_pb2.ErrorInfo()
    status = refusal.to_status()
    assert status.details[0].Unpack(info)
    assert (status.message, info.reason, info.domain) == ("'flights/1' has left.", "TOO_LATE", "desk.v1")
