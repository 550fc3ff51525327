"""JSON as each engine reads it: elements of arrays, values at paths, with texts that compare exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from peewee import SQL, Case, Entity, Expression, Node, NodeList, Select, fn

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
        return fn.EXISTS(Select((self.source,), (SQL(f"{self.hint}1"),)).where(test))


class Documents(ABC):
    """What a dialect does with columns of JSON."""

    @abstractmethod
    def json_elements(
        self, column: Node, value: Storage, *, keyed: bool = False, alias: str = "element", at: Sequence[str] = ()
    ) -> Elements:
        """The elements of a JSON array, or (`keyed`) of an array of `[key, value]` pairs; none when the column is NULL or ''.

        `value` says how an element compares: TEXT and BYTES (in the text form the codec gives it) as exact text, times and durations
        as INT64. Of messages (JSON) the value is their JSON. `alias` must differ between elements nested in one another. `at` names
        what is compared inside each element, by the names of fields; the value is NULL where there is none.
        """

    @abstractmethod
    def json_number(self, document: Node, path: Node) -> Node:
        """The number at a JSON path that may be bound; NULL when there is something else, or nothing. So the three below."""

    @abstractmethod
    def json_text(self, document: Node, path: Node) -> Node:
        """The text at a JSON path, which compares exactly."""

    @abstractmethod
    def json_bool(self, document: Node, path: Node) -> Node:
        """`true` or `false`, as text, at a JSON path."""

    @abstractmethod
    def json_type(self, document: Node, path: Node) -> Node:
        """What stands at a JSON path, as the engine calls it in capitals or not; null too. NULL when nothing does."""

    @abstractmethod
    def characters(self, text: Node) -> Node:
        """How many characters a text has."""

    @abstractmethod
    def json_length(self, document: Node) -> Node:
        """How many elements a JSON array has; 0 for NULL and ''."""


class SqliteDocuments(Documents):
    """JSON functions of SQLite."""

    def json_elements(
        self, column: Node, value: Storage, *, keyed: bool = False, alias: str = "element", at: Sequence[str] = ()
    ) -> Elements:
        """json_each; texts are cut at U+0000."""
        del value
        source = NodeList((fn.json_each(fn.NULLIF(column, SQL("''"))), SQL("AS"), Entity(alias)))
        element, paths = Entity(alias, "value"), json_paths(keyed=keyed, at=at)
        there = [Expression(fn.json_type(element, SQL(path)), "IS NOT", SQL("NULL")) for path in paths[1:]]
        key = fn.json_extract(element, SQL("'$[0]'")) if keyed else Entity(alias, "key")
        return Elements(source, key, fn.json_extract(element, SQL(paths[-1])) if keyed or at else element, there)

    def json_number(self, document: Node, path: Node) -> Node:
        """See `Dialect.json_number`."""
        return self._json_value(document, path, "('integer', 'real')")

    def json_text(self, document: Node, path: Node) -> Node:
        """See `Dialect.json_text`."""
        return self._json_value(document, path, "('text')")

    def json_bool(self, document: Node, path: Node) -> Node:
        """The type says it."""
        kind = self.json_type(document, path)
        return Case(None, ((Expression(kind, "IN", SQL("('true', 'false')")), kind),))

    def json_type(self, document: Node, path: Node) -> Node:
        """See `Dialect.json_type`."""
        return fn.json_type(fn.NULLIF(document, SQL("''")), path)

    def _json_value(self, document: Node, path: Node, kinds: str) -> Node:
        value = fn.json_extract(fn.NULLIF(document, SQL("''")), path)
        return Case(None, ((Expression(self.json_type(document, path), "IN", SQL(kinds)), value),))

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
        self, column: Node, value: Storage, *, keyed: bool = False, alias: str = "element", at: Sequence[str] = ()
    ) -> Elements:
        """JSON_TABLE over the array."""
        kind, text, paths = self.json_types[value], f"LONGTEXT {self.exact}", json_paths(keyed=keyed, at=at)
        shape = f"k {text} PATH '$[0]', v {kind} PATH {paths[-1]}" if keyed else f"n FOR ORDINALITY, v {kind} PATH {paths[-1]}"
        shape += "".join(f", p{index} INT EXISTS PATH {path}" for index, path in enumerate(paths[1:]))
        table = json_table(fn.NULLIF(column, SQL("''")), SQL(f"'$[*]' COLUMNS ({shape})"))
        key = Entity(alias, "k") if keyed else NodeList((Entity(alias, "n"), SQL("- 1")), parens=True)
        there = [Expression(Entity(alias, f"p{index}"), "=", SQL("1")) for index in range(len(at))]
        return Elements(NodeList((table, SQL("AS"), Entity(alias))), key, Entity(alias, "v"), there, NO_SEMIJOIN)

    def json_number(self, document: Node, path: Node) -> Node:
        """As a double: numbers of a Struct are."""
        number = NodeList((SQL("CAST("), self._json_at(document, path), SQL("AS DOUBLE)")), glue=" ")
        return self._json_value(document, path, "('INTEGER', 'DOUBLE', 'DECIMAL', 'UNSIGNED INTEGER')", number)

    def json_text(self, document: Node, path: Node) -> Node:
        """See `Dialect.json_text`."""
        return self._json_value(document, path, "('STRING')", self._exactly(fn.JSON_UNQUOTE(self._json_at(document, path))))

    def json_bool(self, document: Node, path: Node) -> Node:
        """See `Dialect.json_bool`."""
        return self._json_value(document, path, "('BOOLEAN')", self._exactly(fn.JSON_UNQUOTE(self._json_at(document, path))))

    def json_type(self, document: Node, path: Node) -> Node:
        """See `Dialect.json_type`."""
        return self._exactly(fn.JSON_TYPE(self._json_at(document, path)))

    def _exactly(self, text: Node) -> Node:
        """What the functions of JSON return has a collation of its own, which pads."""
        return NodeList((SQL("CONVERT("), text, SQL(f"USING utf8mb4) COLLATE {self.collation}")), glue=" ")

    def _json_at(self, document: Node, path: Node) -> Node:
        return fn.JSON_EXTRACT(fn.NULLIF(document, SQL("''")), path)

    def _json_value(self, document: Node, path: Node, kinds: str, value: Node) -> Node:
        return Case(None, ((Expression(self.json_type(document, path), "IN", SQL(kinds)), value),))

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


NO_SEMIJOIN = "/*+ NO_SEMIJOIN() */ "
"""MySQL 9.7 makes a semijoin of EXISTS over JSON_TABLE, may materialise it once for all rows of the outer query, and then finds rows that
do not match and misses some that do. MariaDB 10.11 is right by itself and takes the hint for a comment."""


def json_paths(*, keyed: bool, at: Sequence[str]) -> list[str]:
    """The JSON paths, as literals, from an element down to what is at `at`; the names are the contract's own."""
    root = "$[1]" if keyed else "$"
    return [f"'{'.'.join((root, *at[:depth]))}'" for depth in range(len(at) + 1)]


def json_table(document: Node, columns: Node) -> Node:
    """Write `JSON_TABLE(document, path COLUMNS (…))`."""
    return NodeList((SQL("JSON_TABLE("), document, SQL(","), columns, SQL(")")))
