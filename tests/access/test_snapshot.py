"""What several statements find out together is of one moment."""

import threading

from protoplane.access.check import Checks
from protoplane.access.relations import Relations
from protoplane.access.tuples import object_of, subject_of, tuple_of
from protoplane.store.engine import Engine
from protoplane.store.session import Session
from tests.access.conftest import fill, soon
from tests.access.test_bounds import MODEL

STATES = (("folder:0#parent@folder:1", "folder:2#reader@user:anne"), ("folder:0#parent@folder:2", "folder:1#reader@user:anne"))
"""In neither may Anne read folder 0. Who reads the parent in one and the readers in the other would let her."""

CHECKS = 400


def test_a_check_never_mixes_two_states_of_the_tuples(store: Engine) -> None:
    fill(store, MODEL, map(tuple_of, STATES[0]))
    relations, checks, done = Relations(MODEL, store), Checks(MODEL, store), threading.Event()

    def swap(session: Session, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        for text in before:
            assert relations.delete(session, tuple_of(text))
        relations.write(session, map(tuple_of, after))

    def keep_swapping() -> None:
        now, then = STATES
        while not done.is_set():
            store.write(lambda session: swap(session, now, then), soon())  # noqa: B023 - run at once.
            now, then = then, now

    writer = threading.Thread(target=keep_swapping)
    writer.start()
    try:
        question = (subject_of("user:anne"), "reader", object_of("folder:0"))
        answers = [store.read(lambda session: checks.check(session, *question), soon()) for _ in range(CHECKS)]
    finally:
        done.set()
        writer.join()
    assert not any(answers)
