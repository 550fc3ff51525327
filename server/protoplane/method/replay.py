"""One effect per request_id: the first answer is kept in the effect's own transaction and given again.

The claim is the first write of the transaction. A duplicate that comes while the first still runs waits on the claim's
key for as long as the engine waits for locks, then sees the answer, or is told that the first is still running (ABORTED).
A failed first attempt leaves no claim behind: its transaction was rolled back.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from protoplane.base import limits
from protoplane.base.deadline import Deadline
from protoplane.base.errors import Fault, Reason
from protoplane.contract.model import Method
from protoplane.identity.principal import Principal
from protoplane.method.call import Call
from protoplane.store.engine import Engine
from protoplane.store.schema import Storage
from protoplane.store.statements import insert, select_by_key, update_by_key
from protoplane.store.system import REQUEST_TABLE
from protoplane.store.trimming import delete_older, server_micros
from protoplane.store.trouble import Duplicate, LockTimeout

MICROS_PER_HOUR = 3_600_000_000


class Replay:
    """Keeps and gives again the answers of one method."""

    def __init__(self, method: Method, engine: Engine) -> None:
        database = engine.database
        self.method = method.path
        self._time = engine.dialect.binder(Storage.TIME)
        self.claim = insert(REQUEST_TABLE, ("principal", "method", "request_id", "digest", "created"), database)
        self._look = select_by_key(REQUEST_TABLE, ("digest", "response"), database)
        self.keep = update_by_key(REQUEST_TABLE, ("response",), database)

    def once(self, call: Call, request: Any, act: Callable[[Call, Message], bytes]) -> bytes:
        """The encoded answer: what `act` gives, or the first one given to the same request_id.

        Raises Fault REQUEST_ID_REUSED for another body, REQUEST_IN_PROGRESS while the first call runs.
        """
        request_id: str = request.request_id
        if not request_id:
            return act(call, request)
        key = (_owner(call.principal), self.method, request_id.lower())
        request.request_id = key[2]  # A UUID is the same in capitals, and so is the request.
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        try:
            call.session.execute(self.claim, (*key, digest, self._time(call.now_micros)))
        except Duplicate:
            return self._again(call, key, digest)
        except LockTimeout:
            raise Fault(Reason.REQUEST_IN_PROGRESS, requestId=request_id, retry_delay_seconds=1.0) from None
        answer = act(call, request)
        call.session.execute(self.keep, (zlib.compress(answer, 1), *key))
        return answer

    def _again(self, call: Call, key: tuple[str, str, str], digest: bytes) -> bytes:
        row = call.session.row(self._look, key)
        if row is None or row[1] is None:  # Rolled back, or trimmed, between the two statements.
            raise Fault(Reason.REQUEST_IN_PROGRESS, requestId=key[2], retry_delay_seconds=1.0)
        if row[0] != digest:
            raise Fault(Reason.REQUEST_ID_REUSED, requestId=key[2])
        return zlib.decompress(row[1])


def _owner(principal: Principal) -> str:
    """Whose request_id it is: no caller can ask for another's answer. A digest, because subjects may be long."""
    kind = "\0service" if principal.service else ""  # Who is not the user of the same name.
    return hashlib.sha256(f"{principal.issuer}\0{principal.subject}{kind}".encode()).hexdigest()


def forget_old(engine: Engine, *, seconds_max: float) -> int:
    """Delete the kept answers that are past their time, a bounded number at a time; gives how many went."""
    deadline = Deadline.after(seconds_max)
    before = server_micros(engine, deadline) - limits.REQUEST_ID_HOURS * MICROS_PER_HOUR
    return delete_older(engine, REQUEST_TABLE, "created", before, deadline)
