"""What a run found, for people (a table), for programs (JSON) and for CI (JUnit's XML)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from protoplane.verify.exchange import Exchange
from protoplane.verify.run import Outcome, Result
from protoplane.verify.verdict import Verdict

LINE_CHARACTERS_MAX = 2_000
"""Of one message of an exchange in the table; JSON has it whole."""


def line(result: Result) -> str:
    """One row of the table."""
    return f"{result.verdict.value:<7}{result.number:>3}  {result.kind}: {result.title}{f' [AIP-{result.aip}]' if result.aip else ''}"


def explanation(result: Result) -> Iterator[str]:
    """What stands below a row: why, and the exchanges that show it."""
    if result.text:
        yield result.text
    for exchange in result.exchanges:
        yield from _told(exchange)


def _told(exchange: Exchange) -> Iterator[str]:
    facts = exchange.facts()
    yield f"{facts['method']} {_short(facts['request'])}"
    if exchange.ok:
        yield f"-> OK {_short(facts['response'])}"
    else:
        yield f"-> {facts['status']}: {exchange.message}"
        details = facts["details"]
        assert isinstance(details, list)
        yield from (f"   {_short(detail)}" for detail in details)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LINE_CHARACTERS_MAX else f"{text[:LINE_CHARACTERS_MAX]}…"


def summary(outcome: Outcome) -> str:
    """The last line."""
    counts = ", ".join(f"{outcome.count(verdict)} {word}" for verdict, word in _WORDS.items())
    return f"{counts}; {outcome.calls:,} calls"


_WORDS = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.SHOULD: "should be otherwise",
    Verdict.NOT_APPLICABLE: "not applicable",
}


def as_json(outcome: Outcome, target: str, seed: str) -> str:
    """All of it, exchanges included."""
    told = {
        "target": target,
        "seed": seed,
        "stopped": outcome.stopped,
        "calls": outcome.calls,
        "counts": {verdict.value: outcome.count(verdict) for verdict in Verdict},
        "left": [{"name": left.name, "why": left.why} for left in outcome.left],
        "results": [
            {
                "number": result.number,
                "aip": result.aip,
                "check": result.name,
                "title": result.title,
                "resource": result.kind,
                "verdict": result.verdict.value,
                "text": result.text,
                "seconds": round(result.seconds, 3),
                "exchanges": [exchange.facts() for exchange in result.exchanges],
            }
            for result in outcome.results
        ],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def as_junit(outcome: Outcome, target: str) -> str:
    """A test case a check; what should be otherwise is none that failed, it is told in the output."""
    suites = ET.Element("testsuites", name=f"protoplane verify {target}")
    for kind in dict.fromkeys(result.kind for result in outcome.results):
        results = [result for result in outcome.results if result.kind == kind]
        suite = ET.SubElement(
            suites,
            "testsuite",
            name=kind,
            tests=str(len(results)),
            failures=str(sum(result.verdict is Verdict.FAIL for result in results)),
            skipped=str(sum(result.verdict is Verdict.NOT_APPLICABLE for result in results)),
            time=f"{sum(result.seconds for result in results):.3f}",
        )
        for result in results:
            _case(suite, result)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=f"{result.kind}.{result.number}", name=f"{result.name}: {result.title}", time=f"{result.seconds:.3f}"
    )
    text = _clean("\n".join(explanation(result)))
    match result.verdict:
        case Verdict.FAIL:
            ET.SubElement(case, "failure", message=_clean(result.text)).text = text
        case Verdict.NOT_APPLICABLE:
            ET.SubElement(case, "skipped", message=_clean(result.text))
        case Verdict.SHOULD:
            ET.SubElement(case, "system-out").text = f"should be otherwise: {text}"
        case Verdict.PASS:
            pass


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 does not have."""
    return "".join(sign if sign in "\t\n" or sign >= " " else "\ufffd" for sign in text)
