"""The AIP boilerplate of a resource, as .proto text in the form `buf format` gives: requests, responses and methods.

Field sets are those the standard methods understand (docs/contract-language.md), but for `skip`, which few want; comments follow AIP-131 to 135 and 231 to 235.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from protoplane.cli.bindings import http_paths
from protoplane.cli.noun import Noun
from protoplane.cli.words import prose, with_article

BEHAVIOR = "(google.api.field_behavior) = "
REFERENCE = "(google.api.resource_reference)"
UUID = "(google.api.field_info).format = UUID4"
IMPORT_OF = {
    "(buf.validate.": "buf/validate/validate.proto",
    "(google.api.field_behavior)": "google/api/field_behavior.proto",
    "(google.api.field_info)": "google/api/field_info.proto",
    "(google.api.http)": "google/api/annotations.proto",
    "(google.api.method_signature)": "google/api/client.proto",
    "(google.api.resource)": "google/api/resource.proto",
    "(google.api.resource_reference)": "google/api/resource.proto",
    "(protoplane.v1.": "protoplane/v1/options.proto",
    " protoplane.v1.Aggregate": "protoplane/v1/aggregate.proto",
    "google.protobuf.Empty": "google/protobuf/empty.proto",
    "google.protobuf.FieldMask": "google/protobuf/field_mask.proto",
    "google.protobuf.Timestamp": "google/protobuf/timestamp.proto",
}
"""Which import a piece of text needs."""


@dataclass(frozen=True, slots=True)
class Line:
    """One field to write; its number is its place unless given."""

    type: str
    name: str
    comment: str
    options: tuple[str, ...]
    number: int = 0


def message_text(name: str, comment: str, lines: list[Line], head: str = "") -> str:
    """A whole message; `head` is the text of its options."""
    fields = "\n".join(field_text(line if line.number else replace(line, number=n)) for n, line in enumerate(lines, 1))
    return f"{comments(comment, '')}message {name} {{\n{head}{fields}}}\n"


def field_text(line: Line) -> str:
    """One field with its comment: options inline when there is one, one a line otherwise."""
    start = f"{comments(line.comment, '  ')}  {line.type} {line.name} = {line.number}"
    if len(line.options) == 1:
        return f"{start} [{line.options[0]}];\n"
    inner = ",\n".join(f"    {option}" for option in line.options)
    return f"{start} [\n{inner}\n  ];\n" if line.options else f"{start};\n"


def comments(text: str, indent: str) -> str:
    """Comment lines of a text."""
    return "".join(f"{indent}// {line}\n" for line in text.split("\n"))


def imports_of(text: str) -> Iterator[str]:
    """The imports a piece of boilerplate needs."""
    return (path for piece, path in IMPORT_OF.items() if piece in text)


def starter_message(noun: Noun) -> str:
    """A resource to begin with: a name people read, the times and the etag."""
    words = prose(noun.singular)
    lines = [
        name_line(noun),
        Line(
            "string",
            "display_name",
            f"What people call the {words}.",
            (f"{BEHAVIOR}REQUIRED", "(buf.validate.field).string.max_len = 120"),
        ),
        Line("google.protobuf.Timestamp", "create_time", f"When the {words} was created.", (f"{BEHAVIOR}OUTPUT_ONLY",)),
        Line("google.protobuf.Timestamp", "update_time", f"When the {words} was last changed.", (f"{BEHAVIOR}OUTPUT_ONLY",)),
        Line("string", "etag", "Changes with every write; send it back to write only what you have read.", ()),
    ]
    return message_text(noun.message, f"{with_article(words).capitalize()}.", lines, head=f"{resource_option(noun)}\n")


def resource_option(noun: Noun) -> str:
    """The `google.api.resource` annotation of a message."""
    patterns = "".join(f'    pattern: "{pattern}"\n' for pattern in noun.patterns)
    return (
        "  option (google.api.resource) = {\n"
        f'    type: "{noun.type}"\n{patterns}    singular: "{noun.singular}"\n    plural: "{noun.plural}"\n  }};\n'
    )


def name_line(noun: Noun, number: int = 1) -> Line:
    """The `name` field of a resource (AIP-122)."""
    words = prose(noun.singular)
    comment = f"The resource name of the {words}.\n{noun.format}"
    return Line("string", "name", comment, (f"{BEHAVIOR}IDENTIFIER",), number)


def messages_of(noun: Noun) -> dict[str, str]:
    """Requests and responses of the standard methods, by message name, in the order of METHODS."""
    name, plural = noun.name, noun.plural_name
    texts = {
        f"Get{name}Request": [_name(noun, "retrieve")],
        f"BatchGet{plural}Request": _batch_names(noun, "retrieve"),
        f"BatchGet{plural}Response": _batch_response(noun, ", in the order of the names"),
        f"List{plural}Request": _list_request(noun),
        f"List{plural}Response": _list_response(noun),
        f"Create{name}Request": _create_request(noun),
        f"BatchCreate{plural}Request": _batch_request(noun, "Create", "create"),
        f"BatchCreate{plural}Response": _batch_response(noun, " created"),
        f"Update{name}Request": _update_request(noun),
        f"BatchUpdate{plural}Request": _batch_request(noun, "Update", "update"),
        f"BatchUpdate{plural}Response": _batch_response(noun, " updated"),
        f"Delete{name}Request": _delete_request(noun),
        f"Undelete{name}Request": _undelete_request(noun),
        f"BatchDelete{plural}Request": [
            *_batch_names(noun, "delete"),
            _optional("bool", "allow_missing", f"If set, {prose(noun.plural)} that do not exist are no error."),
            *_write_lines(),
        ],
        f"BatchDelete{plural}Response": _batch_response(noun, " deleted"),
        f"Aggregate{plural}Request": _aggregate_request(noun),
        f"Aggregate{plural}Response": _aggregate_response(noun),
    }
    return {message: message_text(message, _message_comment(message), lines) for message, lines in texts.items()}


def _message_comment(message: str) -> str:
    method, kind = (message.removesuffix(end) for end in ("Request", "Response"))
    return f"Request message for `{method}`." if message.endswith("Request") else f"Response message for `{kind}`."


def _name(noun: Noun, verb: str) -> Line:
    comment = f"The name of the {prose(noun.singular)} to {verb}.\n{noun.format}"
    return Line("string", "name", comment, (f"{BEHAVIOR}REQUIRED", f'{REFERENCE}.type = "{noun.type}"'))


def _parent(noun: Noun, comment: str, behavior: str = "REQUIRED") -> list[Line]:
    """The `parent` field: top-level resources have none."""
    if not noun.parent:
        return []
    options = (f"{BEHAVIOR}{behavior}", f'{REFERENCE}.child_type = "{noun.type}"')
    return [Line("string", "parent", f"{comment}\nFormat: {noun.parent}", options)]


def _optional(kind: str, name: str, comment: str, *more: str) -> Line:
    return Line(kind, name, comment, (f"{BEHAVIOR}OPTIONAL", *more))


def _write_lines() -> list[Line]:
    """What every writing method takes (AIP-155, AIP-163)."""
    return [
        _optional("string", "request_id", "A UUID that makes a retry have one effect: the same one for every try of this request.", UUID),
        _optional("bool", "validate_only", "If set, the request is checked in full and nothing is changed."),
    ]


def _list_request(noun: Noun) -> list[Line]:
    words = prose(noun.plural)
    return [
        *_parent(noun, f"The parent, which owns this collection of {words}."),
        _optional(
            "int32",
            "page_size",
            f"The most {words} to return; fewer may come.\n"
            "If unspecified, at most 50 are returned; values above 1,000 are lowered to 1,000.",
        ),
        _optional(
            "string",
            "page_token",
            f"The `next_page_token` of the page before, to go on from there.\n"
            f"All other arguments must be those of the call to `List{noun.plural_name}` that gave it.",
        ),
        _optional("string", "filter", f"Which {words} to return (AIP-160)."),
        _optional("string", "order_by", "Fields to sort by, such as `create_time desc, name`."),
        *([_optional("bool", "show_deleted", f"If set, deleted {words} that are still kept are returned too.")] if noun.kept else []),
    ]


def _list_response(noun: Noun) -> list[Line]:
    return [
        Line(f"repeated {noun.message}", noun.plural_field, f"The {prose(noun.plural)} of this page.", ()),
        Line("string", "next_page_token", "The `page_token` of the next page; empty when this is the last.", ()),
    ]


def _create_request(noun: Noun) -> list[Line]:
    words = prose(noun.singular)
    id_comment = f"The last part of the new {words}'s name."
    match noun.id_source:
        case "CLIENT":
            ids = [Line("string", f"{noun.field}_id", id_comment, (f"{BEHAVIOR}REQUIRED",))]
        case "SERVER":
            ids = []
        case _:
            ids = [_optional("string", f"{noun.field}_id", f"{id_comment}\nIf unset, the server makes one.")]
    return [
        *_parent(noun, f"The parent resource where this {words} is created."),
        *ids,
        Line(noun.message, noun.field, f"The {words} to create.", (f"{BEHAVIOR}REQUIRED",)),
        *_write_lines(),
    ]


def _batch_request(noun: Noun, method: str, verb: str) -> list[Line]:
    words = prose(noun.plural)
    return [
        *_parent(
            noun,
            f"The parent resource shared by all {words} being {verb}d.\n"
            f"If set, the parent in each `Create{noun.name}Request` must be empty or the same."
            if method == "Create"
            else "If set, all of them must lie below it.",
            "OPTIONAL",
        ),
        Line(
            f"repeated {method}{noun.name}Request",
            "requests",
            f"The {words} to {verb}, at most 1,000: all of them or none.",
            (f"{BEHAVIOR}REQUIRED",),
        ),
        *_write_lines(),
    ]


def _batch_names(noun: Noun, verb: str) -> list[Line]:
    words = prose(noun.plural)
    names = Line(
        "repeated string",
        "names",
        f"The names of the {words} to {verb}, at most 1,000: all of them or none.\n{noun.format}",
        (f"{BEHAVIOR}REQUIRED", f'{REFERENCE}.type = "{noun.type}"'),
    )
    comment = f"The parent of the {words}.\nIf set, all of them must lie below it."
    return [*_parent(noun, comment, "OPTIONAL"), names]


def _batch_response(noun: Noun, which: str) -> list[Line]:
    return [Line(f"repeated {noun.message}", noun.plural_field, f"The {prose(noun.plural)}{which}.", ())]


def _update_request(noun: Noun) -> list[Line]:
    words = prose(noun.singular)
    comment = f"The {words} to update; its `name` says which.\n{noun.format}"
    return [
        Line(noun.message, noun.field, comment, (f"{BEHAVIOR}REQUIRED",)),
        _optional(
            "google.protobuf.FieldMask",
            "update_mask",
            "The fields to update; if unset, all fields that are set; `*` for all.",
        ),
        *([] if noun.singleton else [_optional("bool", "allow_missing", f"If set, a {words} that does not exist is created.")]),
        *_write_lines(),
    ]


def _delete_request(noun: Noun) -> list[Line]:
    words = prose(noun.singular)
    return [
        _name(noun, "delete"),
        _optional("string", "etag", f"If set, the {words} is deleted only while this is its etag."),
        _optional("bool", "allow_missing", f"If set, a {words} that does not exist is no error."),
        *([_optional("bool", "force", f"If set, everything below the {words} is deleted too.")] if noun.has_children else []),
        *_write_lines(),
    ]


def _undelete_request(noun: Noun) -> list[Line]:
    words = prose(noun.singular)
    return [
        _name(noun, "undelete"),
        _optional("string", "etag", f"If set, the {words} is undeleted only while this is its etag."),
        *_write_lines(),
    ]


def _aggregate_request(noun: Noun) -> list[Line]:
    words = prose(noun.plural)
    return [
        *_parent(noun, f"The parent, which owns this collection of {words}."),
        _optional("string", "filter", f"Which {words} to group (AIP-160)."),
        _optional(
            "repeated string",
            "group_by",
            f"What the {words} of a group have in common: fields, and times such as `month(create_time) as month`.\n"
            "If unset, all of them are one group.",
        ),
        _optional(
            "repeated string",
            "aggregates",
            "What to compute of each group: `count()`, `count(field)`, `count_distinct(field)`, `sum(field)`,\n"
            "`avg(field)`, `min(field)` or `max(field)`, each with `as name` behind it if wanted.\n"
            "If unset, `count()`.",
        ),
        _optional("string", "having", "Which groups to return: a filter over the names of the values above."),
        _optional("string", "order_by", "Values to sort by, such as `count desc`; if unset, those of `group_by`."),
        _optional(
            "int32",
            "page_size",
            "The most groups to return; fewer may come.\nIf unspecified, at most 50 are returned; values above 1,000 are lowered to 1,000.",
        ),
        _optional(
            "string",
            "page_token",
            f"The `next_page_token` of the page before, to go on from there.\n"
            f"All other arguments must be those of the call to `Aggregate{noun.plural_name}` that gave it.",
        ),
        *([_optional("bool", "show_deleted", f"If set, deleted {words} that are still kept are grouped too.")] if noun.kept else []),
    ]


def _aggregate_response(noun: Noun) -> list[Line]:
    return [
        Line("repeated protoplane.v1.AggregateGroup", "groups", f"The groups of {prose(noun.plural)} of this page.", ()),
        Line("string", "next_page_token", "The `page_token` of the next page; empty when this is the last.", ()),
    ]


def methods_of(noun: Noun, *, http: bool) -> dict[str, str]:
    """The standard methods by name, each with its rule, signature and (if asked for) HTTP binding."""
    name, plural, field = noun.name, noun.plural_name, noun.field
    one, many = prose(noun.singular), prose(noun.plural)
    parent = "parent," if noun.parent else ""
    create = f"{parent}{field}" if noun.id_source == "SERVER" else f"{parent}{field},{field}_id"
    paths = http_paths(noun) if http else {}

    def rpc(method: str, comment: str, answer: str, verb: str, signature: str) -> str:
        options = [f"option (protoplane.v1.rule).{noun.rule(verb)};"]
        options += [f"option (google.api.http) = {paths[method]};"] if http else []
        options += [f'option (google.api.method_signature) = "{signature}";'] if signature else []
        body = "".join(f"    {option}\n" for option in options)
        return f"{comments(comment, '  ')}  rpc {method}({method}Request) returns ({answer}) {{\n{body}  }}\n"

    deleted = f"BatchDelete{plural}Response" if noun.kept else "google.protobuf.Empty"
    wanted = (
        (f"Get{name}", f"Gets {with_article(one)}.", noun.message, "get", "name"),
        (f"BatchGet{plural}", f"Gets {many}: all of them or none.", f"BatchGet{plural}Response", "get", ""),
        (f"List{plural}", f"Lists {many}.", f"List{plural}Response", "list", parent.rstrip(",")),
        (f"Create{name}", f"Creates {with_article(one)}.", noun.message, "create", create),
        (f"BatchCreate{plural}", f"Creates {many}: all of them or none.", f"BatchCreate{plural}Response", "create", ""),
        (f"Update{name}", f"Updates {with_article(one)}.", noun.message, "update", f"{field},update_mask"),
        (f"BatchUpdate{plural}", f"Updates {many}: all of them or none.", f"BatchUpdate{plural}Response", "update", ""),
        (f"Delete{name}", f"Deletes {with_article(one)}.", noun.message if noun.kept else "google.protobuf.Empty", "delete", "name"),
        (f"BatchDelete{plural}", f"Deletes {many}: all of them or none.", deleted, "delete", ""),
        (f"Undelete{name}", f"Undeletes {with_article(one)}.", noun.message, "undelete", "name"),
        (f"Aggregate{plural}", f"Groups {many}, and computes of each group.", f"Aggregate{plural}Response", "list", ""),
    )
    return {method: rpc(method, *rest) for method, *rest in wanted}
