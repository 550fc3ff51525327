"""Our answers and those of a real OpenFGA on MySQL. Where they differ, it is for one of the reasons told here, and it is never we who allow less.

- *A cycle below `but not`.* Whoever is blocked through groups that contain each other is looked for in a circle; OpenFGA then denies
  (`CycleDetected`), though nobody in the circle is the caller. It depends on which of its resolvers it takes: the same cycle through one
  relation alone is allowed. Its ListObjects allows both. We allow what the tuples say.
- *What depends on its own negation* we deny, as its Check does; its ListUsers may name such a user.
- *Depth.* Its bound is 25 links; ours are in `access.bounds`.
- *Models.* It refuses some in which somebody could have the relation, because its search for an entry point keeps what it saw on one
  branch for the next; it takes none that we refuse.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, given, settings

from protoplane.access.check import Checks
from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, Subject, object_of, subject_of, tuple_of
from protoplane.store.closure import Asker
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.access import openfga
from tests.access.cases import Case, cases
from tests.access.conftest import fill, soon
from tests.access.openfga import OpenFga, Refused, Store
from tests.access.test_differential import EXAMPLES
from tests.access.test_oracle import FILES, has_exclusion
from tests.engines import Engine as Server
from tests.engines import Unavailable

pytestmark = pytest.mark.engines("mysql")


@pytest.fixture(scope="module")
def there(engine: Server) -> Iterator[OpenFga]:
    """An OpenFGA with a database of its own, where the program is."""
    try:
        openfga.program()
    except Unavailable as reason:
        pytest.skip(str(reason))
    database = engine.create_database()
    with openfga.started(database) as server:
        yield server
    database.drop()


@settings(max_examples=EXAMPLES // 3, suppress_health_check=list(HealthCheck))
@given(cases())
def test_answers_are_those_of_openfga_or_allow_more(there: OpenFga, module_store: Engine, case: Case) -> None:
    try:
        store = there.store(case.model, case.tuples)
    except Refused as refused:
        assume("entrypoints" not in str(refused) and "potential loop" not in str(refused))
        raise
    fill(module_store, case.model, case.tuples)
    checks = Checks(case.model, module_store)
    module_store.read(lambda session: compare(session, checks, store, case), soon())


def compare(session: Session, checks: Checks, store: Store, case: Case) -> None:
    exact = not has_exclusion(case.model)
    for question in case.questions:
        subject, relation, object_ = question.subject, question.relation, question.object
        ours, theirs = checks.check(session, subject, relation, object_), store.check(subject, relation, object_)
        assert ours == theirs or (ours and not exact), question
        mine, yours = (
            set(checks.list_objects(session, subject, relation, object_.type)),
            set(store.list_objects(subject, relation, object_.type)),
        )
        assert mine == yours or (mine > yours and not exact), question
        kinds = {Asker("user"), Asker(subject.type, subject.relation)} if exact else set()
        for kind in kinds:
            found = set(checks.list_subjects(session, object_, relation, kind))
            assert found == store.list_subjects(object_, relation, kind.type, kind.relation), (question, kind)


TWO = """
model
  schema 1.1
type user
type group
  relations
    define lead: [user, group#member]
    define member: [user, group#member, group#lead]
type document
  relations
    define blocked: [user, group#member]
    define viewer: [user] but not blocked
"""

NEGATION = """
model
  schema 1.1
type user
type group
  relations
    define out: [user, group#viewer]
    define viewer: [user] but not out
"""

STAR = """
model
  schema 1.1
type user
type document
  relations
    define public: [user:*]
    define named: [user]
    define viewer: public but not named
"""

BLOCKED = ["document:1#viewer@user:anne", "document:1#blocked@group:a#member"]


@pytest.mark.parametrize(
    ("model", "tuples", "object_", "ours", "theirs"),
    [
        (FILES, [*BLOCKED, "group:a#member@group:b#member", "group:b#member@group:a#member"], "document:1", True, True),
        (TWO, [*BLOCKED, "group:a#member@group:b#lead", "group:b#lead@group:a#member"], "document:1", True, False),
        (NEGATION, ["group:a#viewer@user:anne", "group:a#out@group:a#viewer"], "group:a", False, False),
        (STAR, ["document:1#public@user:*"], "document:1", True, True),
        (STAR, ["document:1#public@user:*", "document:1#named@user:anne"], "document:1", False, False),
        (FILES, ["document:1#viewer@user:Anne"], "document:1", False, False),
    ],
)
def test_where_answers_differ_is_known(
    there: OpenFga, module_store: Engine, model: str, tuples: list[str], object_: str, ours: bool, theirs: bool
) -> None:
    held, question = [tuple_of(text) for text in tuples], (subject_of("user:anne"), "viewer", object_of(object_))
    fill(module_store, parse(model), held)
    checks = Checks(parse(model), module_store)
    assert module_store.read(lambda session: checks.check(session, *question), soon()) is ours
    assert there.store(parse(model), held).check(*question) is theirs


def test_it_lists_for_whom_it_denies(there: OpenFga) -> None:
    held = [tuple_of(text) for text in [*BLOCKED, "group:a#member@group:b#lead", "group:b#lead@group:a#member"]]
    assert there.store(parse(TWO), held).list_objects(Subject("user", "anne"), "viewer", "document") == ["1"]


def test_everybody_is_named_though_somebody_is_not(there: OpenFga, module_store: Engine) -> None:
    held = [tuple_of("document:1#public@user:*"), tuple_of("document:1#named@user:anne")]
    fill(module_store, parse(STAR), held)
    checks = Checks(parse(STAR), module_store)
    ours = module_store.read(lambda session: checks.list_subjects(session, Object("document", "1"), "viewer", Asker("user")), soon())
    assert set(ours) == there.store(parse(STAR), held).list_subjects(Object("document", "1"), "viewer", "user") == {Subject("user", "*")}


def test_it_refuses_forty_folders_deep(there: OpenFga) -> None:
    held = [tuple_of(f"folder:{i}#parent@folder:{i + 1}") for i in range(40)]
    store = there.store(parse(FILES), [*held, tuple_of("folder:40#viewer@user:anne")])
    with pytest.raises(Refused, match="too_complex"):
        store.check(Subject("user", "anne"), "viewer", Object("folder", "0"))
