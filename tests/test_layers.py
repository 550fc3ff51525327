"""The house: which room may import which, which room may touch which library, and what stands nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "server" / "protoplane"

ROOMS = ("base", "contract", "query", "store", "access", "identity", "changes", "work", "method", "edge", "top")
"""From the ground up: a room imports itself and those before it. `app` and `cli` are the top."""

LIBRARIES = {
    "base": {"google.protobuf", "google.rpc"},
    "contract": {"google.protobuf", "protovalidate", "grpc_tools"},
    "query": {"google.protobuf", "peewee", "cryptography"},
    "store": {"google.protobuf", "peewee", "MySQLdb", "sqlite3"},
    "access": {"google.protobuf", "peewee"},
    "identity": {"joserfc", "cryptography"},
    "changes": {"google.protobuf", "peewee"},
    "work": {"google.protobuf", "peewee"},
    "method": {"google.protobuf", "peewee"},
    "edge": {"grpc", "grpc_health", "google.protobuf", "google.rpc"},
    "top": {"click", "grpc", "grpc_tools", "google.protobuf", "google.rpc", "watchfiles", "joserfc", "cryptography", "peewee"},
}
"""Third-party packages of each room; everyone has the standard library but for what FORBIDDEN keeps."""

KEPT = {
    "os.environ": {"base/config.py"},
    "os.getenv": {"base/config.py"},
    "time.time": {"base/clock.py"},
    "time.time_ns": {"base/clock.py"},
    "time.monotonic": {"base/clock.py"},
    "datetime.now": {"base/clock.py"},
    "datetime.utcnow": {"base/clock.py"},
}
"""What only the files named may touch: everything else is handed the environment and the time."""


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 and parts[0] in ROOMS else "top"


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every import, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield node.lineno, node.module or ""


def test_every_room_imports_only_itself_and_the_rooms_below_it() -> None:
    wrong = []
    for path, tree in modules():
        for line, module in imports(tree):
            if module.startswith("protoplane."):
                target = module.split(".")[1]
                target = target if target in ROOMS else "top"
                if ROOMS.index(target) > ROOMS.index(room_of(path)):
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


def test_only_config_reads_the_environment_and_only_clock_the_time() -> None:
    wrong = []
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if name_of(path) not in KEPT.get(text, {name_of(path)}):
                    wrong.append(f"{name_of(path)}:{node.lineno} uses {text}")
    assert not wrong


ENGINE = re.compile(r"sqlite|mysql|mariadb|tidb|vitess", re.IGNORECASE)

NAMES_ENGINES = {"store/dialect.py", "store/address.py", "base/config.py"}
"""Who may compare with an engine's name: the dialect, and those who read the scheme of a database URL before there is one."""


def test_only_the_dialect_compares_engine_names() -> None:
    wrong = []
    for path, tree in modules():
        if name_of(path) in NAMES_ENGINES or room_of(path) == "top":
            continue
        compared = [part for node in ast.walk(tree) if isinstance(node, ast.Compare | ast.Match) for part in ast.walk(node)]
        texts = [part for part in compared if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        wrong += [f"{name_of(path)}:{text.lineno} compares with {text.value!r}" for text in texts if ENGINE.fullmatch(str(text.value))]
    assert not wrong


STATEMENT = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|SET|BEGIN|COMMIT|PRAGMA|SHOW)\s+\S", re.DOTALL)


def test_sql_text_stands_only_in_store_and_query() -> None:
    wrong = []
    for path, tree in modules():
        if room_of(path) in {"store", "query"}:
            continue
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [
            node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents
        ]
        wrong += [f"{name_of(path)}:{text.lineno} has SQL: {text.value!r}" for text in texts if STATEMENT.match(str(text.value))]
    assert not wrong


@pytest.mark.parametrize("word", ["utils", "common", "helpers", "manager", "misc"])
def test_no_module_is_called_by_an_empty_word(word: str) -> None:
    assert not [name_of(path) for path, _ in modules() if path.stem == word]


def test_no_module_needs_more_than_one_screenful_of_nouns() -> None:
    """A file past 600 lines is where a second noun hides (style.md: measured in good codebases)."""
    assert not [name_of(path) for path in sorted(SOURCE.rglob("*.py")) if len(path.read_text().splitlines()) > 600]
