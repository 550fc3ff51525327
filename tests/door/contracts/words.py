"""Names that contracts may use and code trips over: of engines, of Python, of ours, of JSON, and long ones."""

from __future__ import annotations

FIELDS = (
    # Words of SQL, and columns that every table of SQLite has.
    "select", "order", "key", "group", "from", "where", "table", "index", "values", "primary", "desc", "limit", "offset", "rank", "row", "rows",
    "system", "window", "lateral", "of", "in", "is", "and", "or", "not", "null", "true", "false", "user", "default", "current_time", "interval",
    "rowid", "oid", "_rowid_", "main", "temp", "binary", "div", "mod", "like", "exists", "case", "end", "as", "distinct", "recursive", "cast",
    # Of Python, of protobuf, and of .proto files.
    "class", "def", "lambda", "import", "none", "self", "yield", "pass", "async", "message", "enum", "repeated", "optional", "reserved", "option", "byte_size",
    # Ours, in statements, requests and columns.
    "row_version", "version", "id", "parent", "filter", "order_by", "page_token", "skip", "element", "n", "k", "v", "p1", "sort_0", "part_0", "via", "after_0",
    "now", "ago", "size", "length", "protoplane", "names", "name_", "display_name", "etags", "expire_time", "present", "count",
    # That differ by an underscore or by case alone, in one of their forms.
    "foo_b", "foob", "fooBarBaz", "foo_bar_baz1", "a_1b", "a1_b", "x", "_x", "x_", "x1", "b2b", "z9_8y",
    # Long ones.
    "a" * 63, "very_" * 12 + "long", "l23456789_" * 6 + "63x",
)  # fmt: skip
"""Of a resource; no two are one in JSON."""

PARTS = (
    "select",
    "order",
    "key",
    "name",
    "from",
    "value",
    "k",
    "v",
    "n",
    "p0",
    "index",
    "last",
    "to",
    "class",
    "x",
    "x1",
    "id",
    "in",
    "path",
    "etag",
)
"""Of a message inside one: short, because columns are called after the whole path."""

RESOURCES = (
    ("Order", "order", "orders"),
    ("Group", "group", "groups"),
    ("Select", "select", "selects"),
    ("Key", "key", "keys"),
    ("UserIndex", "userIndex", "userIndexes"),
    ("Class", "class", "classes"),
    ("Table", "table", "tables"),
    ("Row", "row", "rows"),
    ("X1", "x1", "x1s"),
    ("Category", "category", "categories"),
    ("Value", "value", "values"),
    ("Element", "element", "elements"),
    ("APIKey", "apiKey", "apiKeys"),
)
"""Message, singular and plural."""

REFERENCES = ("owner", "match", "references", "foreign", "origin_row", "using", "cross", "left", "inner", "natural", "next_one", "cousin")
"""Of references."""

TABLES = ("select", "order", "group", "table", "rank", "system", "from", "where", "a" * 64)
"""No plural of the above: two resources in one table are refused."""

IDS = (
    "A",
    "a",
    "0",
    "9",
    "007",
    "a.b",
    "a~b",
    "~",
    "_",
    "__",
    "-a",
    "a-",
    "--",
    "...",
    "a_b",
    "aXb",
    "Z" * 63,
    "true",
    "null",
    "1e5",
    "AND",
)
"""Every character that an id can have."""

NUMBERS = (1, 2, 9, 10, 11, 42, 99, 100, 2**31, 2**53 + 1, 2**63 - 1)
