"""`protoplane access`: what it prints is what is declared, what reflection shows, what is enforced, and what the service answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from protoplane.access.declared import Declared, declare
from protoplane.access.syntax import parse
from protoplane.contract.load import load
from protoplane.project import Everything
from protoplane.verify.target import read_target
from tests.door.client import Refused, code_of
from tests.door.service import Service
from tests.door.workspace import WORKSPACE, Office, pb

Refuse = Callable[..., Refused]


@pytest.fixture
def office(workspace: Service, fresh_id: str) -> Iterator[Office]:
    """An organisation of Ada's."""
    with Office.of(workspace, fresh_id) as office:
        yield office


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace, not served."""
    return WORKSPACE.project(tmp_path_factory.mktemp("project"), "sqlite:///none.db")


def access(*arguments: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Run `protoplane access …` in a process of its own, beside the server."""
    command = [sys.executable, "-m", "protoplane.cli.main", "access", *arguments, "--project", str(project)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def declared_by(folder: Path) -> Declared:
    contract = load([folder / "protos"], implemented=Everything()).contract
    assert contract is not None
    declared, findings = declare(contract)
    assert not findings
    return declared


def pasted(proto: str, printed: str) -> str:
    """A contract with these blocks in place of those that it has, and in messages that have none."""
    proto = re.sub(r"\n  option \(protoplane\.v1\.access\) = \{.*?\n  \};", "", proto, flags=re.DOTALL)
    for name, option in re.findall(r"// In message (\w+):\n(option .*?\n\};)", printed, flags=re.DOTALL):
        proto = proto.replace(f"message {name} {{", f"message {name} {{\n{option}")
    return proto


def test_auth_15_what_is_exported_and_imported_again_is_the_same_model(project: Path, tmp_path: Path) -> None:
    exported = access("export", project=project)
    assert exported.returncode == 0, exported.stderr
    assert "# said by the field parent_folder\n    define within: [folder]" in exported.stdout
    assert "# said by the name\n    define organisation: [organisation]" in exported.stdout
    file = tmp_path / "model.fga"
    file.write_text(exported.stdout)
    imported = access("import", str(file), project=project)
    assert (imported.returncode, imported.stderr) == (0, "")
    again = WORKSPACE.project(tmp_path / "again", "sqlite:///none.db")
    proto = again / "protos/workspace/v1/workspace.proto"
    proto.write_text(pasted(proto.read_text(), imported.stdout))
    assert declared_by(again) == declared_by(project)


CONDITIONS = """model
  schema 1.1
type user
type robot
type folder
  relations
    define viewer: [user with until, user:*, user]
    define editor: [user] and viewer
type document
  relations
    define viewer: [user] or TWICE

condition until(now: timestamp, end: timestamp, who: string) {
  now < end || who == "ada \\"the\\" first"
}
"""


def test_auth_15_conditions_are_imported_and_types_that_are_no_resources_are_told(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.fga"
    text = CONDITIONS.replace(" or TWICE", "")
    file.write_text(text.replace("type robot", "type robot\n  relations\n    define owner: [user]"))
    imported = access("import", str(file), project=project)
    assert imported.returncode == 1
    assert "`robot` is no resource" in imported.stderr
    again = WORKSPACE.project(tmp_path / "again", "sqlite:///none.db")
    proto = again / "protos/workspace/v1/workspace.proto"
    bare = re.sub(r",?\s*\(protoplane\.v1\.field\)\.(read|write) = \"\w+\"", "", proto.read_text())
    bare = re.sub(r"\(protoplane\.v1\.rule\)\.(check|scope) = \"\w+\"", "(protoplane.v1.rule).authenticated = true", bare)
    proto.write_text(pasted(bare, imported.stdout))
    file.write_text(text.replace("type robot\n", ""))
    model = declared_by(again).model
    wanted = parse(file.read_text())
    assert model.conditions == wanted.conditions
    assert {kind: model.types[kind] for kind in ("folder", "document")} == {kind: wanted.types[kind] for kind in ("folder", "document")}


def test_auth_15_a_file_that_is_no_model_is_refused_with_its_place(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.fga"
    file.write_text(CONDITIONS.replace("TWICE", "[user]"))
    refused = access("import", str(file), project=project)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.search(r"model\.fga:11:\d+: ", refused.stderr)


# The matrix


@pytest.fixture(scope="module")
def matrix(project: Path) -> dict[str, Any]:
    """As programs read it."""
    printed = access("matrix", "--json", project=project)
    assert printed.returncode == 0, printed.stderr
    found: dict[str, Any] = json.loads(printed.stdout)
    return found


def shown(workspace: Service) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """By reflection: the rule of every method, and the rules of every field of a resource that has some."""
    with grpc.insecure_channel(workspace.target) as channel:
        target = read_target(channel, [("authorization", f"Bearer {workspace.token()}")], 10)
    find: Any = target.pool.FindExtensionByName

    def options(kind: str, described: Any, extension: str) -> Any:
        read = GetMessageClass(target.pool.FindMessageTypeByName(f"google.protobuf.{kind}"))
        found: Any = read.FromString(described.GetOptions().SerializeToString())
        return found.Extensions[find(f"protoplane.v1.{extension}")]

    methods = {}
    for service in target.services:
        for method in service.methods:
            rule = options("MethodOptions", method, "rule")
            asked = rule.WhichOneof("who") or ""
            value = getattr(rule, asked) if asked else ""
            methods[f"/{service.full_name}/{method.name}"] = (asked, value if isinstance(value, str) else "")
    fields = {}
    for name in ("Organisation", "Group", "Folder", "Document"):
        for field in target.pool.FindMessageTypeByName(f"workspace.v1.{name}").fields:
            rules = options("FieldOptions", field, "field")
            if rules.read or rules.write:
                fields[f"{name.lower()}.{field.name}"] = (rules.read, rules.write or rules.read)
    return methods, fields


def test_auth_14_b11_the_matrix_has_the_rule_that_reflection_shows_and_every_method_has_one(
    workspace: Service, matrix: dict[str, Any]
) -> None:
    methods, fields = shown(workspace)
    assert {row["method"]: (row["rule"], row["permission"] or row["relation"]) for row in matrix["methods"]} == methods
    assert all(asked for asked, _ in methods.values())
    assert len(methods) == len(workspace.app.contract.methods)
    ruled = {f"{row['type']}.{row['field']}": (row["read"], row["write"]) for row in matrix["fields"] if row["read"] or row["write"]}
    assert ruled == fields
    assert {f"{row['type']}.{row['field']}": row["grant"] for row in matrix["fields"] if row["grant"]} == {
        "folder.parent_folder": "mover",
        "document.owner": "manager",
    }


def filled(request: Any, path: str, name: str) -> None:
    """Put a name where the matrix says that one stands."""
    head, _, rest = path.partition(".")
    field = request.DESCRIPTOR.fields_by_name[head]
    if rest:
        filled(getattr(request, head).add() if field.is_repeated else getattr(request, head), rest, name)
    elif field.is_repeated:
        getattr(request, head).append(name)
    else:
        setattr(request, head, name)


def test_auth_14_what_the_matrix_prints_is_what_is_enforced(office: Office, matrix: dict[str, Any], refused: Refuse) -> None:
    """A stranger whose request says nothing but a name, where the matrix says one stands, is refused with the relation that it prints."""
    eve, nobody = office.door("eve"), office.door("")
    group = office.group("staff")
    names = {"organisation": office.organisation, "group": group, "folder": office.folder, "document": office.document}
    checked = 0
    for row in matrix["methods"]:
        service, _, method = row["method"].rpartition("/")
        if service != "/workspace.v1.Workspace":
            continue
        call = getattr(eve, method)
        assert refused(getattr(nobody, method)).code == "UNAUTHENTICATED"
        for path in row["named_by"]:
            descriptor = pb.DESCRIPTOR.services_by_name["Workspace"].methods_by_name[method].input_type
            request = descriptor._concrete_class()
            filled(request, path, names[row["type"]])
            if "requests" in descriptor.fields_by_name and not request.requests:
                request.requests.add()
            refusal = refused(call, request)
            wanted = {"permission": row["relation"], "resource": names[row["type"]]}
            assert (refusal.code, dict(refusal.metadata)) == ("PERMISSION_DENIED", {**refusal.metadata, **wanted}), (method, path)
            checked += 1
        if row["rule"] == "scope":
            parent = {"Folders": office.organisation, "Documents": office.folder}.get(re.sub(r"^(List|Aggregate)", "", method))
            answer = call(**({"parent": parent} if parent else {}))
            told = [group.values["count"].int64_value for group in answer.groups] if method.startswith("Agg") else answer.ListFields()
            assert not any(told), method
    assert checked == sum(len(row["named_by"]) for row in matrix["methods"]) > 20
    for row in matrix["methods"]:
        if row["rule"] == "permission":
            call = getattr(office.access_as("eve"), row["method"].rpartition("/")[2])
            refusal = refused(next, call()) if row["method"].rpartition("/")[2].startswith("Stream") else refused(call)
            assert (refusal.code, refusal.metadata["permission"]) == ("PERMISSION_DENIED", row["permission"])


# Reasons


def explained(office: Office, *asked: str) -> subprocess.CompletedProcess[str]:
    return access("explain", *asked, project=office.project)


def test_why_somebody_has_a_relation_is_told_by_the_names_of_the_service(office: Office) -> None:
    group = office.group("staff")
    office.give(f"{group}#member@users/bob", f"{office.folder}#viewer@{group}#member")
    office.door("ada").UpdateDocument(document=pb.Document(name=office.document, owner="carol"))
    bob = explained(office, "users/bob", "viewer", office.document)
    assert (bob.returncode, bob.stderr) == (0, "")
    assert bob.stdout.startswith(f"yes: users/bob is viewer of {office.document}")
    for told in (f"from {office.document}#folder@{office.folder}", f"{office.folder}#viewer@{group}#member", f"{group}#member@users/bob"):
        assert told in bob.stdout
    carol = explained(office, "users/carol", "editor", office.document)
    assert carol.returncode == 0
    assert f"field {office.document}#owner@users/carol" in carol.stdout
    eve = explained(office, "users/eve", "viewer", office.document)
    assert (eve.returncode, eve.stdout.splitlines()[0].startswith("no: users/eve is not viewer")) == (1, True)


def test_what_cannot_be_asked_is_told_on_stderr(office: Office) -> None:
    for asked, problem in (
        (("users/ada", "viewer", "shelves/a"), "'shelves/a' is not the name"),
        (("ada", "viewer", office.folder), "'ada' is not the name"),
        (("users/ada", "reader", office.folder), "no relation 'folder#reader'"),
    ):
        done = explained(office, *asked)
        assert (done.returncode, done.stdout, problem in done.stderr) == (1, "", True), done.stderr
    assert explained(office, "users/ada", "viewer", office.folder, "--context", "[]").returncode == 2
    assert code_of(lambda: office.door("ada").GetFolder(name=office.folder)) == "OK"
