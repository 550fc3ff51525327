"""RPCs to `model.Method`: their rule, and whether they are standard."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import MethodDescriptor

from protoplane.contract import options, shapes
from protoplane.contract.fields import FieldReader
from protoplane.contract.model import Access, Field, MessageClass, Method, MethodKind, Resource, Rule
from protoplane.contract.options import Annotations
from protoplane.contract.pool import Places
from protoplane.contract.report import Report
from protoplane.contract.variants import faces

_PERMISSION: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*(\.[a-zA-Z][a-zA-Z0-9_-]*)+")
_STANDARD_VERB: Final = re.compile(r"(Get|List|Create|Update|Delete|Undelete|Aggregate|Batch(Get|Create|Update|Delete))[A-Z]")
_RULE_MEND: Final = (
    'say who may call it: option (protoplane.v1.rule).permission = "books.get"; or .authenticated = true; or .public = true;'
)
_KINDS: Final = tuple(kind for kind in MethodKind if kind not in {MethodKind.CUSTOM, MethodKind.COMMIT})


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a method turned out to be."""

    kind: MethodKind
    resource: Resource | None


class MethodReader:
    """Reads the methods of one pool; what is wrong with them goes to the report.

    `implemented` are the paths of methods that have Python: they may be anything. One that fits the standard shape is still
    read as standard, because the Python may want to run around the compiled method.
    """

    def __init__(
        self,
        annotations: Annotations,
        fields: FieldReader,
        places: Places,
        report: Report,
        *,
        resources: Mapping[str, Resource],
        implemented: Container[str],
    ) -> None:
        self._annotations = annotations
        self._fields = fields
        self._places = places
        self._report = report
        self._resources = faces(resources.values())
        self._implemented = implemented
        self._nouns: dict[str, list[_Standing]] = {}
        for resource in self._resources.values():
            for kind in _KINDS:
                self._nouns.setdefault(shapes.noun(kind, resource), []).append(_Standing(kind, resource))

    def read(self, method: MethodDescriptor, messages: Mapping[str, MessageClass]) -> Method:
        """The method; when there are findings about it, a stand-in that must not be served."""
        request, response = method.input_type, method.output_type
        request_fields = self._fields.of_message(request)
        path = f"/{method.containing_service.full_name}/{method.name}"
        implemented = path in self._implemented
        standing = self._standing(method, implemented=implemented)
        if not implemented:
            self._check_reference(method, standing, request_fields)
        found = Method(
            path=path,
            name=method.name,
            service=method.containing_service.full_name,
            kind=standing.kind,
            resource=standing.resource or self._named_resource(request_fields),
            rule=self._rule(method),
            request=request,
            response=response,
            request_class=messages[request.full_name],
            response_class=messages[response.full_name],
            request_fields=request_fields,
            response_fields=self._fields.of_message(response),
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
            idempotency=self._annotations.idempotency(method),
            place=self._places.method(method),
            http=self._annotations.http(method),
        )
        self._check_stream(found)
        return found

    def _standing(self, method: MethodDescriptor, *, implemented: bool) -> _Standing:
        """Standard when the name and the shape are; anything else is custom and needs Python."""
        custom = _Standing(MethodKind.CUSTOM, None)
        candidates = self._nouns.get(method.name, [])
        judged = [(shapes.oddities(one.kind, one.resource, method, self._places), one) for one in candidates if one.resource]
        # Two resources may share a noun (two services in one contract): the one whose shape fits best is meant.
        judged.sort(key=lambda pair: (sum(oddity.fatal for oddity in pair[0]), len(pair[0])))
        if shapes.is_commit(method):
            judged = [(tuple(shapes.commit_oddities(method, self._places)), _Standing(MethodKind.COMMIT, None))]
        streams = method.client_streaming or method.server_streaming
        if implemented:
            fitting = judged and not streams and not any(oddity.fatal for oddity in judged[0][0])
            return judged[0][1] if fitting else custom
        if not judged:
            self._report_custom(method)
            return custom
        found, standing = judged[0]
        for oddity in found:
            self._report.add(oddity.place, "method-shape" if oddity.fatal else "method-fields", oddity.problem, oddity.mend)
        if streams:
            problem = f"{method.name} streams; a standard method does not"
            mend = "take `stream` away" + ("" if method.client_streaming else ", or implement the method in Python")
            self._report.add(self._places.method(method), "method-streaming", problem, mend)
        return standing

    def _check_stream(self, method: Method) -> None:
        """Nobody knows how much of a stream was made when its caller goes: it must not matter."""
        custom = method.kind is MethodKind.CUSTOM and not method.client_streaming
        if custom and method.server_streaming and not method.reads:
            problem = f"{method.name} streams its answers, and may write"
            mend = "say that it only reads: option idempotency_level = NO_SIDE_EFFECTS; one that writes answers with one message"
            self._report.add(method.place, "method-streaming-writes", problem, mend)

    def _check_reference(self, method: MethodDescriptor, standing: _Standing, fields: tuple[Field, ...]) -> None:
        name = next((field for field in fields if field.name == "name"), None)
        if standing.resource is None or name is None or name.reference in {"", "*", standing.resource.type}:
            return
        problem = f"{method.name} takes the name of a {name.reference}, not of a {standing.resource.type}"
        self._report.add(name.place, "method-shape", problem, f'refer to type: "{standing.resource.type}"')

    def _report_custom(self, method: MethodDescriptor) -> None:
        place = self._places.method(method)
        if _STANDARD_VERB.match(method.name):
            known = ", ".join(sorted(resource.message.name for resource in self._resources.values())) or "none"
            self._report.add(
                place,
                "resource-unknown",
                f"{method.name} has a standard name, and no resource stored here is called so (there are: {known})",
                "correct the name, add option (google.api.resource) to the message, or implement the method in Python",
            )
        elif method.client_streaming:
            problem = f"{method.name} takes a stream of requests; only answers may stream"
            mend = "take that `stream` away and implement the method in Python, or leave it to a service of another contract"
            self._report.add(place, "method-streaming", problem, mend)
        else:
            self._report.add(
                place,
                "python-missing",
                f"{method.name} is not a standard method and has no Python",
                f"define {method.name} in a servicer of {method.containing_service.name}, or take it away",
            )

    def _rule(self, method: MethodDescriptor) -> Rule:
        option = self._annotations.rule(method)
        if option is None:
            problem = f"{method.name} does not say who may call it"
            self._report.add(self._places.method(method), "rule-missing", problem, _RULE_MEND)
            return Rule(Access.PERMISSION)
        place = self._places.method_option(method, options.RULE)
        statements = self._places.method_option_statements(method, options.RULE)
        if len(statements) > 1:
            problem = f"{method.name} has {len(statements)} access rules; the last would silently win"
            self._report.add(statements[1], "rule-ambiguous", problem, "keep one of them")
        if option.access is None:
            self._report.add(place, "rule-empty", f"the access rule of {method.name} says nothing", _RULE_MEND)
            return Rule(Access.PERMISSION)
        if option.access is Access.PERMISSION and not _PERMISSION.fullmatch(option.permission):
            problem = f"the permission {option.permission!r} of {method.name} is not words with dots between them"
            self._report.add(place, "rule-permission", problem, 'write it like "books.get"')
        return Rule(option.access, option.permission, option.relation)

    def _named_resource(self, fields: tuple[Field, ...]) -> Resource | None:
        """The resource that a request is about by its `name`, or by the children of its `parent`."""
        by_name = {field.name: field for field in fields}
        types = [by_name["name"].reference] if "name" in by_name else []
        types += [by_name["parent"].reference_child] if "parent" in by_name else []
        return next((self._resources[name] for name in types if name in self._resources), None)
