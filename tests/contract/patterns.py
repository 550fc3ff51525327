"""Contracts whose resources have several patterns: broken ones, the rules in the order of the marked lines and the text; and good ones."""

from __future__ import annotations

from tests.contract.protos import HEADER

PARENTS = ("Folder", "folders/{folder}"), ("User", "users/{user}")
BOTH = "folders/{folder}/notes/{note}", "users/{user}/notes/{note}"


def resource(name: str, *patterns: str, body: str = "", storage: str = "") -> str:
    """A resource; of its patterns, one may be marked by a `!` at its end, as that of a finding."""
    lines = "".join(f'    pattern: "{pattern.rstrip("!")}"{" //!" * pattern.endswith("!")}\n' for pattern in patterns)
    said = f'  option (google.api.resource) = {{\n    type: "library.example.com/{name}"\n{lines}  }};\n'
    return f"message {name} {{\n{said}  {storage}\n  string name = 1;\n  {body}\n}}\n"


def contract(*patterns: str, body: str = "", storage: str = "", more: str = "") -> str:
    """Folders, users, and notes with these patterns."""
    parents = "".join(resource(*parent) for parent in PARENTS)
    return HEADER + parents + resource("Note", *patterns, body=body, storage=storage) + more


def stored(option: str) -> str:
    return f"option (protoplane.v1.storage).{option};"


LISTED = """
message ListNotesRequest {{ //!
  {parent}
  int32 page_size = 2;
  string page_token = 3;
}}
message ListNotesResponse {{
  repeated Note notes = 1;
  string next_page_token = 2;
}}
service Notes {{
  rpc ListNotes(ListNotesRequest) returns (ListNotesResponse) {{
    option (protoplane.v1.rule).public = true;
  }}
}}
"""

REFERENCE = '  string note = 2 [(google.api.resource_reference).type = "library.example.com/Note"];'

CASES: dict[str, tuple[str, str]] = {
    "two patterns that fit the same names": ("pattern-duplicate", contract("folders/{folder}/notes/{note}", "folders/{f}/notes/{n}!")),
    "two patterns below the same parents": ("pattern-ambiguous", contract("folders/{folder}/notes/{note}", "folders/{folder}/memos/{note}!")),
    "two patterns at the top": ("pattern-ambiguous", contract("notes/{note}", "memos/{note}!")),
    "one pattern of two that is none": ("pattern-malformed", contract("folders/{folder}/notes/{note}", "users/{user}/note_s/{note}!")),
    "one pattern of two below nothing": ("parent-unknown", contract("folders/{folder}/notes/{note}", "groups/{group}/notes/{note}!")),
    "a pattern that is another resource's": (
        "pattern-duplicate",
        contract(*BOTH, more=resource("Memo", "memos/{memo}", "users/{user}/notes/{memo}!")),
    ),
    "a singleton by one pattern alone": ("pattern-several", contract("folders/{folder}/note!", "users/{user}/notes/{note}")),
    "ids that are unique whatever the pattern": (
        "pattern-several",
        contract(f"{BOTH[0]}!", BOTH[1], storage=stored("id = {unique_across_parents: true}")),
    ),
    "values that are unique whatever the pattern": (
        "pattern-several",
        contract(*BOTH, body="int32 size = 2;", storage=stored('index = {fields: ["size"] unique: true}') + " //!"),
    ),
    "a column of one pattern": ("column-clash", contract(*BOTH, body="string user = 2; //!")),
    "a table with a long name": (
        "table-name",
        contract(*BOTH, storage=stored(f'table = "{"t" * 56}"') + " //!"),
    ),
    "a list without the parent that one pattern has": (
        "method-shape",
        contract("notes/{note}", "users/{user}/notes/{note}", more=LISTED.format(parent="")),
    ),
    "an expansion of what has several patterns": (
        "expand-reference",
        contract(
            *BOTH,
            more=resource("Pin", "pins/{pin}", body=f'{REFERENCE}\n  Note whole = 3 [(protoplane.v1.field).expand = "note", //!\n (google.api.field_behavior) = OUTPUT_ONLY];'),
        ),
    ),
    "an index over a reference to what has several patterns": (
        "index-unbounded",
        contract(*BOTH, more=resource("Pin", "pins/{pin}", body=REFERENCE, storage=stored('index = {fields: ["note"]}') + " //!")),
    ),
}  # fmt: skip

GOOD: dict[str, str] = {
    "below two kinds of parents": contract(*BOTH),
    "at the top and below": contract("notes/{note}", "users/{user}/notes/{note}"),
    "singletons": contract("folders/{folder}/note", "users/{user}/note"),
    "children of one pattern": contract(*BOTH, more=resource("Mark", "users/{user}/notes/{note}/marks/{mark}")),
    "other collections": contract("folders/{folder}/notes/{note}", "users/{user}/jottings/{note}"),
    "a parent in the list": contract("notes/{note}", "users/{user}/notes/{note}", more=LISTED.format(parent="string parent = 1;")),
}
