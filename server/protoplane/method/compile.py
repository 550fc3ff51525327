"""The contract's methods, each compiled to one handler: everything by name happens here, once.

`match` on the kind of method is the only dispatch there is; a new kind is one more case and one more `compile_…`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, assert_never

from google.protobuf.message import Message

from protoplane.access.check import Checks as AccessChecks
from protoplane.access.declared import NOTHING_DECLARED, Declared
from protoplane.access.derived import derive
from protoplane.access.model import Model
from protoplane.access.naming import Names
from protoplane.access.relations import Relations
from protoplane.access.stated import Reader
from protoplane.base.errors import Fault
from protoplane.changes.log import log_of
from protoplane.changes.tuples import TupleLog
from protoplane.contract.model import Contract, Kind, Method, MethodKind, Resource
from protoplane.contract.validate import Checks
from protoplane.contract.variants import faces
from protoplane.identity.principal import Principal
from protoplane.method.admission import asked_by_writes, compile_admission, question_of
from protoplane.method.aggregate import compile_aggregate, count_of_all
from protoplane.method.asked import compile_asked, compile_trim
from protoplane.method.batch import compile_batch_create, compile_batch_delete, compile_batch_get, compile_batch_update
from protoplane.method.call import Call, Stored, StoredRule
from protoplane.method.cascade import Judge, compile_cascade
from protoplane.method.checks import RequestChecks, ResourceChecks
from protoplane.method.commit import Commits
from protoplane.method.custom import CustomMethod
from protoplane.method.dispatch import compile_dispatch
from protoplane.method.guard import Guard
from protoplane.method.lifecycle import SoftLifecycle, join_lifecycles
from protoplane.method.many import ManyRows
from protoplane.method.narrow import Reading, compile_readings
from protoplane.method.purge import Purge
from protoplane.method.read import compile_get, compile_list, first_page
from protoplane.method.replay import Replay
from protoplane.method.row_guard import RowGuard
from protoplane.method.rows import Rows
from protoplane.method.scope import compile_scopes
from protoplane.method.served import Handler, Served, compile_rule
from protoplane.method.shown import compile_extent
from protoplane.method.singleton import SingletonRows
from protoplane.method.streamed import Streamed
from protoplane.method.variants import of_rows
from protoplane.method.write import (
    body_of,
    compile_create,
    compile_delete,
    compile_undelete,
    compile_update,
    flag,
    has_special,
    text,
)
from protoplane.query.filter import NO_FUNCTIONS
from protoplane.query.functions import FilterFunction
from protoplane.query.paging import PageTokens
from protoplane.query.read_mask import Inside, resource_fields
from protoplane.store.codec import compile_codec
from protoplane.store.engine import Engine
from protoplane.store.keyed import KeyedRows
from protoplane.store.models import compile_models
from protoplane.store.schema import TableShape
from protoplane.store.statements import TableStatements
from protoplane.store.system import SYSTEM_TABLES
from protoplane.store.tables import Table
from protoplane.store.tuples import ACCESS_TABLES

if TYPE_CHECKING:
    from protoplane.access.conditions import Conditions


@dataclass(frozen=True, slots=True)
class Compiled:
    """A contract ready to serve."""

    served: Mapping[str, Served]
    """By method path."""
    streamed: Mapping[str, Streamed]
    """By method path: those whose answers stream."""
    tables: tuple[TableShape, ...]
    """Every table it needs, Protoplane's own included."""
    purge: Purge
    """Ends what was deleted softly, when its time has come."""


def compile_methods(
    contract: Contract,
    engine: Engine,
    tokens: PageTokens,
    custom: Mapping[str, CustomMethod],
    functions: Mapping[str, FilterFunction] = NO_FUNCTIONS,
    declared: Declared = NOTHING_DECLARED,
) -> Compiled:
    """Compile every method of a contract that has no findings; `declared` are the relations of the same contract."""
    tables = {kind: Table(resource, contract, engine.dialect) for kind, resource in contract.resources.items()}
    checks = Checks(contract)
    rows = {kind: _rows(table, engine, checks) for kind, table in tables.items()}
    join_ancestors(rows.values())
    kept = join_lifecycles(rows, engine)
    guard = _guard(contract, engine, tokens, declared, tables) if declared.used else None
    if guard is not None:
        for one in rows.values():
            one.guard = None if one.resource.several else RowGuard(guard, one)
    models = compile_models(tables, engine)
    stored: dict[type[Message], Stored] = {}
    for resource in faces(contract.resources.values()).values():
        standard = [m for m in contract.methods.values() if m.resource is resource and m.kind is not MethodKind.CUSTOM]
        rules = {(m.service, m.kind): StoredRule(compile_rule(m, str), question_of(m, contract, guard)) for m in standard}
        variants = contract.variants(resource)
        of_pattern = {variant.pattern.text: models[variant.key] for variant in variants}
        stored[resource.message_class] = Stored(of_rows([rows[variant.key] for variant in variants]), of_pattern, rules)
    many = {kind: ManyRows(one, KeyedRows(one.table, one.sql, engine.database)) for kind, one in rows.items()}
    inside = resource_fields({resource.message.full_name: resource.fields for resource in contract.resources.values()})
    bind = _Binder(contract, checks, engine, tokens, rows, kept, many, stored, compile_readings(many, inside), inside, functions, guard)
    streamed = {path: bind.streamed(method, custom[path]) for path, method in contract.methods.items() if method.server_streaming}
    methods = {path: method for path, method in contract.methods.items() if path not in streamed}
    alone = {path: bind.served(method, custom.get(path)) for path, method in methods.items() if method.kind is not MethodKind.COMMIT}
    served = {path: alone.get(path) or bind.commits(method, custom.get(path), alone.values()) for path, method in methods.items()}
    own = SYSTEM_TABLES if guard is None else (*SYSTEM_TABLES, *ACCESS_TABLES)
    return Compiled(served, streamed, (*own, *(table.shape for table in tables.values())), Purge(kept.values(), engine))


def join_ancestors(every: Iterable[Rows]) -> None:
    """Let the rows of each resource know those that it stands below."""
    named = {rows.resource.pattern.collections: rows for rows in every if not rows.resource.pattern.singleton}
    for collections, rows in named.items():
        rows.ancestors = {n: named[collections[:n]] for n in range(1, len(collections)) if collections[:n] in named}


def _rows(table: Table, engine: Engine, checks: Checks) -> Rows:
    return (SingletonRows if table.resource.pattern.singleton else Rows)(
        table=table,
        codec=compile_codec(table),
        statements=TableStatements(table, engine.database),
        checks=ResourceChecks(table.resource, checks, uint64_max=engine.dialect.uint64_max),
        log=log_of(table.resource, engine),
    )


def _guard(contract: Contract, engine: Engine, tokens: PageTokens, declared: Declared, tables: Mapping[str, Table]) -> Guard:
    names = Names(contract, declared)
    checks = AccessChecks(declared.model, engine, derive(declared, tables))
    return Guard(
        declared=declared,
        checks=checks,
        relations=Relations(declared.model, engine),
        names=names,
        conditions=_conditions(declared.model),
        tokens=tokens,
        log=TupleLog(contract, names, engine),
        stated=Reader(checks, engine),
        branching=any(key in checks.graph.branching for key in asked_by_writes(contract, declared)),
    )


def _conditions(model: Model) -> Conditions | None:
    if not model.conditions:
        return None
    from protoplane.access.conditions import Conditions

    return Conditions(model)


@dataclass(frozen=True, slots=True)
class _Binder:
    contract: Contract
    checks: Checks
    engine: Engine
    tokens: PageTokens
    rows: Mapping[str, Rows]
    kept: Mapping[str, SoftLifecycle]
    many: Mapping[str, ManyRows]
    stored: Mapping[type[Message], Stored]
    readings: Mapping[str, Reading]
    inside: Inside
    functions: Mapping[str, FilterFunction]
    guard: Guard | None

    def served(self, method: Method, custom: CustomMethod | None) -> Served:
        """One method with everything bound."""
        standard = self._standard(method, around=custom is not None)
        return self._served(method, custom, standard, compile_rule(method, _target(method)), coded=self._coded(method, custom))

    def streamed(self, method: Method, custom: CustomMethod) -> Streamed:
        """One whose answers stream."""
        return Streamed(
            method=method,
            answers=custom.run,
            authorise=compile_rule(method, _target(method)),
            prepare=RequestChecks(method, self.checks, own_code=True).prepare,
            engine=self.engine,
            resources=self.stored,
            trim=compile_trim(method, self.inside),
            code=str(custom.place),
            guard=self.guard,
            admit=None if self.guard is None else compile_admission(method, self.guard, self.contract, self.many),
        )

    def commits(self, method: Method, custom: CustomMethod | None, others: Iterable[Served]) -> Served:
        """A Commit, with the other methods of its service."""
        own_others = [other for other in others if other.method.service == method.service]
        commits = Commits(own_others, self.many)
        own = compile_rule(method, _target(method))

        def authorise(principal: Principal, request: Message) -> None:
            own(principal, request)
            commits.authorise(principal, request)

        coded = self._coded(method, custom) or any(other.code for other in own_others)
        return self._served(method, custom, commits.compile(around=custom is not None), authorise, coded=coded)

    def _served(
        self,
        method: Method,
        custom: CustomMethod | None,
        standard: Handler | None,
        authorise: Callable[[Principal, Message], None],
        *,
        coded: bool,
    ) -> Served:
        """`coded`: a team's own code runs in it, which may ask for any relation."""
        handler = standard if custom is None else custom.handler(standard, method.response_class)
        assert handler is not None, method.path
        has_request_id = has_special(method, "request_id", Kind.STRING)
        replay = Replay(method, self.engine) if has_request_id and not method.reads else None
        return Served(
            method=method,
            handler=handler,
            authorise=authorise,
            prepare=RequestChecks(method, self.checks, own_code=custom is not None).prepare,
            engine=self.engine,
            writes=not method.reads,
            replay=replay,
            validate_only=flag(method, "validate_only"),
            repeated_id=text(method, "request_id"),
            resources=self.stored,
            trim=None
            if custom is None and method.kind in {MethodKind.GET, MethodKind.BATCH_GET, MethodKind.LIST}
            else compile_trim(method, self.inside),
            statements=self._statements(method, replay, own=custom is None or custom.around),
            code="" if custom is None else str(custom.place),
            guard=self.guard,
            admit=None if self.guard is None else compile_admission(method, self.guard, self.contract, self.many),
            of_one_moment=self.guard is not None and (self.guard.branching or (coded and bool(self.guard.checks.graph.branching))),
        )

    def _coded(self, method: Method, custom: CustomMethod | None) -> bool:
        """Whether a team's own code runs in a method: the platform's own asks what `asked_by_writes` knows."""
        return custom is not None and method.place.file in self.contract.served

    def _statements(self, method: Method, replay: Replay | None, *, own: bool) -> tuple[str, ...]:
        """The SQL of the ordinary case: with a request_id, without etag, of a List its first page; `own`: the standard method's too."""
        variants = self.contract.variants(method.resource) if own and method.resource is not None else ()
        statements = tuple(sql for variant in variants for sql in self._own_statements(method, variant))
        return statements if replay is None else (replay.claim, *statements, replay.keep)

    def _own_statements(self, method: Method, resource: Resource) -> tuple[str, ...]:  # noqa: C901, PLR0911 - one return a kind.
        rows, keyed = self.rows[resource.key], self.many[resource.key].keyed
        match method.kind:
            case MethodKind.GET:
                return (rows.sql.select,)
            case MethodKind.LIST:
                return (first_page(rows, self.engine),)
            case MethodKind.CREATE | MethodKind.BATCH_CREATE:
                return (rows.sql.insert, *rows.log.statements)
            case MethodKind.UPDATE:
                return (rows.sql.select_for_update, rows.sql.update_all, *rows.log.statements)
            case MethodKind.DELETE:
                if rows.resource.soft:
                    return (rows.sql.select_for_update, rows.sql.update_all, *rows.log.statements)
                return (rows.sql.select_for_update, rows.sql.delete_version, *rows.log.statements) if rows.log.kept else (rows.sql.delete,)
            case MethodKind.UNDELETE:
                return (rows.sql.select_any_for_update, rows.sql.update_all, *rows.log.statements)
            case MethodKind.BATCH_GET:
                return (keyed.everything.many,)
            case MethodKind.BATCH_UPDATE:
                return (keyed.everything.many_for_update, keyed.update_all, *rows.log.statements)
            case MethodKind.BATCH_DELETE:
                return self._batch_delete_statements(rows, keyed)
            case MethodKind.AGGREGATE:
                return (count_of_all(rows, self.engine),)
            case _:
                return ()

    def _batch_delete_statements(self, rows: Rows, keyed: KeyedRows) -> tuple[str, ...]:
        if rows.resource.soft:
            return (keyed.everything.many_for_update, self.kept[rows.resource.key].mark_many.sql, *rows.log.statements)
        return (keyed.lock, keyed.everything.many, keyed.delete, *rows.log.statements) if rows.log.kept else (keyed.lock, keyed.delete)

    def _standard(self, method: Method, *, around: bool) -> Handler | None:
        """The handler of a standard method; one that could find a name or a value taken says so only to those who may see by what."""
        handler = self._bare(method, around=around)
        if handler is None or method.resource is None:
            return handler
        rows = self.rows[method.resource.key]
        guard = rows.guard
        if guard is not None and method.kind in {MethodKind.DELETE, MethodKind.BATCH_DELETE}:
            handler = _judged(handler, compile_cascade(method, rows, self.rows, self.engine))
        if guard is not None and guard.hides and not method.reads:
            handler = _hiding(handler, method, guard)
        return _veiled(handler, method.resource.message_class) if method.kind in TAKING else handler

    def _bare(self, method: Method, *, around: bool) -> Handler | None:
        if method.resource is None or method.kind in {MethodKind.CUSTOM, MethodKind.COMMIT}:
            return None
        variants = self.contract.variants(method.resource)
        return compile_dispatch(method, variants, [self._handler(method, variant, around=around) for variant in variants])

    def _handler(  # noqa: C901, PLR0911, PLR0912 - one return a kind.
        self, method: Method, resource: Resource, *, around: bool
    ) -> Handler:
        """A standard method under one pattern of its resource."""
        rows, many = self.rows[resource.key], self.many[resource.key]
        match method.kind:
            case MethodKind.GET:
                return compile_get(rows, compile_asked(method, self.readings[resource.key], around=around))
            case MethodKind.LIST:
                asked = compile_asked(method, self.readings[resource.key], around=around)
                listed = compile_scopes(method, rows, self.engine), compile_extent(method, rows, many.keyed, self.guard)
                return compile_list(method, rows, self.tokens, asked, listed, self.functions)
            case MethodKind.CREATE:
                return compile_create(method, rows)
            case MethodKind.BATCH_GET:
                return compile_batch_get(method, many, compile_asked(method, self.readings[resource.key], around=around))
            case MethodKind.BATCH_CREATE:
                return compile_batch_create(method, rows)
            case MethodKind.BATCH_UPDATE:
                return compile_batch_update(method, many, around=around)
            case MethodKind.BATCH_DELETE:
                return compile_batch_delete(method, many)
            case MethodKind.UPDATE:
                return compile_update(method, rows, around=around)
            case MethodKind.DELETE:
                return compile_delete(method, rows)
            case MethodKind.UNDELETE:
                return compile_undelete(method, rows, self.kept[resource.key])
            case MethodKind.AGGREGATE:
                extent = compile_extent(method, rows, many.keyed, self.guard)
                return compile_aggregate(method, rows, self.tokens, self.engine, extent, self.functions)
            case MethodKind.COMMIT | MethodKind.CUSTOM:
                raise AssertionError(method.path)
            case _:
                assert_never(method.kind)


TAKING = frozenset({MethodKind.CREATE, MethodKind.BATCH_CREATE, MethodKind.UPDATE, MethodKind.BATCH_UPDATE})
"""Kinds of methods that give resources names, or values that must be unique."""


def _veiled(handler: Handler, resource: type[Message]) -> Handler:
    def write(call: Call, request: Message) -> Message:
        try:
            return handler(call, request)
        except Fault as fault:
            call.veil(fault, resource)
            raise

    return write


def _judged(handler: Handler, judge: Judge | None) -> Handler:
    if judge is None:
        return handler

    def delete(call: Call, request: Message) -> Message:
        judge(call, request)
        return handler(call, request)

    return delete


def _hiding(handler: Handler, method: Method, guard: RowGuard) -> Handler:
    """What a write answers with, as its caller may see it."""
    assert method.resource is not None
    message = method.resource.message
    listed = next((field.name for field in method.response.fields if field.message_type is message), "")

    def write(call: Call, request: Message) -> Message:
        answer = handler(call, request)
        if answer.DESCRIPTOR is message:
            guard.hide_named(call, [answer])
        elif listed:
            guard.hide_named(call, getattr(answer, listed))
        return answer

    return write


def _target(method: Method) -> Callable[[Message], str]:
    """The name a request is about, for a refusal: its name, its resource's name, or its parent."""
    kind = method.resource.plural if method.resource is not None else method.service
    if has_special(method, "name", Kind.STRING):
        return text(method, "name")
    if method.kind is MethodKind.UPDATE and method.resource is not None:
        return attrgetter(f"{body_of(method, method.resource)}.{method.resource.name_field.name}")
    parent = text(method, "parent")
    return lambda request: parent(request) or kind
