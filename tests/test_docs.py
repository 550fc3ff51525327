"""The documentation is true: generated pages are fresh, links lead somewhere, and what stands in code blocks works.

The word behind the language of a block says what it is for: `sh run` works as it stands, `sh refused` is refused by the server,
`proto in=Book` belongs at the end of that message (or service), `python as=servicers.py` is that file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import pytest
from google.protobuf import json_format

from protoplane.base import config
from protoplane.base.errors import REASONS
from protoplane.base.settings import SECTIONS, Environment, variable_of
from protoplane.cli import reference
from protoplane.cli.main import main
from protoplane.cli.scaffold import Wish, scaffold
from protoplane.contract.casing import lower_camel
from protoplane.contract.load import load
from protoplane.contract.model import Contract
from protoplane.identity.tokens import read_jwks
from protoplane.project import Everything
from protoplane.query.aggregate import read_grouping, read_order
from protoplane.query.filter import FilterCompiler
from protoplane.query.mask import compile_mask
from protoplane.query.order import OrderCompiler
from protoplane.store.aggregate import Groups
from protoplane.store.engine import Engine
from protoplane.store.tables import Table
from tests.door.running import Running, environment, running

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FLIGHT_DESK = ROOT / "examples" / "flightdesk"
LIBRARY = ROOT / "examples" / "library"
PAGES = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "server" / "ARCHITECTURE.md",
    FLIGHT_DESK / "README.md",
    LIBRARY / "README.md",
    *sorted(DOCS.glob("*.md")),
)

FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?:[^\]`]|`[^`]*`)+\]\(([^)\s]+)\)")
CALL = re.compile(r"-d '([^']*)'[\s\\]+localhost:50051 ([\w.]+)/(\w+)")


@dataclass(frozen=True)
class Block:
    """One piece of code in a page."""

    page: Path
    language: str
    purpose: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text[:200]}"


def blocks(language: str, *pages: Path) -> Iterator[Block]:
    for page in pages or PAGES:
        for match in FENCE.finditer(page.read_text("utf-8")):
            block = Block(page, match[1], match[2] or "", match[3])
            if block.language == language:
                yield block


def test_generated_pages_are_those_that_make_generate_writes() -> None:
    stale = [name for name, make in reference.pages().items() if (DOCS / name).read_text("utf-8") != make()]
    assert not stale, f"run make generate: {stale}"


def test_generated_pages_say_so_in_their_first_line() -> None:
    assert all((DOCS / name).read_text("utf-8").startswith("<!-- Made by `make generate` from ") for name in reference.pages())


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
            path, _, anchor = link.partition("#")
            if path.startswith(("https://", "http://")):
                continue
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.name}: {link}")
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert not [page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in text]


def test_every_reason_has_advice_under_its_code() -> None:
    code, found = "", {}
    for line in (DOCS / "errors.md").read_text("utf-8").splitlines():
        if match := re.match(r"\| ([A-Z_]*) ?\| `([A-Z_]+)` \|", line):
            code = match[1] or code
            found[match[2]] = code
    assert found == {reason.value: REASONS[reason][0].name for reason in REASONS}


def test_settings_in_the_pages_exist(tmp_path: Path) -> None:
    for block in blocks("toml"):
        (tmp_path / config.FILE).write_text(block.text, "utf-8")
        assert tomllib.loads(block.text), block
        config.load(tmp_path, Environment.DEV, {})
    known = {variable_of(section, item.name) for section, shape in SECTIONS.items() for item in fields(shape)}
    for block in blocks("env"):
        assert {line.partition("=")[0] for line in block.text.splitlines()} <= known, block


def test_json_in_the_pages_is_json_and_keys_are_keys() -> None:
    for block in blocks("json"):
        if "keys" in json.loads(block.text):
            assert read_jwks(block.text)


def commands() -> Iterator[tuple[Block, list[str]]]:
    """Every `protoplane …` in shell blocks, as words."""
    for block in blocks("sh"):
        text = re.sub(r"\\\n", " ", block.text)
        for command in re.findall(r"(?:^|[\s(/])protoplane( [^\n#)|]*)", text):
            words = re.findall(r"'[^']*'|\S+", command)
            if words and words[0] in main.list_commands(click.Context(main)):
                yield block, words


def test_commands_and_options_in_the_pages_exist() -> None:
    seen = 0
    for block, words in commands():
        command: click.Command | None = main
        while words and isinstance(command, click.Group) and words[0] in command.list_commands(click.Context(command)):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown = [word for word in words if word.startswith("-") and word not in options]
        assert not unknown, f"{unknown} in {block}"
        seen += 1
    assert seen > 10


@pytest.fixture(scope="module")
def flight_desk() -> Contract:
    """The contract that most examples speak of."""
    loaded = load([FLIGHT_DESK / "protos"], implemented=Everything())
    assert loaded.contract is not None, loaded.findings
    return loaded.contract


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Engine]:
    """A database for its dialect."""
    engine = Engine("sqlite://", threads=1)
    yield engine
    engine.close()


def masks_as_json(value: Any) -> Any:
    """Masks inside of requests, which grpcurl wants as messages, as JSON of protobuf has them."""
    if isinstance(value, list):
        return [masks_as_json(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: ",".join(map(lower_camel, one["paths"])) if key == "update_mask" else masks_as_json(one) for key, one in value.items()}


def test_calls_of_the_flight_desk_in_the_pages_fit_its_contract(flight_desk: Contract, in_memory: Engine) -> None:
    seen = 0
    for block in blocks("sh"):
        for data, service, name in CALL.findall(block.text):
            if service == "flightdesk.v1.FlightDesk":
                method = flight_desk.methods[f"/{service}/{name}"]
                request = json.loads(data)
                paths = request.pop("update_mask", {"paths": []})["paths"]  # As grpcurl wants it, not as JSON of protobuf has it.
                pool = method.request.file.pool
                message: Any = json_format.ParseDict(masks_as_json(request), method.request_class(), descriptor_pool=pool)
                if paths:
                    assert method.resource is not None
                    compile_mask(paths, method.resource, method.resource.message_class())
                if name.startswith("List"):
                    assert method.resource is not None
                    table = Table(method.resource, flight_desk, in_memory.dialect)
                    FilterCompiler(method.resource, table).compile(message.filter)
                    OrderCompiler(method.resource, table).compile(message.order_by)
                if name.startswith("Aggregate"):
                    assert method.resource is not None
                    table = Table(method.resource, flight_desk, in_memory.dialect)
                    groups = Groups(read_grouping(table, message.group_by, message.aggregates), table)
                    FilterCompiler(method.resource, table).compile(message.filter)
                    FilterCompiler(groups.resource, groups, argument="having").compile(message.having)
                    read_order(groups.grouping, groups, message.order_by)
                seen += 1
    assert seen > 8


def test_filters_in_the_pages_can_be_used(flight_desk: Contract, in_memory: Engine) -> None:
    flights = next(resource for resource in flight_desk.resources.values() if resource.singular == "flight")
    table = Table(flights, flight_desk, in_memory.dialect)
    lines = [line for block in blocks("filter") for line in block.text.splitlines()]
    assert len(lines) >= 3
    for line in lines:
        assert FilterCompiler(flights, table).compile(line) is not None, line


LANGUAGE = """
syntax = "proto3";
package library.v1;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "google/protobuf/timestamp.proto";
import "protoplane/v1/options.proto";
service Library {{ {rpc} }}
message GetBookRequest {{ string name = 1; }}
message Shelf {{
  option (google.api.resource) = {{type: "library.example.com/Shelf" pattern: "shelves/{{shelf}}" singular: "shelf" plural: "shelves"}};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
}}
message Author {{
  option (google.api.resource) = {{type: "library.example.com/Author" pattern: "authors/{{author}}" singular: "author" plural: "authors"}};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
}}
{message}
"""


def test_the_pieces_of_the_language_page_make_a_contract_without_a_fault(tmp_path: Path) -> None:
    message, rpc, storage = (block.text for block in blocks("proto", DOCS / "contract-language.md"))
    text = LANGUAGE.format(rpc=rpc, message=message.replace("{\n", "{\n" + storage, 1))
    file = tmp_path / "library" / "v1" / "library.proto"
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    loaded = load([tmp_path])
    assert not loaded.findings


OFFICE = """
syntax = "proto3";
package office.v1;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "protoplane/v1/options.proto";
"""


@pytest.mark.parametrize("conditional", [False, True])
def test_the_pieces_of_the_page_on_relations_make_a_contract_as_scaffold_writes_it(tmp_path: Path, *, conditional: bool) -> None:
    messages, rules, fields, condition = (block.text for block in blocks("proto", DOCS / "access.md"))
    group, folder, document, end = messages.split("  …\n")
    if conditional:
        folder = re.sub(r"  option \(protoplane\.v1\.access\) = \{.*?\};\n", condition, folder, flags=re.DOTALL)
    name = "string name = 1 [(google.api.field_behavior) = IDENTIFIER];\n"
    text = f"{OFFICE}{group}{name}{folder}{name}{document}{name}{fields}{end}"
    for message in ("Group", "Folder", "Document"):
        text = scaffold(text, Wish(message))
    text = text.replace('.permission = "folders.create"', ".authenticated = true")
    for rpc, rule in re.findall(r"rpc (\w+)\(.*\{ (option .*;) \}", rules):
        assert re.search(rf"rpc {rpc}\(.*\n    {re.escape(rule)}", text), rpc
    file = tmp_path / "office" / "v1" / "office.proto"
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    assert not load([tmp_path], implemented=Everything()).findings


class Walk:
    """A newcomer who does what a page says, in one folder."""

    def __init__(self, folder: Path, dev: Running, grpcurl: Path) -> None:
        self.folder, self.dev = folder, dev
        self.proto = folder / "protos" / "library" / "v1" / "library.proto"
        self.starts = 1
        self._path = os.pathsep.join((str(Path(sys.executable).parent), str(grpcurl.parent), os.environ["PATH"]))

    def follow(self, block: Block) -> None:
        """Do what one block says."""
        match block.language, block.purpose.partition("="):
            case "sh", ("run", _, _):
                self.shell(block)
            case "sh", ("refused", _, _):
                # 64 and the gRPC code together: said by the server, not by grpcurl.
                assert self.shell(block, refused=True) > 64, block
            case "sh", ("client", _, _):
                self.shell(block, PYTHONPATH=str(self.folder / "client" / "src"))
            case "proto", ("in", _, place):
                self.write(place, block.text)
            case (_, ("as", _, name)):
                (self.folder / name).write_text(block.text.replace("localhost:50051", self.dev.target), "utf-8")
                if name.endswith("servicers.py"):
                    self.served_again()

    def shell(self, block: Block, *, refused: bool = False, **variables: str) -> int:
        """Run a block; the exit code."""
        text = "set -e\nTOKEN=$(protoplane token)\n" + block.text.replace("localhost:50051", self.dev.target)
        own = environment(PATH=self._path, PROTOPLANE_SERVER_ADDRESS=self.dev.target, **variables)
        ran = subprocess.run(["bash", "-c", text], cwd=self.folder, env=own, capture_output=True, text=True, timeout=60, check=False)
        assert refused or ran.returncode == 0, f"{block}\n{ran.stdout}{ran.stderr}"
        return ran.returncode

    def write(self, place: str, piece: str) -> None:
        """Put a piece at the end of a message, of a service or of the file."""
        text = self.proto.read_text("utf-8")
        if place == "file":
            self.proto.write_text(f"{text}\n{piece}", "utf-8")
            return
        start = re.search(rf"^(message|service) {place} {{$", text, re.MULTILINE)
        assert start is not None
        end = text.index("\n}\n", start.end()) + 1
        self.proto.write_text(f"{text[:end]}\n{piece}{text[end:]}", "utf-8")
        if start[1] == "message":  # A method is served when its Python is there.
            self.served_again()

    def served_again(self) -> None:
        """Wait until the change is served."""
        self.starts += 1
        self.dev.started(times=self.starts)


def test_the_first_contract_works_as_its_page_says(tmp_path: Path, grpcurl: Path) -> None:
    page = DOCS / "first-contract.md"
    found = [Block(page, match[1], match[2] or "", match[3]) for match in FENCE.finditer(page.read_text("utf-8"))]
    at = next(index for index, block in enumerate(found) if block.purpose == "dev")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    script = "set -e\n" + "".join(block.text for block in found[:at])
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment(PATH=path), check=True, timeout=60)
    with running(tmp_path / "library", "dev") as dev:
        dev.started()
        walk = Walk(tmp_path / "library", dev, grpcurl)
        for block in found[at + 1 :]:
            walk.follow(block)
