"""JSON as each engine reads it: elements of arrays, values at paths, with texts that compare exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from peewee import SQL, Case, Entity, Expression, Node, NodeList, Select, fn

from protoplane.query.columns import Dynamic
from protoplane.store.schema import Storage


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a JSON column as a FROM item: `EXISTS (SELECT 1 FROM source WHERE test(key, value))`."""

    source: Node
    key: Node
    """Index from 0 (integer) of an array, or key (text) of a pair."""
    value: Node
    there: Sequence[Node] = ()
    """For each name of the path inside an element: the condition that something stands there, a null too."""
    hint: str = ""
    """Optimizer hint of the subquery."""

    def exists(self, test: Node) -> Node:
        """Condition: some element passes the test, which is made of `key` and `value`."""
        return exists(self.source, test, self.hint)


class Documents(ABC):
    """What a dialect does with columns of JSON."""

    @abstractmethod
    def json_elements(
        self, column: Node, value: Storage, *, keyed: bool = False, alias: str = "element", at: Sequence[str] = (), anything: bool = False
    ) -> Elements:
        """The elements of a JSON array, or (`keyed`) of an array of `[key, value]` pairs; none when the column is NULL or ''.

        `value` says how an element compares: TEXT and BYTES (in the text form the codec gives it) as exact text, times and durations
        as INT64. Of messages (JSON) the value is their JSON. `alias` must differ between elements nested in one another. `at` names
        what is compared inside each element, by the names of fields; the value is NULL where there is none. With `anything` values
        are JSON also where they are scalars.
        """

    @abstractmethod
    def json_at(self, document: Node, path: Node) -> Dynamic:
        """See `Columns.json`; texts compare exactly."""

    @abstractmethod
    def any_key(self, document: Node, path: Node, test: Callable[[Node], Node]) -> Node:
        """See `Columns.any_key`."""

    @abstractmethod
    def any_value(self, document: Node, path: Node, test: Callable[[Dynamic], Node]) -> Node:
        """See `Columns.any_value`."""

    @abstractmethod
    def any_object(self, document: Node, steps: Sequence[Node], test: Callable[[Node], Node]) -> Node:
        """See `Columns.any_object`: the steps are joined side by side, because SQLite's parser bears no deep nesting."""

    @abstractmethod
    def characters(self, text: Node) -> Node:
        """How many characters a text has."""

    @abstractmethod
    def json_length(self, document: Node) -> Node:
        """How many elements a JSON array has; 0 for NULL and ''."""


class SqliteDocuments(Documents):
    """JSON functions of SQLite."""

    def json_elements(
        self, column: Node, value: Storage, *, keyed: bool = False, alias: str = "element", at: Sequence[str] = (), anything: bool = False
    ) -> Elements:
        """json_each; texts are cut at U+0000."""
        del value
        source = NodeList((fn.json_each(fn.NULLIF(column, SQL("''"))), SQL("AS"), Entity(alias)))
        element, paths = Entity(alias, "value"), json_paths(keyed=keyed, at=at)
        there = [Expression(fn.json_type(element, SQL(path)), "IS NOT", SQL("NULL")) for path in paths[1:]]
        key = fn.json_extract(element, SQL("'$[0]'")) if keyed else Entity(alias, "key")
        found: Node = fn.json_extract(element, SQL(paths[-1])) if keyed or at else element
        if anything:
            kind = fn.json_type(element, SQL(paths[-1])) if keyed or at else Entity(alias, "type")
            found = _sqlite_json(kind, found)
        return Elements(source, key, found, there)

    def json_at(self, document: Node, path: Node) -> Dynamic:
        """See `Documents.json_at`."""
        document = fn.NULLIF(document, SQL("''"))
        return _sqlite_dynamic(fn.json_type(document, path), fn.json_extract(document, path))

    def any_key(self, document: Node, path: Node, test: Callable[[Node], Node]) -> Node:
        """See `Documents.any_key`."""
        return exists(_sqlite_each(HELD, fn.NULLIF(document, SQL("''")), path), test(Entity(HELD, "key")))

    def any_value(self, document: Node, path: Node, test: Callable[[Dynamic], Node]) -> Node:
        """See `Documents.any_value`."""
        held = _sqlite_dynamic(Entity(HELD, "type"), Entity(HELD, "value"))
        return exists(_sqlite_each(HELD, fn.NULLIF(document, SQL("''")), path), test(held))

    def any_object(self, document: Node, steps: Sequence[Node], test: Callable[[Node], Node]) -> Node:
        """The value of what is no object may be no JSON."""
        sources: list[Node] = []
        document = fn.NULLIF(document, SQL("''"))
        for index, step in enumerate(steps):
            alias, found = f"{HELD}_{index}", fn.json_extract(document, step)
            listed = ((SQL("'array'"), found), (SQL("'object'"), fn.json_array(found)))
            sources.append(_sqlite_each(alias, Case(fn.json_type(document, step), listed)))
            document = Case(Entity(alias, "type"), ((SQL("'object'"), Entity(alias, "value")),))
        return exists(NodeList(sources, glue=", "), test(document))

    def characters(self, text: Node) -> Node:
        """See `Dialect.characters`."""
        return fn.LENGTH(text)

    def json_length(self, document: Node) -> Node:
        """See `Dialect.json_length`."""
        return fn.COALESCE(fn.json_array_length(fn.NULLIF(document, SQL("''"))), SQL("0"))


class MySQLDocuments(Documents):
    """JSON functions of MariaDB and MySQL."""

    collation: str

    @property
    def exact(self) -> str:
        """Of every text: binary comparison, no padding."""
        return f"CHARACTER SET utf8mb4 COLLATE {self.collation}"

    def json_elements(
        self, column: Node, value: Storage, *, keyed: bool = False, alias: str = "element", at: Sequence[str] = (), anything: bool = False
    ) -> Elements:
        """JSON_TABLE over the array."""
        kind, text, paths = self.json_types[value], f"LONGTEXT {self.exact}", json_paths(keyed=keyed, at=at)
        shape = f"k {text} PATH '$[0]', v {kind} PATH {paths[-1]}" if keyed else f"n FOR ORDINALITY, v {kind} PATH {paths[-1]}"
        shape += "".join(f", p{index} INT EXISTS PATH {path}" for index, path in enumerate(paths[1:]))
        table = json_table(fn.NULLIF(column, SQL("''")), SQL(f"'$[*]' COLUMNS ({shape})"))
        key = Entity(alias, "k") if keyed else NodeList((Entity(alias, "n"), SQL("- 1")), parens=True)
        there = [Expression(Entity(alias, f"p{index}"), "=", SQL("1")) for index in range(len(at))]
        # As text: a JSON of MySQL that is an empty text would equal ''.
        found = fn.CONCAT(Entity(alias, "v")) if anything else Entity(alias, "v")
        return Elements(NodeList((table, SQL("AS"), Entity(alias))), key, found, there, NO_SEMIJOIN)

    def json_at(self, document: Node, path: Node) -> Dynamic:
        """See `Documents.json_at`."""
        return self._dynamic(_mysql_at(document, path))

    def any_key(self, document: Node, path: Node, test: Callable[[Node], Node]) -> Node:
        """By the list of its keys: MariaDB finds no key that begins with a minus sign by its path."""
        keys = fn.JSON_KEYS(fn.NULLIF(document, SQL("''")), path)
        return exists(_mysql_each(HELD, keys, f"LONGTEXT {self.exact}"), test(Entity(HELD, "v")), NO_SEMIJOIN)

    def any_value(self, document: Node, path: Node, test: Callable[[Dynamic], Node]) -> Node:
        """See `Documents.any_value`."""
        return exists(_mysql_each(HELD, _mysql_at(document, path), "JSON"), test(self._dynamic(Entity(HELD, "v"))), NO_SEMIJOIN)

    def any_object(self, document: Node, steps: Sequence[Node], test: Callable[[Node], Node]) -> Node:
        """Each step finds what is there, and the elements of what is an array; a name leads into objects only."""
        sources: list[Node] = []
        document = fn.NULLIF(document, SQL("''"))
        for index, step in enumerate(steps):
            alias, columns = f"{HELD}_{index}", "v JSON PATH '$', NESTED PATH '$[*]' COLUMNS (n JSON PATH '$')"
            found = json_table(fn.JSON_EXTRACT(document, step), SQL(f"'$' COLUMNS ({columns})"))
            sources.append(NodeList((found, SQL("AS"), Entity(alias))))
            document = fn.COALESCE(Entity(alias, "n"), Entity(alias, "v"))
        return exists(NodeList(sources, glue=", "), test(document), NO_SEMIJOIN)

    def _dynamic(self, value: Node) -> Dynamic:
        """Numbers as doubles: those of a Struct are."""
        kind, text = self._exactly(fn.JSON_TYPE(value)), self._exactly(fn.JSON_UNQUOTE(value))
        number = NodeList((SQL("CAST("), value, SQL("AS DOUBLE)")), glue=" ")
        return Dynamic(
            number=_when(kind, "('INTEGER', 'DOUBLE', 'DECIMAL', 'UNSIGNED INTEGER')", number),
            text=_when(kind, "('STRING')", text),
            bool=_when(kind, "('BOOLEAN')", text),
            type=kind,
            array=Expression(kind, "=", SQL("'ARRAY'")),
            object=Expression(kind, "=", SQL("'OBJECT'")),
        )

    def _exactly(self, text: Node) -> Node:
        """What the functions of JSON return has a collation of its own, which pads."""
        return NodeList((SQL("CONVERT("), text, SQL(f"USING utf8mb4) COLLATE {self.collation}")), glue=" ")

    def characters(self, text: Node) -> Node:
        """LENGTH would count bytes."""
        return fn.CHAR_LENGTH(text)

    def json_length(self, document: Node) -> Node:
        """See `Dialect.json_length`."""
        return fn.COALESCE(fn.JSON_LENGTH(fn.NULLIF(document, SQL("''"))), SQL("0"))

    @property
    def json_types(self) -> Mapping[Storage, str]:
        """The type as which JSON_TABLE gives an element."""
        text = f"LONGTEXT {self.exact}"
        return {
            Storage.BOOL: "BIGINT",
            Storage.INT64: "BIGINT",
            Storage.UINT64: "BIGINT UNSIGNED",
            Storage.DOUBLE: "DOUBLE",
            Storage.TEXT: text,
            Storage.BYTES: text,
            Storage.TIME: "BIGINT",
            Storage.JSON: "JSON",
        }


HELD = "held"
"""Alias of what an object or array in a Struct holds."""

NO_SEMIJOIN = "/*+ NO_SEMIJOIN() */ "
"""MySQL 9.7 makes a semijoin of EXISTS over JSON_TABLE, may materialise it once for all rows of the outer query, and then finds rows that
do not match and misses some that do. MariaDB 10.11 is right by itself and takes the hint for a comment."""


def exists(source: Node, test: Node, hint: str = "") -> Node:
    """Condition: some row of a FROM item passes."""
    return fn.EXISTS(Select((source,), (SQL(f"{hint}1"),)).where(test))


def json_paths(*, keyed: bool, at: Sequence[str]) -> list[str]:
    """The JSON paths, as literals, from an element down to what is at `at`; the names are the contract's own."""
    root = "$[1]" if keyed else "$"
    return [f"'{'.'.join((root, *at[:depth]))}'" for depth in range(len(at) + 1)]


def json_table(document: Node, columns: Node) -> Node:
    """Write `JSON_TABLE(document, path COLUMNS (…))`."""
    return NodeList((SQL("JSON_TABLE("), document, SQL(","), columns, SQL(")")))


def _when(kind: Node, kinds: str, value: Node) -> Node:
    """The value where its type is one of these, else NULL."""
    return Case(None, ((Expression(kind, "IN", SQL(kinds)), value),))


def _sqlite_dynamic(kind: Node, value: Node) -> Dynamic:
    return Dynamic(
        number=_when(kind, "('integer', 'real')", value),
        text=_when(kind, "('text')", value),
        bool=_when(kind, "('true', 'false')", kind),
        type=kind,
        array=Expression(kind, "=", SQL("'array'")),
        object=Expression(kind, "=", SQL("'object'")),
    )


def _sqlite_json(kind: Node, value: Node) -> Node:
    """The JSON of what json_extract or json_each gave, which is JSON itself of arrays and objects only."""
    plain = Expression(kind, "IN", SQL("('integer', 'real', 'text')"))
    composed = Expression(kind, "IN", SQL("('array', 'object')"))
    return Case(None, ((plain, fn.json_quote(value)), (composed, value)), kind)


def _sqlite_each(alias: str, *document: Node) -> Node:
    return NodeList((fn.json_each(*document), SQL("AS"), Entity(alias)))


def _mysql_at(document: Node, path: Node) -> Node:
    return fn.JSON_EXTRACT(fn.NULLIF(document, SQL("''")), path)


def _mysql_each(alias: str, array: Node, kind: str) -> Node:
    return NodeList((json_table(array, SQL(f"'$[*]' COLUMNS (v {kind} PATH '$')")), SQL("AS"), Entity(alias)))
