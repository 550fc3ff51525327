"""Pages of more rows than are ever listed or windowed at once, for callers who see few of them, some, or all."""

import pytest

from protoplane.access.check import Checks
from protoplane.access.scope import Scope
from protoplane.access.syntax import parse
from protoplane.access.tuples import Subject, tuple_of
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.access.conftest import fill, soon
from tests.access.papers import Papers

LIBRARY = parse("""
model
  schema 1.1
type user
type folder
  relations
    define parent: [folder]
    define viewer: [user] or viewer from parent
type paper
  relations
    define parent: [folder]
    define blocked: [user]
    define viewer: [user, user:*] or viewer from parent
    define reader: viewer but not blocked
""")

COUNT, FULL, EMPTY = 4_000, 100, 2_100
"""Papers, folders that have them, folders that have none: more of these than are ever listed."""

FOLDERS = {
    "all": [*range(FULL)],
    "dense": [*range(0, FULL, 10)],
    "rare": [7, 8, 9],
    "none": [],
}
"""Who is let into which folders."""

SEES = {
    **{who: [i for i in range(COUNT) if i % FULL in folders] for who, folders in FOLDERS.items()},
    "few": [5, 77, 3_999],
    "sparse": [*range(99, COUNT, 100)],
    "much": [*range(0, COUNT, 7)],
}
"""The papers that each may see; the last two are let into all empty folders, too."""


@pytest.fixture(scope="module")
def library(module_store: Engine) -> tuple[Engine, Papers]:
    """Papers in the order of their numbers; nobody may read every eleventh, though who sees it may view it."""
    store, papers = module_store, Papers(module_store)
    papers.fill((str(i), i) for i in range(COUNT))
    tuples = [f"paper:{i}#parent@folder:{i % FULL}" for i in range(COUNT)]
    tuples += [f"folder:{i}#parent@folder:empty" for i in range(FULL, FULL + EMPTY)]
    tuples += [f"folder:{folder}#viewer@user:{who}" for who, folders in FOLDERS.items() for folder in folders]
    tuples += [f"paper:{i}#viewer@user:{who}" for who in ("few", "sparse", "much") for i in SEES[who]]
    tuples += [f"folder:empty#viewer@user:{who}" for who in ("sparse", "much")]
    tuples += [f"paper:{i}#blocked@user:{who}" for who, seen in SEES.items() for i in seen if i % 11 == 0]
    fill(store, LIBRARY, map(tuple_of, tuples))
    return store, papers


@pytest.mark.parametrize("relation", ["viewer", "reader"])
@pytest.mark.parametrize("who", SEES)
def test_every_page_is_exact_for_whoever_sees_few_some_or_all(library: tuple[Engine, Papers], who: str, relation: str) -> None:
    store, papers = library
    scope = Scope(Checks(LIBRARY, store), ("paper", relation), papers.keys)
    seen = [i for i in SEES[who] if relation == "viewer" or i % 11]

    def ask(session: Session) -> None:
        for size, after in ((50, None), (50, 3_000), (1, 17), (400, 100)):
            start = papers.behind(None if after is None else (after, str(after)))
            page = scope.page(session, Subject("user", who), start, size)
            assert [row.position[0] for row in page] == [i for i in seen if after is None or i > after][:size]

    store.read(ask, soon())
