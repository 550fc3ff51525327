"""What the server says of itself, whom it lets stay, and what it does with a connection that goes too far."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # The core, whose binary holds the names.

from protoplane.edge.server import OPTIONS
from tests.attacks import floods, messages, streams
from tests.attacks.bystander import Bystander
from tests.attacks.siege import GIVEN_BACK_SECONDS_MAX, Attack, Attacker
from tests.attacks.target import CARDINALITIES, MEGABYTE, REFLECTION, Target
from tests.attacks.wire import PREFACE, Setting, Wire, block, headers

HANDSHAKE_SECONDS = 10.0
"""That a connection has for its first words (`edge.server.OPTIONS`)."""
LATE_SECONDS = 5.0
REFUSED_STREAM = 7
REPEATED = 8
CREPT_BYTES_MAX = 96 * MEGABYTE
"""That the same attack, again and again, may leave behind in all: threads each keep a little; a message of 4 MiB each is too much."""


def test_the_server_says_how_much_it_takes(wire: Wire) -> None:
    said = wire.settings
    assert said[Setting.MAX_CONCURRENT_STREAMS] == streams.STREAMS
    assert said[Setting.HEADER_TABLE_SIZE] == 0
    assert said[Setting.MAX_HEADER_LIST_SIZE] == 16_384


def test_every_option_has_a_name_that_the_core_reads() -> None:
    """It says nothing about a name that it does not know."""
    core = Path(cygrpc.__file__).read_bytes()
    assert not [name for name, _ in OPTIONS if name.encode() + b"\0" not in core]


def test_a_frame_may_not_fill_the_memory(wire: Wire) -> None:
    """4 MiB is what gRPC takes by itself."""
    assert wire.settings[Setting.MAX_FRAME_SIZE] <= 65_536


def test_connections_that_say_nothing_are_ended(target: Target) -> None:
    began = time.monotonic()
    with Wire(target.address, preface=False) as silent, Wire(target.address, preface=False) as stammering, Wire(target.address) as idle:
        stammering.send(PREFACE[:10])
        for wire in (silent, stammering):
            assert wire.ended(HANDSHAKE_SECONDS + LATE_SECONDS), "a connection without a preface stays"
        assert time.monotonic() - began > HANDSHAKE_SECONDS / 2, "they were not given time"
        assert target.works_on(idle)


@pytest.mark.parametrize("path", CARDINALITIES.values(), ids=CARDINALITIES)
def test_streams_without_a_message_hold_up_no_stream_of_others(target: Target, attacker: Attacker, path: str) -> None:
    """A thread is taken only once there is a message, whatever the cardinality."""
    streams.headers_only(path, attacker)
    assert all(wire.lives() for wire in attacker.wires)
    assert max(target.visit() for _ in range(3)) < LATE_SECONDS


def test_streams_without_a_message_are_ended(target: Target, wire: Wire) -> None:
    """They do not keep their place for ever."""
    (stream,) = wire.streams(1)
    wire.send(headers(stream, block(target.fields(CARDINALITIES["unary"], seconds=None))))
    answer = wire.answered(stream, HANDSHAKE_SECONDS)
    assert answer.status == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert target.works_on(wire)


def test_the_same_again_and_again_leaves_no_more_behind(target: Target, bystander: Bystander) -> None:
    before = target.memory().now
    for _ in range(REPEATED):
        attacker = Attacker(target)
        messages.gzip_below(attacker)
        attacker.close()
    give_up = time.monotonic() + GIVEN_BACK_SECONDS_MAX
    while target.memory().now - before > CREPT_BYTES_MAX and time.monotonic() < give_up:
        time.sleep(0.1)  # The kernel tells nobody when a process shrinks.
    left = (target.memory().now - before) / MEGABYTE
    assert left * MEGABYTE <= CREPT_BYTES_MAX, f"{left:.0f} MiB are left behind"


def test_a_connection_full_of_streams_is_told_to_wait(target: Target, wire: Wire) -> None:
    """One more than there may be is refused, and nothing else happens to the connection."""
    encoded = block(target.fields(REFLECTION))
    wire.flood(headers(stream, encoded) for stream in wire.streams(streams.STREAMS + 1))
    assert wire.wait(lambda: any(answer.reset == REFUSED_STREAM for answer in wire.answers.values())), "no stream is refused"
    assert wire.lives()


@pytest.mark.parametrize("flood", [floods.ping, floods.continuation_empty, floods.empty_data, floods.hpack_bomb])
def test_floods_that_cost_the_server_more_than_the_attacker_end_their_connection(attacker: Attacker, flood: Attack) -> None:
    flood(attacker)
    assert attacker.wires[-1].ended()


@pytest.mark.parametrize("flood", [floods.settings_flood, floods.priority, floods.unknown_frames])
def test_floods_that_cost_little_leave_their_connection_as_it_was(target: Target, attacker: Attacker, flood: Attack) -> None:
    flood(attacker)
    assert target.works_on(attacker.wires[-1]) or attacker.wires[-1].ended()
