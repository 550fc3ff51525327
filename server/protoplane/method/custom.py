"""A team's own code: methods that the contract alone cannot serve, and code around those it can.

A subclass of `Servicer` says which service it belongs to and defines some of its methods in snake_case. A method with a
third parameter, `serve`, stands around the standard one: calling `serve(call, request)` runs it, not calling it replaces it.
One for an RPC that streams its answers is a generator.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, TypeVar

from google.protobuf.message import Message

from protoplane.contract.casing import snake
from protoplane.contract.model import Contract, Finding, Method, MethodKind, Place
from protoplane.contract.pool import Pool
from protoplane.method.call import Call
from protoplane.method.served import Handler as Standard

Req = TypeVar("Req")
Res = TypeVar("Res")

Handler: TypeAlias = Callable[[Call, Req], Res]
"""The standard method as code around it receives it: `serve: Handler[CreateBookRequest, Book]`."""


class Servicer:
    """Base of a team's servicer: `class Library(Servicer, service="library.v1.Library")`. Made once, at start."""

    service: ClassVar[str] = ""
    permissions: ClassVar[frozenset[str]] = frozenset()
    """What its code looks for in `call.principal.permissions`, beside the rules of the contract: only these can be granted."""

    def __init_subclass__(cls, *, service: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if service:
            cls.service = service
            _declared.append(cls)


RULES: Mapping[str, str] = {
    "python-broken": "Python of the project that cannot be imported.",
    "servicer-duplicate": "Two Python methods for one RPC.",
    "servicer-signature": "A Python method that cannot be called as its RPC needs it.",
    "servicer-streaming": "A Python method for an RPC that takes a stream of requests: not served.",
    "servicer-unknown-method": "A public Python method that no RPC of its service is called after.",
    "servicer-unknown-service": "A servicer of a service that the contract does not have.",
}
"""What a team's code can break, beside the rules of `contract.report`."""

_declared: list[type[Servicer]] = []
"""Servicer classes in the order their modules were imported; emptied by `load_servicers`."""


@dataclass(frozen=True, slots=True)
class CustomMethod:
    """One Python method for an RPC."""

    run: Callable[..., Any]
    """Gives a message; of an RPC that streams its answers, an iterator of them."""
    around: bool
    """Whether it takes the standard handler as a third argument."""
    place: Place

    def handler(self, standard: Standard | None, response_class: type[Message]) -> Standard:
        """The handler of the RPC. What it returns is checked, because the transaction is committed on the strength of it."""
        run: Standard = self.run if not self.around else lambda call, request: self.run(call, request, standard)

        def handle(call: Call, request: Message) -> Message:
            response = run(call, request)
            if not isinstance(response, response_class):
                raise TypeError(f"the method returned {type(response).__name__}, not {response_class.__name__}")
            return response

        return handle


def load_servicers(modules: Sequence[Path]) -> tuple[type[Servicer], ...]:
    """Import a project's Python files and give the servicers they declare, in order."""
    _declared.clear()
    for path in modules:
        folder = str(path.parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        package = [str(path)] if path.is_dir() else None
        file = path / "__init__.py" if package else path
        spec = importlib.util.spec_from_file_location(path.stem, file, submodule_search_locations=package)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    return tuple(_declared)


def bind_servicers(servicers: Sequence[type[Servicer]], contract: Contract) -> tuple[dict[str, CustomMethod], list[Finding]]:
    """The Python methods by RPC path, and what does not fit the contract."""
    bound: dict[str, CustomMethod] = {}
    findings: list[Finding] = []
    for servicer in servicers:
        methods = {snake(m.name): m for m in contract.methods.values() if m.service == servicer.service}
        if not methods:
            problem = f"the contract has no service '{servicer.service}'"
            findings.append(_finding(servicer, "servicer-unknown-service", problem, "name one of its services"))
            continue
        try:
            instance = servicer()
        except Exception as error:  # noqa: BLE001 - a team's constructor may raise anything.
            problem = f"making it raises {type(error).__name__}: {error}"
            findings.append(_finding(servicer, "python-broken", problem, "mend the code"))
            continue
        for name, function in _public(servicer):
            method = methods.get(name)
            found = _judge(function, method, bound) if method else _unknown(function, servicer, name)
            if found is None and method is not None:
                around = len(_parameters(function)) == AROUND_PARAMETERS
                bound[method.path] = CustomMethod(getattr(instance, name), around, _place(function))
            elif found is not None:
                findings.append(found)
    return bound, findings


def _public(servicer: type[Servicer]) -> Iterator[tuple[str, Callable[..., object]]]:
    return ((name, function) for name, function in inspect.getmembers(servicer, inspect.isfunction) if not name.startswith("_"))


def _unknown(function: Callable[..., object], servicer: type[Servicer], name: str) -> Finding:
    problem = f"'{servicer.service}' has no method for '{name}'"
    return _finding(function, "servicer-unknown-method", problem, "rename it, or start its name with _")


def _judge(function: Callable[..., object], method: Method, bound: Container[str]) -> Finding | None:
    """What is wrong with the Python of a method of the contract."""
    if method.client_streaming:
        problem = f"'{method.path}' takes a stream of requests; only answers may stream"
        return _finding(function, "servicer-streaming", problem, "take the first `stream` of the rpc out of the contract")
    problem = _signature_problem(function, method)
    if problem:
        mend = "take (self, call, request) or, around a standard method, (self, call, request, serve)"
        if method.server_streaming:
            mend = "take (self, call, request), and `yield` each answer"
        return _finding(function, "servicer-signature", f"'{snake(method.name)}' {problem}", mend)
    if method.path in bound:
        return _finding(function, "servicer-duplicate", f"'{method.path}' has two Python methods", "keep one")
    return None


AROUND_PARAMETERS = 4
"""self, call, request, serve."""


def implemented_paths(servicers: Sequence[type[Servicer]], pool: Pool) -> frozenset[str]:
    """The paths of the RPCs that the servicers have a method for, before there is a contract to bind them to."""
    return frozenset(
        f"/{service.full_name}/{method.name}"
        for servicer in servicers
        for service in pool.services(servicer.service)
        for method in service.methods
        if inspect.isfunction(getattr(servicer, snake(method.name), None))
    )


def _signature_problem(function: Callable[..., object], method: Method) -> str:
    parameters = _parameters(function)
    written = inspect.unwrap(function)
    if inspect.iscoroutinefunction(written) or inspect.isasyncgenfunction(written):
        return "is a coroutine; calls run on threads"
    if inspect.isgeneratorfunction(written) and not method.server_streaming:
        return "is a generator, and its RPC returns one message"
    if method.server_streaming and not inspect.isgeneratorfunction(written):
        return "is no generator, and its RPC streams its answers"
    if any(p.kind not in {p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY} for p in parameters):
        return "has keyword-only or variable parameters"
    if len(parameters) == AROUND_PARAMETERS:
        return "stands around a standard method, but its RPC is not one" if method.kind is MethodKind.CUSTOM else ""
    return "" if len(parameters) == AROUND_PARAMETERS - 1 else f"takes {len(parameters)} parameters"


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _finding(thing: Callable[..., object], rule: str, problem: str, mend: str) -> Finding:
    return Finding(_place(thing), rule, problem, mend)


def _place(thing: Callable[..., object]) -> Place:
    try:
        _, line = inspect.getsourcelines(thing)
        return Place(Path(inspect.getsourcefile(thing) or "?").name, line)
    except (OSError, TypeError):
        return Place("?")


__all__ = ["Call", "Handler", "Servicer"]
