"""The relationships that questions of access are asked about, the same every time, and the questions, none twice.

Folders lie in folders, three levels deep, with twenty documents each. Who is in a lower group is in an upper one, which sees a folder of the
second level and all below; teams see three of the lowest. Each document has one viewer of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from protoplane.access.syntax import parse
from protoplane.access.tuples import Object, RelationTuple, Subject

DOCUMENTS = 20_000
FOLDERS = 1_000
WIDTH = 10
"""Folders at the top, and in each of the others but the lowest."""
MIDDLE = range(WIDTH, WIDTH + WIDTH * WIDTH)
"""Folders of the second level."""
LOWEST = range(MIDDLE.stop, FOLDERS)
GROUPS = len(MIDDLE)
"""Of each kind: upper, lower, teams."""
USERS = 2_000
BATCH = 50

MODEL = parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
""")
"""What `tests/bench/stacks_project` declares, its folders by tuples."""

RELATION = "viewer"


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a user has the relation on documents; on which, if none are named."""

    user: str
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A kind of question: `question(number)` makes each, and none equals another."""

    name: str
    calls: int
    question: Callable[[int], Question]
    answer: Callable[[Question], Sequence[str]]
    """The documents that an answer names."""
    warm: int = 100


class Shelves:
    """The tuples, and what follows from them, worked out by hand."""

    def __init__(self) -> None:
        chance = random.Random(20130101)
        self._folder_of = [number % FOLDERS for number in range(DOCUMENTS)]
        self._lower = [chance.randrange(GROUPS) for _ in range(USERS)]
        self._team = [chance.randrange(GROUPS) for _ in range(USERS)]

    def tuples(self) -> Iterator[RelationTuple]:
        """All of them."""
        for folder in range(WIDTH, FOLDERS):
            yield held("folder", f"f{folder}", "parent", Subject("folder", f"f{above(folder)}"))
        for document, folder in enumerate(self._folder_of):
            yield held("document", f"d{document}", "parent", Subject("folder", f"f{folder}"))
            yield held("document", f"d{document}", RELATION, Subject("user", f"u{own_viewer(document)}"))
        for group in range(GROUPS):
            yield held("folder", f"f{MIDDLE[group]}", RELATION, Subject("group", f"upper{group}", "member"))
            yield held("group", f"upper{group}", "member", Subject("group", f"lower{group}", "member"))
            for folder in shown_to_team(group):
                yield held("folder", f"f{folder}", RELATION, Subject("group", f"team{group}", "member"))
        for user in range(USERS):
            yield held("group", f"lower{self._lower[user]}", "member", Subject("user", f"u{user}"))
            yield held("group", f"team{self._team[user]}", "member", Subject("user", f"u{user}"))

    def seen(self, user: int) -> set[int]:
        """The documents that a user may see."""
        middle = MIDDLE[self._lower[user]]
        folders = {middle, *shown_to_team(self._team[user]), *(one for one in LOWEST if above(one) == middle)}
        return {number for folder in folders for number in self._in_folder[folder]} | {*range(user, DOCUMENTS, USERS)}

    @cached_property
    def _in_folder(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in range(FOLDERS)]
        for number, folder in enumerate(self._folder_of):
            found[folder].append(number)
        return found

    def answered(self, question: Question) -> list[str]:
        """As the tuples have it."""
        seen = {f"d{number}" for number in self.seen(int(question.user[1:]))}
        return [one for one in question.documents if one in seen] if question.documents else sorted(seen)

    # Questions: numbers go on from round to round, so that nothing is asked twice.

    def direct(self, number: int) -> Question:
        """A tuple names the user."""
        document = number * 7919 % DOCUMENTS
        return Question(f"u{own_viewer(document)}", (f"d{document}",))

    def far(self, number: int) -> Question:
        """The document is in a folder, which an upper group sees, in which a lower group is, in which the user is: four tuples."""
        user = number * 1_009 % USERS
        inside = self._in_folder[MIDDLE[self._lower[user]]]
        return Question(f"u{user}", (f"d{inside[number // USERS % len(inside)]}",))

    def denied(self, number: int) -> Question:
        """Nothing leads to the document; what it is in, and what the user is in, has to be looked at all the same."""
        user = number * 1_009 % USERS
        seen, document = self.seen(user), number * 7919 % DOCUMENTS
        while document in seen:
            document = (document + 1) % DOCUMENTS
        return Question(f"u{user}", (f"d{document}",))

    def batch(self, number: int) -> Question:
        """Fifty documents, of which the user may see ten or more."""
        user = number * 1_009 % USERS
        chance, seen = random.Random(number), sorted(self.seen(user))
        some = dict.fromkeys([*chance.sample(seen, BATCH // 5), *chance.sample(range(DOCUMENTS), BATCH)])
        return Question(f"u{user}", tuple(f"d{one}" for one in [*some][:BATCH]))

    def objects(self, number: int) -> Question:
        """All that a user may see."""
        return Question(f"u{number * 1_009 % USERS}")

    def asks(self) -> tuple[Ask, ...]:
        """The kinds of questions."""
        return (
            Ask("check: direct", 1_200, self.direct, self.answered),
            Ask("check: 4 hops", 800, self.far, self.answered),
            Ask("check: denied", 800, self.denied, self.answered),
            Ask(f"batch of {BATCH}", 24, self.batch, self.answered, warm=4),
            Ask("list objects", 60, self.objects, self.answered, warm=8),
        )


def held(type_name: str, one: str, relation: str, subject: Subject) -> RelationTuple:
    """A tuple."""
    return RelationTuple(Object(type_name, one), relation, subject)


def above(folder: int) -> int:
    """The folder in which a folder lies that is not at the top."""
    return (folder - WIDTH) // WIDTH


def own_viewer(document: int) -> int:
    """The user whom a tuple of the document names."""
    return document % USERS


def shown_to_team(group: int) -> list[int]:
    """Folders that a team sees."""
    return [LOWEST[(group * 37 + turn * 301) % len(LOWEST)] for turn in range(3)]
