"""`protoplane access test`: what passes, what fails and why, and what is wrong with a file, with its place."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from protoplane.cli.main import main

FILES = Path(__file__).parent / "fga"

PAGE = Path(__file__).parents[2] / "docs" / "access-testing.md"

MODEL = """\
model: |
  model
    schema 1.1
  type user
  type document
    relations
      define blocked: [user]
      define viewer: [user, user:*] but not blocked
"""

TUPLES = """\
tuples:
  - {user: 'user:*', relation: viewer, object: 'document:1'}
  - user: user:carl
    relation: blocked
    object: document:1
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["access", "test", *map(str, words)], catch_exceptions=False)


def written(folder: Path, text: str, **more: str) -> Path:
    for name, content in more.items():
        (folder / name.replace("_", ".")).write_text(content, encoding="utf-8")
    path = folder / "store.fga.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def asked(questions: str) -> str:
    return f"{MODEL}{TUPLES}tests:\n  - name: one\n{questions}"


def test_every_form_of_tuples_and_questions_passes() -> None:
    done = run(FILES / "drive.fga.yaml")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "(PASSING) folders: Checks (10/10 passing) | ListObjects (3/3 passing) | ListUsers (2/2 passing)",
        "(PASSING) everybody: Checks (2/2 passing) | ListUsers (1/1 passing)",
        "(PASSING) nothing of the test before is left: Checks (1/1 passing)",
        "---",
        "# Test Summary #",
        "Tests 3/3 passing",
        "Checks 13/13 passing",
        "ListObjects 3/3 passing",
        "ListUsers 3/3 passing",
    ]


def test_the_example_of_the_documentation_prints_what_stands_there(tmp_path: Path) -> None:
    example, output = (re.search(f"```{kind}\\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) for kind in ("yaml", "text"))
    assert example is not None
    assert output is not None
    done = run(written(tmp_path, example[1]))
    assert (done.exit_code, done.output) == (0, output[1])


def test_conditions_are_evaluated_with_the_context_of_each_question() -> None:
    done = run(FILES / "office.fga.yaml")
    assert (done.exit_code, done.output.splitlines()[-4:]) == (
        0,
        ["Tests 2/2 passing", "Checks 7/7 passing", "ListObjects 2/2 passing", "ListUsers 1/1 passing"],
    ), done.output


def test_a_parameter_that_nobody_says_fails_the_question(tmp_path: Path) -> None:
    office = (FILES / "office.fga.yaml").read_text().replace("./office.csv", str(FILES / "office.csv"))
    question = "tests: [{name: one, check: [{user: 'user:anne', object: 'document:1', assertions: {viewer: false}}]}]"
    done = run(written(tmp_path, office[: office.index("tests:")] + question))
    assert done.exit_code == 1
    assert "expected=false, got=N/A, error=condition 'office_hours': 'now' is missing" in done.output


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("{name: office_hours, context: {until: never}}", "parameter 'until': a timestamp of RFC 3339 is expected"),
        ("{name: office_hours, context: {util: 5}}", "there is no such parameter"),
        ("{name: office}", "the model does not allow"),
        ("{context: {}}", "'name' is missing"),
    ],
)
def test_what_a_tuple_says_to_a_condition_must_fit(tmp_path: Path, condition: str, problem: str) -> None:
    office = (FILES / "office.fga.yaml").read_text().replace("./office.csv", str(FILES / "office.csv"))
    tuples = f"tuples: [{{user: 'user:a', relation: viewer, object: 'document:1', condition: {condition}}}]"
    done = run(written(tmp_path, office[: office.index("tuples:")] + tuples))
    assert done.exit_code == 2
    assert problem in done.stderr


FAILING = """\
    check:
      - {user: 'user:carl', object: 'document:1', assertions: {viewer: true, blocked: true, owner: false}}
    list_objects:
      - {user: 'user:carl', type: document, assertions: {viewer: ['document:2', 'document:1'], blocked: []}}
    list_users:
      - {object: 'document:1', user_filter: [{type: user}], assertions: {viewer: {users: []}}}
"""


def test_what_fails_is_told_with_what_was_expected_and_what_came(tmp_path: Path) -> None:
    done = run(written(tmp_path, asked(FAILING)))
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "(FAILING) one: Checks (1/3 passing) | ListObjects (0/2 passing) | ListUsers (0/1 passing)",
        "ⅹ Check(user=user:carl,relation=viewer,object=document:1): expected=true, got=false",
        "ⅹ Check(user=user:carl,relation=owner,object=document:1): expected=false, got=N/A, error=the model has no relation 'document#owner'",
        "ⅹ ListObjects(user=user:carl,relation=viewer,type=document): expected=[document:1 document:2], got=[]",
        "ⅹ ListObjects(user=user:carl,relation=blocked,type=document): expected=[], got=[document:1]",
        "ⅹ ListUsers(object=document:1,relation=viewer,user_filter=[user]): expected=[], got=[user:*]",
        "---",
        "# Test Summary #",
        "Tests 0/1 passing",
        "Checks 1/3 passing",
        "ListObjects 0/2 passing",
        "ListUsers 0/1 passing",
    ]


def test_a_failed_check_is_explained_when_asked_for(tmp_path: Path) -> None:
    question = "    check: [{user: 'user:carl', object: 'document:1', assertions: {viewer: true}}]\n"
    done = run("--explain", written(tmp_path, asked(question)))
    assert done.output.splitlines()[2:5] == [
        "    no: user:carl is not viewer of document:1, by but not",
        "      + user:carl is viewer of document:1, tuple document:1#viewer@user:*",
        "      + user:carl is blocked of document:1, tuple document:1#blocked@user:carl",
    ]


def test_one_failure_among_several_files_fails_them_all(tmp_path: Path) -> None:
    done = run(FILES / "drive.fga.yaml", written(tmp_path, asked(FAILING)))
    assert done.exit_code == 1
    assert "Tests 3/4 passing" in done.output


def test_words_and_times_of_yaml_are_strings(tmp_path: Path) -> None:
    tuples = MODEL + "tuples: [{user: user:2024-01-01, relation: viewer, object: document:no}]\n"
    question = "tests: [{check: [{user: 'user:2024-01-01', object: 'document:no', assertions: {viewer: true}}]}]\n"
    assert run(written(tmp_path, tuples + question)).exit_code == 0


CHECK = "    check:\n      - {user: 'user:carl', object: 'document:1', assertions: {viewer: true}}\n"


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", "1:1", "there is nothing in it"),
        ("a: b: c", "1:5", "mapping values are not allowed here"),
        ("[1", "1:3", "expected ',' or ']'"),
        ("name: x", "1:1", "either 'model' or 'model_file' is needed"),
        ("model_file: gone.fga", "1:13", "gone.fga cannot be read: No such file or directory"),
        ("model_file: fga.mod", "1:13", "modular models (fga.mod)"),
        ("model_file: model.json", "1:13", "models in JSON are not"),
        (MODEL.replace("user:*]", "usr]"), "8:29", "there is no type 'usr' [TYPE_UNDEFINED]"),
        (MODEL + "test: []", "9:1", "'test' is not known here"),
        (MODEL + "tests: {}", "9:8", "a list is expected here"),
        (MODEL + "tuples:\n  - {user: 'user:a', relation: viewer}", "10:5", "'object' is missing"),
        (MODEL + "tuples:\n  - {user: 'user', relation: viewer, object: 'document:1'}", "10:12", "'user' is no user"),
        (MODEL + "tuples:\n  - {user: 'user:a', relation: owner, object: 'document:1'}", "10:5", "there is no relation 'owner'"),
        (MODEL + "tuples:\n  - {user: 'user:*', relation: blocked, object: 'document:1'}", "10:5", "the model does not allow"),
        (MODEL + "tuples:\n  - {user: 'user:a', relation: viewer, object: 'document:1', condition: {name: c}}", "10:5", "with c"),
        (MODEL + "tuple_file: gone.csv", "9:13", "gone.csv cannot be read"),
        (asked(CHECK.replace("true", "'true'")), "17:72", "true or false is expected here"),
        (asked(CHECK.replace("true", "")), "17:71", "true or false is expected here"),
        (asked(CHECK.replace("true", "true, viewer: false")), "17:78", "'viewer' stands here twice"),
        (asked(CHECK.replace("user:", "users: ['user:a'], user:", 1)), "17:9", "either 'user' or 'users' is needed"),
        (asked(CHECK.replace("assertions", "assertion")), "17:51", "'assertion' is not known here"),
        (asked(CHECK.replace("assertions", "context: 5, assertions")), "17:60", "an object is expected here"),
        (asked("    list_objects:\n      - {user: 'user:a', type: document, assertions: {viewer: }}"), "17:62", "a list is expected here"),
    ],
)
def test_what_is_wrong_with_a_file_has_a_place(tmp_path: Path, text: str, place: str, problem: str) -> None:
    path = written(tmp_path, text)
    done = run(path)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{path}:{place}: "), done.stderr
    assert problem in done.stderr
    assert not done.stdout


HEADER = "user_type,user_id,user_relation,relation,object_type,object_id,condition_name,condition_context\n"


@pytest.mark.parametrize(
    ("name", "text", "place", "problem"),
    [
        ("model.fga", "model\n  schema 1.1\ntype user\n  relations\n    define a: [usr]\n", "5:16", "there is no type 'usr'"),
        ("tuples.csv", "user,relation\n", "1:1", "'user' is not known here"),
        ("tuples.csv", HEADER + "user,a,,viewer,document\n", "2:1", "the row has not the 8 columns"),
        ("tuples.csv", HEADER + "user,a,,viewer,document,1,,\nuser,,,viewer,document,1,,\n", "3:1", "'user_id' is missing"),
        ("tuples.csv", HEADER + "user,a,,viewer,document,1,c,5\n", "2:1", "'condition_context' must be an object"),
        ("tuples.csv", HEADER + "user,a,,owner,document,1,,\n", "2:1", "there is no relation 'owner'"),
        ("tuples.json", "[{}]", "1:2", "'object' is missing"),
        ("tuples.jsonl", '{"user": "user:a", "relation": "viewer", "object": "document:1"}\n\n[]\n', "3:1", "an object with user"),
        ("tuples.yaml", "- user: user:a\n  relation: viewer\n  objects: a\n", "3:3", "'objects' is not known here"),
    ],
)
def test_what_is_wrong_with_a_file_that_is_named_has_its_place_there(
    tmp_path: Path, name: str, text: str, place: str, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    done = run(written(tmp_path, f"model_file: {name}" if name.endswith(".fga") else f"{MODEL}tuple_file: {name}"))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{tmp_path / name}:{place}: "), done.stderr
    assert problem in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "a: " + "{a: " * 5_000,
        "a: &a [x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)),
        "a: &a [*a]",
        "!!python/object/apply:os.system ['true']",
        "\0",
        "a: \ud7ff\x07",
    ],
)
def test_a_file_that_means_harm_is_refused(tmp_path: Path, text: str) -> None:
    done = run(written(tmp_path, text))
    assert done.exit_code == 2
    assert len(done.stderr) < 1000


def test_a_context_that_means_harm_is_refused(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"          {chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24))
    for context in (f"\n          {bomb}", " {a: &a [*a]}", " {a: !!binary aGk=}"):
        done = run(written(tmp_path, asked(f"    check:\n      - user: user:a\n        object: document:1\n        context:{context}\n")))
        assert done.exit_code == 2
