"""What a method promises about its effects (AIP-130, AIP-136): clients and gateways repeat, and keep the answers of, what only reads."""

from __future__ import annotations

from collections.abc import Iterable

from protoplane.contract.model import Idempotency, Method, MethodKind
from protoplane.contract.report import Report


def lint_verbs(methods: Iterable[Method], report: Report) -> None:
    """Methods that write and are taken for ones that do not."""
    for method in methods:
        if method.reads:
            continue
        if method.kind is not MethodKind.CUSTOM and method.idempotency is Idempotency.NO_SIDE_EFFECTS:
            problem = f"{method.name} writes, and promises NO_SIDE_EFFECTS: clients would make it again whenever they like"
            report.add(method.place, "idempotency-untrue", problem, "take the idempotency_level away")
        for path in (binding.path for binding in method.http if binding.verb == "get"):
            problem = f"{method.name} may write, and {path} is HTTP GET: whatever follows links would call it (AIP-136)"
            mend = "bind it to another verb"
            if method.kind is MethodKind.CUSTOM:
                mend = "bind it to post, or say option idempotency_level = NO_SIDE_EFFECTS; if it only reads"
            report.add(method.place, "http-get", problem, mend)
