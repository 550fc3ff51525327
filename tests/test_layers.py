"""The house: which room may import which, which room may touch which library, and what stands nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "server" / "protoplane"

TOP = ("database", "project", "app", "verify", "cli")
"""What stands on all rooms, in order too: the server never imports the commands."""

ROOMS = ("base", "contract", "query", "store", "access", "identity", "changes", "work", "method", "edge", *TOP)
"""From the ground up: a room imports itself and those before it."""

LIBRARIES = {
    "base": {"google.protobuf", "google.rpc"},
    "contract": {"google.protobuf", "protovalidate", "grpc_tools"},
    "query": {"google.protobuf", "peewee", "cryptography"},
    "store": {"google.protobuf", "peewee", "MySQLdb", "sqlite3"},
    "access": {"google.protobuf", "peewee", "cel_expr_python"},
    "identity": {"joserfc", "cryptography"},
    "changes": {"google.protobuf", "peewee"},
    "work": {"google.protobuf", "peewee"},
    "method": {"google.protobuf", "peewee"},
    "edge": {"grpc", "grpc_health", "google.protobuf", "google.rpc", "cryptography", "prometheus_client"},
    "database": set(),
    "project": set(),
    "app": {"grpc"},
    "verify": {"grpc", "google.protobuf", "google.rpc"},
    "cli": {"click", "grpc", "grpc_tools", "google.protobuf", "google.rpc", "watchfiles", "yaml"},
}
"""Third-party packages of each room; everyone has the standard library but for what KEPT and the tests below keep."""

KEPT = {
    "os.environ": "base/config.py",
    "os.environb": "base/config.py",
    "os.getenv": "base/config.py",
    "os.getenvb": "base/config.py",
    "os.putenv": "base/config.py",
    "random": "base/jitter.py",
    "time": "base/clock.py",
    "datetime.datetime.now": "base/clock.py",
    "datetime.datetime.today": "base/clock.py",
    "datetime.datetime.utcnow": "base/clock.py",
    "datetime.date.today": "base/clock.py",
}
"""What only the file named may touch: everything else is handed the environment and the time."""


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path, ast.parse(path.read_text("utf-8"))) for path in sorted(SOURCE.rglob("*.py")))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "base" if first == "__init__" else first


def room_of_module(module: str) -> str:
    return module.split(".")[1] if "." in module else "base"


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every import, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            module = node.module or ""
            yield from (
                ((node.lineno, f"{module}.{alias.name}") for alias in node.names) if module == "protoplane" else [(node.lineno, module)]
            )


def origins(tree: ast.AST) -> dict[str, str]:
    """Every imported name as what it is: `from time import monotonic as tick` makes `tick` to `time.monotonic`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0] for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name and attribute that an import gives, in full: `d.now` is `datetime.datetime.now` where `d` is that class."""
    known = origins(tree)
    for node in ast.walk(tree):
        rest, inner = "", node
        while isinstance(inner, ast.Attribute):
            rest, inner = f".{inner.attr}{rest}", inner.value
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(inner, ast.Name) and inner.id in known:
            yield node.lineno, f"{known[inner.id]}{rest}"


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every text that is not a docstring."""
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node


def test_every_file_stands_in_a_room() -> None:
    assert not [name_of(path) for path, _ in modules() if room_of(path) not in ROOMS]


def test_every_room_imports_only_itself_and_the_rooms_below_it() -> None:
    wrong = []
    for path, tree in modules():
        for line, module in imports(tree):
            if module.startswith("protoplane.") and ROOMS.index(room_of_module(module)) > ROOMS.index(room_of(path)):
                wrong.append(f"{name_of(path)}:{line} imports {module}")
    assert not wrong


def test_every_room_touches_only_its_own_libraries() -> None:
    import sys

    wrong = []
    for path, tree in modules():
        for line, module in imports(tree):
            top = module.split(".")[0]
            allowed = LIBRARIES[room_of(path)]
            known = any(module == name or module.startswith(f"{name}.") for name in allowed)
            standard = top in sys.stdlib_module_names and (top != "sqlite3" or "sqlite3" in allowed)
            if not (standard or known or top == "protoplane"):
                wrong.append(f"{name_of(path)}:{line} imports {module}")
    assert not wrong


def breaches(tree: ast.AST, file: str, kept: Mapping[str, str]) -> list[str]:
    """Uses of what belongs to another file."""
    return [
        f"{file}:{line} uses {used}"
        for line, used in uses(tree)
        for name, owner in kept.items()
        if file != owner and (used == name or used.startswith(f"{name}."))
    ]


def test_only_config_reads_the_environment_and_only_clock_the_time() -> None:
    assert not [breach for path, tree in modules() for breach in breaches(tree, name_of(path), KEPT)]


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(1)",
        "import time as t\nt.monotonic()",
        "from time import monotonic\nmonotonic()",
        "def f():\n    from time import time_ns as now\n    return now()",
        "import os\nos.environ['A']",
        "import os as o\no.getenv('A')",
        "from os import environ\nenviron['A']",
        "from datetime import datetime as d\nd.now()",
        "import datetime\ndatetime.date.today()",
    ],
)
def test_the_environment_and_the_time_are_seen_under_any_name(code: str) -> None:
    assert breaches(ast.parse(code), "store/engine.py", KEPT)


def test_only_the_edge_sees_grpc_contexts() -> None:
    wrong = []
    for path, tree in modules():
        if room_of(path) != "edge":
            named = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)]
            names = [(node.lineno, node.attr if isinstance(node, ast.Attribute) else node.id) for node in named]
            names += [(text.lineno, str(text.value)) for text in texts(tree)]
            wrong += [f"{name_of(path)}:{line} names {name}" for line, name in names if name.endswith(("ServicerContext", "RpcContext"))]
    assert not wrong


CONNECTS = {"store/engine.py", "store/session.py", "store/sqlite.py", "store/mysqlclient.py", "store/connection.py"}

TRANSACTION = re.compile(r"^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|START TRANSACTION|RELEASE)\b")

OPENS = {"connect", "atomic", "transaction", "manual_commit", "commit", "rollback", "command"}
"""Methods of drivers, of Peewee and of our own connections that open a connection or begin or end a transaction."""


def test_only_the_engine_and_its_connections_connect_or_begin_transactions() -> None:
    wrong = []
    for path, tree in modules():
        if name_of(path) in CONNECTS:
            continue
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        # `@click.command(…)` and the like are nobody's connection.
        own = [call for call in calls if ast.unparse(call.value) != "click"]
        wrong += [f"{name_of(path)}:{call.lineno} calls {ast.unparse(call)}" for call in own if call.attr in OPENS]
        wrong += [f"{name_of(path)}:{text.lineno} has {text.value!r}" for text in texts(tree) if TRANSACTION.match(str(text.value))]
    assert not wrong


def test_only_one_module_imports_the_driver_that_must_be_compiled() -> None:
    found = {name_of(path) for path, tree in modules() for _, module in imports(tree) if module.split(".")[0] == "MySQLdb"}
    assert found == {"store/mysqlclient.py"}


REACHES = {
    "subprocess": {"contract/sources.py"},  # protoc.
    "tempfile": {"contract/sources.py", "store/engine.py"},
    "socket": {"edge/scrape.py"},
    "multiprocessing": set[str](),
    "urllib.request": set[str](),
    "http": {"edge/scrape.py"},
    "asyncio": set[str](),
}
"""Modules of the standard library that reach out of the process, and who needs them beside the commands."""


def test_only_those_who_must_reach_out_of_the_process() -> None:
    wrong = []
    for path, tree in modules():
        for line, module in imports(tree):
            kept = next((files for name, files in REACHES.items() if module == name or module.startswith(f"{name}.")), None)
            if kept is not None and room_of(path) != "cli" and name_of(path) not in kept:
                wrong.append(f"{name_of(path)}:{line} imports {module}")
    assert not wrong


def test_queries_are_compiled_without_files() -> None:
    files = {"pathlib", "io", "shutil", "glob"}
    wrong = [
        f"{name_of(path)}:{line}" for path, tree in modules() if room_of(path) == "query" for line, name in imports(tree) if name in files
    ]
    wrong += [
        f"{name_of(path)}:{node.lineno}"
        for path, tree in modules()
        if room_of(path) == "query"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "open"
    ]
    assert not wrong


ENGINE = re.compile(r"sqlite|mysql|mariadb|tidb|vitess", re.IGNORECASE)

NAMES_ENGINES = {"store/dialect.py", "store/address.py", "base/config.py"}
"""Who may compare with an engine's name: the dialect, and those who read the scheme of a database URL before there is one."""


def test_only_the_dialect_compares_engine_names() -> None:
    wrong = []
    for path, tree in modules():
        if name_of(path) in NAMES_ENGINES or room_of(path) in TOP:
            continue
        compared = [part for node in ast.walk(tree) if isinstance(node, ast.Compare | ast.Match) for part in ast.walk(node)]
        words = [part for part in compared if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        wrong += [f"{name_of(path)}:{text.lineno} compares with {text.value!r}" for text in words if ENGINE.fullmatch(str(text.value))]
    assert not wrong


STATEMENT = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|SET|BEGIN|COMMIT|PRAGMA|SHOW)\s+\S", re.DOTALL)


def test_sql_text_stands_only_in_store_and_query() -> None:
    wrong = []
    for path, tree in modules():
        if room_of(path) in {"store", "query"}:
            continue
        wrong += [f"{name_of(path)}:{text.lineno} has SQL: {text.value!r}" for text in texts(tree) if STATEMENT.match(str(text.value))]
    assert not wrong


@pytest.mark.parametrize("word", ["utils", "common", "helpers", "manager", "misc"])
def test_no_module_is_called_by_an_empty_word(word: str) -> None:
    assert not [name_of(path) for path, _ in modules() if path.stem == word]


def test_no_module_needs_more_than_one_screenful_of_nouns() -> None:
    """A file past 600 lines is where a second noun hides (style.md: measured in good codebases)."""
    assert not [name_of(path) for path in sorted(SOURCE.rglob("*.py")) if len(path.read_text().splitlines()) > 600]
