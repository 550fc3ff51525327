"""Every bound that callers or contracts meet, in one place: its unit in the name, its reason beside it.

Bounds that only one module knows of (caches, polls, retries) stand at the head of that module.
"""

from __future__ import annotations

PAGE_ROWS_DEFAULT = 50
"""Rows of a page when the caller names none (AIP-158 asks for a documented default)."""

PAGE_ROWS_MAX = 1_000
"""Larger page sizes are lowered to this (AIP-158), of rows as of groups: a page of 1,000 costs about 3 ms."""

PAGE_BYTES_MAX = 3 * 1024 * 1024
"""A page ends early rather than grow beyond this, and a batch or commit whose answer would is refused: gRPC clients take messages of
4 MiB unless told otherwise."""

BATCH_ITEMS_MAX = 1_000
"""Items in one batch call; more is INVALID_ARGUMENT."""

COMMIT_WRITES_MAX = 500
"""Writes in one commit: each is a few statements of its own, and other transactions wait for the rows meanwhile."""

FILTER_BYTES_MAX = 8_192
"""Length of a filter in UTF-8."""

FILTER_DEPTH_MAX = 32
"""Nesting of parentheses and NOT in a filter."""

FILTER_TERMS_MAX = 128
"""Comparisons in one filter: each becomes a term of the SQL."""

FILTER_WILDCARDS_MAX = 32
"""Stars in one value of a filter: MariaDB matches LIKE by recursion, and 2,000 overrun its stack."""

FILTER_NAMES_MAX = 32
"""Names in one path of a filter: messages, references and keys."""

FILTER_HOPS_MAX = 3
"""References that one path of a filter, an order_by or a group_by follows, one behind the other."""

FILTER_JOINS_MAX = 8
"""Resources that one filter, or one order_by, reaches through references: each is a join, and engines plan joins by trying orders."""

FILTER_STEPS_MAX = 256
"""Names on the way into Structs in one filter, before the last one of each path with `:`: each may hold an array, and is some SQL more."""

ORDER_FIELDS_MAX = 8
"""Fields in one order_by: the keyset predicate grows with their square."""

ORDER_CHARACTERS_MAX = 2_048
"""Length of an order_by: room for ORDER_FIELDS_MAX long paths."""

GROUP_KEYS_MAX = 8
"""Keys in one group_by: pages of groups go on by them as pages of rows go on by an order_by."""

AGGREGATES_MAX = 16
"""Values computed of each group in one call."""

AGGREGATE_TERM_CHARACTERS_MAX = 1_024
"""Length of one item of group_by or aggregates: room for a function, a path through references and a name."""

MASK_PATHS_MAX = 256
"""Paths in one field mask."""

MASK_PATH_CHARACTERS_MAX = 1_024
"""Length of one path of a field mask: room for a map key of some length."""

EXPANDED_ROWS_MAX = 1_000
"""Different resources that one expansion of one answer may name; each expansion is one statement."""

PAGE_TOKEN_BYTES_MAX = 65_536
"""Length of a page token; ours are far below unless the sort keys are long strings."""

PAGE_TOKEN_SECONDS_MAX = 7 * 24 * 3_600
"""Age at which a page token is refused."""

ID_CHARACTERS_MAX = 63
"""Length of one id in a resource name (AIP-122 follows RFC 1034)."""

NAME_CHARACTERS_MAX = 1_024
"""Length of a whole resource name, before it is parsed."""

CHARACTER_BYTES_MAX = 4
"""Bytes of a character in UTF-8, on every engine."""

INDEX_BYTES_MAX = 3_072
"""All columns of an index together (InnoDB, ROW_FORMAT=DYNAMIC). Above it MariaDB makes a hash index or silently cuts the key."""

INDEXED_CHARACTERS_MAX = INDEX_BYTES_MAX // CHARACTER_BYTES_MAX
"""Characters that a column of an index can hold: 768."""

IDENTIFIER_CHARACTERS_MAX = 64
"""Names of tables, columns and indexes on MySQL and MariaDB; SQLite has no limit, but a contract should move."""

JSON_LEVELS_MAX = 24
"""Of a Struct, Value or ListValue: objects and arrays inside one another. MariaDB reads no JSON of more than 32 levels, some of which are those
that it is kept in, and finds no row by what it does not read."""

COLUMNS_MAX = 1_000
"""Columns of a resource's table: InnoDB takes 1,017, some of them its own."""

ROW_DECLARED_BYTES_MAX = 65_000
"""All columns of a table together, as they are declared: MySQL and MariaDB take 65,535, of bounded text 4 a character."""

ROW_INSIDE_BYTES_MAX = 8_000
"""What of a row can lie in the row itself: half a page of InnoDB, 8,126 with what it adds. Of a long text up to 40 bytes stay there."""

SORT_CHARACTERS_MAX = 255
"""Characters of an unbounded string that take part in sorting: 1,020 bytes, just within MySQL's max_sort_length of 1,024."""

VALUE_BYTES_MAX = 4 * 1024 * 1024
"""Largest message taken: gRPC's own default."""

ANSWER_BYTES_MAX = 4 * VALUE_BYTES_MAX
"""Largest message sent: one resource that its expansions make larger is refused, whatever its client would take."""

QUESTION_BYTES_MAX = 256 * 1024
"""Largest request of a Get, List, Aggregate or Delete: room for the longest page token, filter and masks, and no more."""

PURGE_DAYS_DEFAULT = 30
"""How long a soft-deleted resource is kept where its contract does not say (AIP-164 recommends 30 days)."""

REQUEST_ID_HOURS = 24
"""How long the first answer to a request_id is kept."""

TRANSACTION_ATTEMPTS_MAX = 5
"""Runs of one transaction before a deadlock or lock time-out is given back to the caller as ABORTED."""

DEADLINE_SECONDS_DEFAULT = 30.0
"""Deadline of a call that names none."""

DEADLINE_SECONDS_MAX = 300.0
"""Longer deadlines are lowered to this."""

TOKEN_CHARACTERS_MAX = 8_192
"""Length of a bearer token; gRPC's metadata limit is 16 KiB in all."""
