"""Every way to break a good contract: each alone gives exactly its finding, all at once give all of them, and nothing starts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.door.running import Running, done, is_refused, run, running

PROTO, PYTHON = "bookshop/v1/bookshop.proto", "servicers.py"
FILES = {PROTO: f"protos/{PROTO}", PYTHON: PYTHON}
"""File as findings name it → where it lies in the project."""

SERVICERS = '''"""What only Python can do."""

from protoplane.method.custom import Servicer


class Bookshop(Servicer, service="bookshop.v1.Bookshop"):
    """Methods."""

    def move_book(self, call, request):
        """A custom one."""
        return call.method.response_class()

    def copy_book(self, call, request):
        """Another custom one."""
        return call.method.response_class()

    def follow_book(self, call, request):
        """One that streams."""
        yield call.method.response_class()

    def watch_book(self, call, request):
        """Another one."""
        yield call.method.response_class()

    def create_book(self, call, request, serve):
        """Around a standard one."""
        return serve(call, request)
'''

MOVE_BOOK = """
  // Moves a book.
  rpc MoveBook(GetBookRequest) returns (Book) {
    option (protoplane.v1.rule).permission = "books.move";
  }

  // Copies a book.
  rpc CopyBook(GetBookRequest) returns (Book) {
    option (protoplane.v1.rule).permission = "books.copy";
  }

  // Follows a book.
  rpc FollowBook(GetBookRequest) returns (stream Book) {
    option (protoplane.v1.rule).permission = "books.follow";
    option idempotency_level = NO_SIDE_EFFECTS;
  }

  // Watches a book.
  rpc WatchBook(GetBookRequest) returns (stream Book) {
    option (protoplane.v1.rule).permission = "books.watch";
    option idempotency_level = NO_SIDE_EFFECTS;
  }
}

// A publisher.
"""


@dataclass(frozen=True)
class Breakage:
    """One way to break the contract."""

    rule: str
    at: str
    """Text that only the line of the finding has, once it is broken."""
    old: str
    """What is replaced; the end of the file when empty."""
    new: str
    file: str = PROTO
    alone: bool = False
    """Whether it hides the others, because nothing after it can be read."""
    says: str = ""
    """A part of the problem or the mend."""
    found_in: str = ""
    """File of the finding, where it is not the one that was broken."""


def field(message: str, declaration: str) -> tuple[str, str]:
    """Put a field into a resource, behind its option."""
    start = f'    plural: "{message.lower()}s"\n  }};\n'
    return start, f"{start}\n  {declaration}\n"


def resource(message: str, pattern: str, *, options: str = "", fields: str = "string name = 1;", kind: str = "") -> str:
    """Another resource, without methods."""
    return (
        f"\nmessage {message} {{\n  option (google.api.resource) = {{\n"
        f'    type: "{kind or f"bookshop.example.com/{message}"}"\n    pattern: "{pattern}"\n'
        f'    singular: "{message.lower()}"\n    plural: "{message.lower()}s"\n  }};\n{options}  {fields}\n}}\n'
    )


def method(signature: str, rule: str = 'permission = "books.burn"') -> tuple[str, str]:
    """Put a method in front of MoveBook."""
    start = "  // Moves a book.\n"
    return start, f"  rpc {signature} {{\n    option (protoplane.v1.rule).{rule};\n  }}\n{start}"


def python(definition: str) -> tuple[str, str]:
    """Put a method into the servicer."""
    start = '    """Methods."""\n'
    return start, f"{start}\n    {definition}\n        return None\n"


SIGNED = '    option (google.api.method_signature) = "name";\n'
"""What a method about one resource has behind its rule, and a batch under the same rule has not."""

BREAKAGES: Mapping[str, Breakage] = {
    "missing rule": Breakage(
        "rule-missing",
        "rpc GetPublisher(",
        f'    option (protoplane.v1.rule).permission = "publishers.get";\n{SIGNED}',
        SIGNED,
        says="who may call it",
    ),
    "empty rule": Breakage("rule-empty", '.permission = ""', '.permission = "publishers.list"', '.permission = ""'),
    "odd permission": Breakage(
        "rule-permission", '"may delete"', f'"publishers.delete";\n{SIGNED}', f'"may delete";\n{SIGNED}', says="books.get"
    ),
    "unknown reference": Breakage(
        "reference-unknown",
        "bookshop.example.com/Person",
        *field("Book", 'string owner = 11 [(google.api.resource_reference).type = "bookshop.example.com/Person"];'),
        says="bookshop.example.com/Publisher",
    ),
    "reference that is a number": Breakage(
        "reference-type",
        "int64 first_publisher",
        *field("Book", 'int64 first_publisher = 12 [(google.api.resource_reference).type = "bookshop.example.com/Publisher"];'),
    ),
    "bad pattern": Breakage("pattern-malformed", '"shelves/{shelf"', "", resource("Shelf", "shelves/{shelf")),
    "duplicate pattern": Breakage(
        "pattern-duplicate", '"publishers/{publisher}/books/{magazine}"', "", resource("Magazine", "publishers/{publisher}/books/{magazine}")
    ),
    "duplicate type": Breakage(
        "type-duplicate", '    type: "bookshop.example.com/Same" ', "",
        resource("Alpha", "alphas/{alpha}", kind="bookshop.example.com/Same")
        + resource("Beta", "betas/{beta}", kind="bookshop.example.com/Same").replace('Same"\n', 'Same" \n'),
    ),
    "unknown parent": Breakage("parent-unknown", '"rooms/{room}/chairs/{chair}"', "", resource("Chair", "rooms/{room}/chairs/{chair}")),
    "two fields in one column": Breakage(
        "column-clash",
        "string other_pages",
        *field("Book", 'int32 pages = 13;\n  string other_pages = 14 [(protoplane.v1.field).column = "pages"];'),
        says="pages",
    ),
    "index on text without a length": Breakage(
        "index-unbounded", 'index: {fields: ["story"]}', "",
        resource(
            "Tale", "tales/{tale}", options='  option (protoplane.v1.storage) = {\n    index: {fields: ["story"]}\n  };\n',
            fields="string name = 1;\n  string story = 2;",
        ),
        says="max_len",
    ),
    "index on nothing": Breakage(
        "index-path", 'index: {fields: ["nothing"]}', "",
        resource("Song", "songs/{song}", options='  option (protoplane.v1.storage) = {\n    index: {fields: ["nothing"]}\n  };\n'),
    ),
    "bad id pattern": Breakage(
        "id-pattern", 'id: {pattern: "[a-z"}', "",
        resource("Poem", "poems/{poem}", options='  option (protoplane.v1.storage) = {\n    id: {pattern: "[a-z"}\n  };\n'),
    ),
    "bad table name": Breakage(
        "table-name", '"protoplane_request"', "",
        resource("Page", "pages/{page}", options='  option (protoplane.v1.storage).table = "protoplane_request";\n'),
    ),
    "required and output only": Breakage(
        "behavior-conflict", "string stamp",
        *field("Book", "string stamp = 15 [(google.api.field_behavior) = REQUIRED, (google.api.field_behavior) = OUTPUT_ONLY];"),
    ),
    "no name": Breakage("name-field", "message Nameless {", "", resource("Nameless", "namelesses/{nameless}", fields="string title = 1;")),
    "a create_time that is a number": Breakage(
        "role-type", "int64 create_time", "", resource("Event", "events/{event}", fields="string name = 1;\n  int64 create_time = 2;")
    ),
    "a broken rule of buf.validate": Breakage(
        "validation-broken", "this.nothing", *field(
            "Publisher", 'string motto = 16 [(buf.validate.field).cel = {id: "motto" message: "m" expression: "this.nothing > 3"}];'
        ),
    ),
    "non-AIP method without Python": Breakage(
        "python-missing", "rpc BurnBook(", *method("BurnBook(GetBookRequest) returns (Book)"), says="define BurnBook in a servicer"
    ),
    "standard name of no resource": Breakage("resource-unknown", "rpc GetMagician(", *method("GetMagician(GetBookRequest) returns (Book)")),
    "standard method of another shape": Breakage(
        "method-shape", "rpc UpdatePublisher(", "rpc UpdatePublisher(UpdatePublisherRequest) returns (Publisher)",
        "rpc UpdatePublisher(UpdatePublisherRequest) returns (Book)",
    ),
    "standard method that streams": Breakage(
        "method-streaming", "stream ListBooksResponse", "returns (ListBooksResponse)", "returns (stream ListBooksResponse)"
    ),
    "method that streams and may write": Breakage(
        "method-streaming-writes", "rpc FollowBook(", '"books.follow";\n    option idempotency_level = NO_SIDE_EFFECTS;', '"books.follow";',
        says="NO_SIDE_EFFECTS",
    ),
    "Python without yield for a method that streams": Breakage(
        "servicer-signature", "def watch_book(", '"""Another one."""\n        yield', '"""Another one."""\n        return', file=PYTHON, says="`yield`"
    ),
    "Python with yield for a method that does not": Breakage(
        "servicer-signature", "def create_book(", '"""Around a standard one."""\n        return', '"""Around a standard one."""\n        yield', file=PYTHON,
        says="one message",
    ),
    "Python for a method that takes a stream": Breakage(
        "servicer-streaming", "def copy_book(", "rpc CopyBook(GetBookRequest)", "rpc CopyBook(stream GetBookRequest)", found_in=PYTHON
    ),
    "wrong signature": Breakage(
        "servicer-signature", "def delete_book(self, call)", *python("def delete_book(self, call):"), file=PYTHON,
        says="(self, call, request, serve)",
    ),
    "Python for no method": Breakage(
        "servicer-unknown-method", "def burn_it(", *python("def burn_it(self, call, request):"), file=PYTHON, says="rename it"
    ),
    "unknown service": Breakage(
        "servicer-unknown-service", "class Other(", "", '\n\nclass Other(Servicer, service="bookshop.v1.Nothing"):\n    """Of nothing."""\n', file=PYTHON
    ),
    "two Pythons for one method": Breakage(
        "servicer-duplicate", "def move_book(self, call, request):  # Again.", "",
        '\n\nclass Twin(Servicer, service="bookshop.v1.Bookshop"):\n    """Again."""\n\n'
        "    def move_book(self, call, request):  # Again.\n        return None\n",
        file=PYTHON,
    ),
    "broken Python": Breakage(
        "python-broken", "import nothing_of_that_name", '"""What only', 'import nothing_of_that_name\n"""What only', file=PYTHON, alone=True
    ),
    "Python that cannot be parsed": Breakage("python-broken", "def (", "", "\n\ndef (\n", file=PYTHON, alone=True),
    "syntax error": Breakage("proto", "strin g", *field("Book", "strin g x = 17;"), alone=True),
    "unknown type": Breakage("proto", "Nowhere nowhere", *field("Book", "Nowhere nowhere = 18;"), alone=True, says="Nowhere"),
    "missing import": Breakage(
        "proto", 'import "nothing.proto";', 'import "protoplane/v1/options.proto";',
        'import "nothing.proto";\nimport "protoplane/v1/options.proto";', alone=True,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contract with standard methods, a custom one and code around a standard one, that has no findings."""
    folder = tmp_path_factory.mktemp("good")
    done("new", "bookshop", "--resource", "Publisher", folder=folder)
    done("scaffold", "Book", "--parent", "Publisher", folder=folder / "bookshop")
    replace(folder / "bookshop" / FILES[PROTO], "}\n\n// A publisher.\n", MOVE_BOOK)
    (folder / "bookshop" / PYTHON).write_text(SERVICERS)
    done("lint", folder=folder / "bookshop")
    return folder / "bookshop"


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert not old or text.count(old) == 1, old
    file.write_text(text.replace(old, new) if old else text + new)


def broken(good: Path, folder: Path, breakages: Iterable[Breakage]) -> Path:
    """A copy of the good contract, broken."""
    shutil.copytree(good, folder, dirs_exist_ok=True)
    for breakage in breakages:
        replace(folder / FILES[breakage.file], breakage.old, breakage.new)
    return folder


def expected(folder: Path, breakage: Breakage) -> tuple[str, int, str]:
    """File, line and rule of its finding."""
    file = breakage.found_in or breakage.file
    lines = (folder / FILES[file]).read_text().splitlines()
    (line,) = [number for number, text in enumerate(lines, 1) if breakage.at in text]
    return file, line, breakage.rule


def findings(folder: Path) -> list[dict[str, Any]]:
    """What lint finds; there must be something."""
    ran = run("lint", "--json", folder=folder)
    assert ran.returncode == 1, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    assert all(finding["problem"] and finding["mend"] for finding in found)
    return found


def refuses_to_start(folder: Path) -> Running:
    """Start it, which must not work."""
    with running(folder, "dev", "--once") as process:
        assert process.ended() == 1
        assert is_refused(process.target)
        assert not any("server.started" in line for line in process.lines)
        assert not (folder / ".protoplane/dev.db").exists()
        return process


@pytest.mark.parametrize("name", BREAKAGES)
def test_one_breakage_is_one_finding_at_its_line(good: Path, tmp_path: Path, name: str) -> None:
    breakage = BREAKAGES[name]
    folder = broken(good, tmp_path, [breakage])
    found = findings(folder)
    assert [(one["file"], one["line"], one["rule"]) for one in found] == [expected(folder, breakage)], found
    assert breakage.says in f"{found[0]['problem']} {found[0]['mend']}"


def test_all_at_once_are_all_found_and_printed_and_nothing_starts(good: Path, tmp_path: Path) -> None:
    together = [breakage for breakage in BREAKAGES.values() if not breakage.alone]
    assert len({breakage.rule for breakage in together}) >= 10
    folder = broken(good, tmp_path, together)
    wanted = {expected(folder, breakage) for breakage in together}
    found = {(one["file"], one["line"], one["rule"]) for one in findings(folder)}
    assert found == wanted
    process = refuses_to_start(folder)
    for file, line, rule in wanted:
        assert any(text.startswith(f"{file}:{line}:") and text.endswith(f"[{rule}]") for text in process.lines), (file, line, rule)
    assert sum(text.startswith("    mend: ") for text in process.lines) == len(wanted)
    process.seen(f"{len(wanted)} problems")


@pytest.mark.parametrize("name", [name for name, breakage in BREAKAGES.items() if breakage.alone] + ["missing rule"])
def test_nothing_starts_with_what_hides_the_rest(good: Path, tmp_path: Path, name: str) -> None:
    folder = broken(good, tmp_path, [BREAKAGES[name]])
    file, line, rule = expected(folder, BREAKAGES[name])
    process = refuses_to_start(folder)
    assert [text for text in process.lines if text.startswith(f"{file}:{line}") and text.endswith(f"[{rule}]")]


def test_broken_python_hides_no_fault_of_the_contract(good: Path, tmp_path: Path) -> None:
    """But it does hide which methods have Python: nobody is told to write what is there and only cannot be read.

    Nor to make standard what Python may serve.
    """
    depends = {"python-missing", "resource-unknown", "method-shape", "method-streaming", "servicer-streaming"}
    breakages = [breakage for breakage in BREAKAGES.values() if breakage.file == PROTO and not breakage.alone]
    breakages = [breakage for breakage in breakages if breakage.rule not in depends]
    folder = broken(good, tmp_path, [*breakages, BREAKAGES["broken Python"]])
    wanted = {expected(folder, breakage) for breakage in (*breakages, BREAKAGES["broken Python"])}
    assert {(one["file"], one["line"], one["rule"]) for one in findings(folder)} == wanted
