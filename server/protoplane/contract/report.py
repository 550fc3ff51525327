"""Findings while a contract is read: every rule a contract can break, and the list that collects what was found."""

from __future__ import annotations

from collections.abc import Mapping

from protoplane.contract.model import Finding, Place

RULES: Mapping[str, str] = {
    "behavior-conflict": "Field behaviours that exclude each other.",
    "behavior-misplaced": "IDENTIFIER on a field other than a resource's name, or REQUIRED on the name.",
    "column-clash": "Two fields that would be stored in one column.",
    "column-name": "A column name that an engine cannot hold.",
    "column-unused": "A column name for a field that has no column.",
    "expand-misplaced": "An expansion on a field of a message that is no resource.",
    "expand-reference": "An expansion by something that is no reference to a resource stored here.",
    "expand-type": "An expansion that is not of the type, or not as many, as its reference says.",
    "expand-unreadable": "An expansion to a resource without a Get method: no rule says who may read it.",
    "expand-writable": "An expansion that is not OUTPUT_ONLY.",
    "field-name": "A field called as a method of every message, which it would hide.",
    "file-name": "A .proto file whose path is not ASCII, or that two proto folders have.",
    "files-missing": "No .proto file where the contract should be.",
    "http-get": "A method that may write, bound to HTTP GET.",
    "id-option": "An option of ids that the resource has no use for.",
    "id-pattern": "An id pattern that cannot be compiled, or allows ids that no resource name can hold.",
    "idempotency-untrue": "A standard method that writes, and promises NO_SIDE_EFFECTS.",
    "index-duplicate": "The same index twice.",
    "index-path": "An index over something that cannot be indexed.",
    "index-unbounded": "An index over text or bytes without a length.",
    "index-wide": "An index wider than an engine can hold.",
    "index-sensitive": "An index over a sensitive field.",
    "method-fields": "A standard method with request or response fields that it would not heed.",
    "method-shape": "A method with a standard name whose request or response is not standard.",
    "method-streaming": "A method that streams its requests, or a standard one that streams: not served.",
    "method-streaming-writes": "A method that streams its answers and may write.",
    "name-field": "A resource without a `name` field of type string.",
    "parent-unknown": "A pattern below a parent that nobody declares.",
    "pattern-ambiguous": "Two patterns of a resource below the same parents.",
    "pattern-duplicate": "Two resources, or two patterns of one, whose names could be the same.",
    "pattern-malformed": "A resource name pattern that is not `collection/{variable}` pairs, with a word behind them for a singleton.",
    "pattern-missing": "A resource without a pattern.",
    "pattern-several": "What a resource with several patterns cannot be or promise.",
    "proto": "What protoc itself refuses.",
    "python-missing": "A method that is not standard and has no Python.",
    "reference-type": "A resource reference on a field that is not a string.",
    "reference-unknown": "A reference to a resource type that nobody declares.",
    "resource-unknown": "A method with a standard name for a resource that is not stored here.",
    "role-type": "`etag`, `create_time`, `update_time` or `delete_time` of another type or behaviour than the standard one.",
    "row-wide": "A resource with more, or longer, fields than a row of MySQL or MariaDB can hold.",
    "rule-ambiguous": "A method with two access rules.",
    "rule-empty": "An access rule that says nothing.",
    "rule-missing": "A method without an access rule.",
    "rule-permission": "A permission that is not `noun.verb`.",
    "searchable-type": "A searchable field that is no string, that filters may not name, or that holds names of what is stored here.",
    "soft-delete": "A part of a soft delete (AIP-164) without the `delete_time` that it is about, or on what is not deleted by itself.",
    "storage-unused": "Options of storage or access on a message that is no resource.",
    "syntax-unsupported": "A file that is not proto3.",
    "table-clash": "Two resources in one table.",
    "table-name": "A table name that an engine cannot hold, or that Protoplane keeps for itself.",
    "type-duplicate": "Two resources of one type.",
    "type-malformed": "A resource type that is not `service.name/Type`.",
    "validation-broken": "buf.validate rules that cannot be compiled or evaluated.",
    "view-name": "A view declared twice, or not in UPPER_SNAKE_CASE.",
    "view-path": "A view of a field that is not there, is never shown, or lies too deep.",
    "view-undeclared": "A value of a view enum that no view of the resource describes.",
    "view-unused": "A view that no method can be asked for.",
}
"""Every rule id and what breaks it, in one breath each. The ids are stable: tools may rely on them."""


class Report:
    """The findings so far. Reading goes on after each one, so that all come at once."""

    def __init__(self) -> None:
        self._findings: dict[Finding, None] = {}

    def add(self, place: Place, rule: str, problem: str, mend: str) -> None:
        """Note one finding; the same one found twice (a message shared by two methods) counts once."""
        assert rule in RULES, rule
        self._findings.setdefault(Finding(place=place, rule=rule, problem=problem, mend=mend))

    def findings(self) -> tuple[Finding, ...]:
        """Everything found, by file, line and column."""
        return tuple(sorted(self._findings, key=lambda f: (f.place.file, f.place.line, f.place.column, f.rule, f.problem)))
