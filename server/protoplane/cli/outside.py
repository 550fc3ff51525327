"""Checks of what a server shows to the outside: its processes, what it speaks, where it listens and is watched."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping

from protoplane.base import config
from protoplane.base.settings import Environment
from protoplane.cli.checking import Check, Look, Patient, State


def _grpcio(patient: Patient) -> Iterator[Check]:
    from protoplane.edge import core

    state = State.OK
    if unread := core.problem():
        state = State.FAIL if patient.settings.environment is Environment.SERVE else State.WARN
    yield Check("grpcio", state, unread or "is one that the server was written for", "install a version that is, as the lock files have it")


def _processes(patient: Patient) -> Iterator[Check]:
    """One core for each; whether the database has room for their connections is looked at with the database."""
    settings = patient.settings
    if settings.environment is Environment.DEV:
        yield Check("processes", State.OK, "development has one")
        return
    processes, threads, cores = settings.server.processes, settings.server.threads, len(os.sched_getaffinity(0))
    if processes > 1 and settings.server.address.startswith("unix"):
        yield Check("processes", State.FAIL, "several cannot listen on one unix: address", "serve with one, or at host:port")
    text = f"{processes}, with {threads} calls at once each; this machine has {cores} cores for them"
    if processes > cores:
        yield Check("processes", State.WARN, text, "lower server.processes: more than cores take turns, and each has its own connections")
    else:
        yield Check("processes", State.OK, text)


def _tls(patient: Patient) -> Iterator[Check]:
    """What the server would show to its clients."""
    from protoplane.edge import tls

    settings = patient.settings
    if (files := tls.files_of(settings.server, settings.folder)) is None:
        reason = settings.server.plaintext_reason
        yield Check("tls", State.OK, f"traffic is not encrypted: {reason or 'no server.tls_certificate'}")
        return
    try:
        pair = tls.read(files)
    except tls.TlsError as error:
        yield from (Check("tls", State.FAIL, f"{problem.where}: {problem.what}", problem.mend) for problem in error.problems)
        return
    yield from (Check("tls", State.WARN, f"{problem.where}: {problem.what}", problem.mend) for problem in tls.warnings(files, pair))
    clients = "" if files.client_ca is None else f"; clients need a certificate of {files.client_ca}"
    yield Check("tls", State.OK, f"a certificate for {', '.join(pair.names) or 'nobody'} until {pair.facts()['ends']}{clients}")


def _address(patient: Patient) -> Iterator[Check]:
    address = patient.settings.server.address
    yield _listening("port", address, "stop what listens there (perhaps this project's server), or set server.address")


def _metrics(patient: Patient) -> Iterator[Check]:
    """Nobody is asked for credentials there, which only the network can make up for."""
    address, production = patient.settings.metrics.address, patient.settings.environment is Environment.SERVE
    if not address:
        state = State.WARN if production else State.OK
        yield Check("metrics", state, "are served nowhere, and neither is /readyz", "set metrics.address")
        return
    found = _listening("metrics", address, "stop what listens there (perhaps this project's server), or set metrics.address")
    if found.state is State.OK and not config.is_loopback(address):
        yield Check("metrics", State.OK, f"{found.text}; whoever can reach it may read them, without credentials")
    else:
        yield found


def _listening(name: str, address: str, todo: str) -> Check:
    """Whether the address can be listened on; what gRPC makes of one that is none, it says itself."""
    host, _, port = address.rpartition(":")
    if address.startswith("unix") or not port.isdigit() or port == "0":
        return Check(name, State.OK, address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As the server does: a port in TIME_WAIT is free.
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            return Check(name, State.WARN, f"{address}: {error.strerror}", todo)
    return Check(name, State.OK, f"{address} is free")


LOOKS: Mapping[str, Look] = {
    "grpcio": _grpcio,
    "processes": _processes,
    "tls": _tls,
    "port": _address,
    "metrics": _metrics,
}
