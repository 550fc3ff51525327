"""Filters of others: the examples of AIP-160 and its grammar, and what the suites of other implementations hold, read as the AIP has them."""

from __future__ import annotations

import pytest

from protoplane.query.caret import Misread
from protoplane.query.syntax import And, Bare, Call, Literal, Member, Not, Or, Restriction, Tree, parse

READ = [
    # The comments of the grammar.
    ("New York Giants", "(AND New York Giants)"),
    ("New York Giants OR Yankees", "(AND New York (OR Giants Yankees))"),
    ("New York (Giants OR Yankees)", "(AND New York (OR Giants Yankees))"),
    ("a b AND c AND d", "(AND a b c d)"),
    ("(a b) AND c AND d", "(AND (AND a b) c d)"),
    ("a < 10 OR a >= 100", "(OR (< a 10) (>= a 100))"),
    ("a OR b OR c", "(OR a b c)"),
    ("NOT (a OR b)", "(NOT (OR a b))"),
    ('-file:".java"', '(NOT (: file ".java"))'),
    ("-30", "(NOT 30)"),  # Negated, as every term is: a bare number is a word to search for.
    ("package=com.google", "(= package com.google)"),
    ("msg != 'hello'", '(!= msg "hello")'),
    ("1 > 0", "(> 1 0)"),  # Read; no resource has such a field.
    ("2.5 >= 2.4", "(>= 2.5 2.4)"),
    ("foo >= -2.4", "(>= foo -2.4)"),
    ("foo >= (-2.4)", "(>= foo -2.4)"),
    ("-2.5 >= -2.4", "(NOT (>= 2.5 -2.4))"),
    ("yesterday < request.time", "(< yesterday request.time)"),
    ("experiment.rollout <= cohort(request.user)", "(<= experiment.rollout cohort(request.user))"),
    ("prod", "prod"),
    ("map:key", "(: map key)"),
    ("expr.type_map.1.type", "expr.type_map.1.type"),
    ("regex(m.key, '^.*prod.*$')", 'regex(m.key, "^.*prod.*$")'),
    ("math.mem('30mb')", 'math.mem("30mb")'),
    ("(msg.endsWith('world') AND retries < 10)", '(AND msg.endsWith("world") (< retries 10))'),
    ("(endsWith(msg, 'world') AND retries < 10)", '(AND endsWith(msg, "world") (< retries 10))'),
    ("time.now()", "time.now()"),
    ('timestamp("2012-04-21T11:30:00-04:00")', 'timestamp("2012-04-21T11:30:00-04:00")'),
    ('t > timestamp("2006-01-02T15:04:05+07:00") AND (d = "x" OR e = "x")', '(AND (> t timestamp("2006-01-02T15:04:05+07:00")) (OR (= d "x") (= e "x")))'),
    ("annotations:schedule", "(: annotations schedule)"),
    ('annotations.schedule = "test"', '(= annotations.schedule "test")'),
    # OR binds tighter than AND, and than a space.
    ("a = b AND c OR d", "(AND (= a b) (OR c d))"),
    ("a OR b AND c OR d", "(AND (OR a b) (OR c d))"),
    ("a AND b OR c AND d", "(AND a (OR b c) d)"),
    ("a b OR c d", "(AND a (OR b c) d)"),
    ("(a AND b) OR c", "(OR (AND a b) c)"),
    ("a = b c = d OR e = f g = h", "(AND (= a b) (OR (= c d) (= e f)) (= g h))"),
    ("NOT a OR NOT b", "(OR (NOT a) (NOT b))"),
    ("NOT a AND -b", "(AND (NOT a) (NOT b))"),
    ("NOT (NOT a)", "(NOT (NOT a))"),
    ("-(a OR b) c", "(AND (NOT (OR a b)) c)"),
    ("a -b", "(AND a (NOT b))"),
    ("- a", "(NOT a)"),
    ("a-b", "a-b"),
    ("-a:-5", "(NOT (: a -5))"),
    # Words that begin like keywords, and keywords behind a dot.
    ("NOTa", "NOTa"),
    ("NOT(a)", "(NOT a)"),
    ("ANDROID OR ORDER AND NOTE", "(AND (OR ANDROID ORDER) NOTE)"),
    ("a.AND = 1", "(= a.AND 1)"),
    ("a.OR.NOT:b", "(: a.OR.NOT b)"),
    ('a = "AND"', '(= a "AND")'),
    # Spaces.
    ("a=b", "(= a b)"),
    (" a\t=\n b ", "(= a b)"),
    ("a\u00a0=\u3000b", "(= a b)"),
    ("( a )", "a"),
    ("((a))", "a"),
    ("(a=b)AND(c=d)", "(AND (= a b) (= c d))"),
    ("", ""),
    (" \n", ""),
    # Values.
    ("a:b.c", "(: a b.c)"),
    ('foo:"bar"', '(: foo "bar")'),
    ("a.b:*", "(: a.b *)"),
    ('a = "*.foo"', '(= a "*.foo")'),
    ("a = 2.5e3", "(= a 2.5e3)"),
    ("a = -2.997E-9", "(= a -2.997E-9)"),
    ("a = 20s AND b=1.2s", "(AND (= a 20s) (= b 1.2s))"),
    ("a = 2012-04-21T11:30:00-04:00 b", "(AND (= a 2012-04-21T11:30:00-04:00) b)"),
    ("a = foo@bar.com", "(= a foo@bar.com)"),
    ("name = projects/p/locations/-", "(= name projects/p/locations/-)"),
    ("a : (b OR c)", "(: a (OR b c))"),
    ("a = (b AND NOT c)", "(= a (AND b (NOT c)))"),
    ("labels.env:(prod OR dev) -archived = true", "(AND (: labels.env (OR prod dev)) (NOT (= archived true)))"),
    # Strings and quoted fields.
    ('a."b c".d = 1', "(= a.b c.d 1)"),
    ("a = 'it\\'s'", '(= a "it\'s")'),
    (r'a = "say \"hi\""', '(= a "say "hi"")'),
    (r'a = "\\"', r'(= a "\")'),
    ('a = ""', '(= a "")'),
    ('"quoted phrase" word', '(AND "quoted phrase" word)'),
    # Unicode.
    ("日本 = 語", "(= 日本 語)"),
    ('object_id = "µg/ml" OR object_id = "\ufffd"', '(OR (= object_id "µg/ml") (= object_id "\ufffd"))'),
    ("😀", "😀"),
]  # fmt: skip

REFUSED = [
    ("<", 0, "a field name is expected"), ("(-2.5) >= -2.4", 7, "a field name is expected"), ('a = "foo', 4, "never closed"), ("a = 'foo\"", 4, "never closed"),
    ("a AND", 5, "the filter ends"), ("AND a", 0, "not AND"), ("a OR", 4, "the filter ends"), ("OR a", 0, "not OR"), ("NOT", 3, "the filter ends"),
    ("-", 1, "the filter ends"), ("a OR AND b", 5, "not AND"), ("a AND AND b", 6, "not AND"), ("a = AND", 4, "put AND in quotes"), ("a =", 3, "a value is expected"),
    ("()", 1, "a field name"), ("(a", 0, "never closed"), ("a)", 1, "closes nothing"), ("((a)", 0, "never closed"), ("(a))", 3, "closes nothing"),
    ("a = ()", 5, "a value is expected"), ("a(b,)", 4, "a value"), ("a(b c)", 4, "',' or ')'"), ("a.", 2, "the filter ends"), (".a", 0, "a field name"),
    ("a..b = 1", 2, "a field name"), ("a == b", 3, "a value is expected here, or"), ("a <> b", 3, "a value"), ("a = b = c", 6, "a field name is expected here, or"),
    ("a:b:c", 3, "a value that holds : goes in quotes"), ("a = http://x", 8, "a value that holds : goes in quotes"), ("a<=b>=c", 4, "a value that holds > goes in quotes"),
    ("NOT NOT a", 4, "not NOT"), ("NOT -a", 4, "what is negated twice goes in parentheses"), ("--a", 1, "what is negated twice goes in parentheses"),
    ("a = 'it''s'", 8, "a space, AND or OR"), ('a = b"c"', 5, "a space, AND or OR"), ('a = "b"c', 7, "a space, AND or OR"), ('a"b"', 1, "a space, AND or OR"),
    (r'a = "\d"', 5, "no such escape"), ("a, b", 1, "a comparator"), ("!a", 0, "a field name"), ("invalid = foo\0bar", 13, "U+0000"),
]  # fmt: skip


def told(tree: Tree | Member | None) -> str:  # noqa: PLR0911 - one return a kind reads as the table it is.
    """A tree as a text that shows what belongs to what."""
    match tree:
        case None:
            return ""
        case And(trees):
            return f"(AND {' '.join(map(told, trees))})"
        case Or(trees):
            return f"(OR {' '.join(map(told, trees))})"
        case Not(inner):
            return f"(NOT {told(inner)})"
        case Restriction(left, comparator, _, argument):
            return f"({comparator} {told(left)} {told(argument)})"
        case Bare(_, literal):
            return told(literal)
        case Literal(_, text, _, quoted):
            return f'"{text}"' if quoted else text
        case Member(path):
            return ".".join(path)
        case Call():
            return f"{tree.name}({', '.join(map(told, tree.arguments))})"


@pytest.mark.parametrize(("text", "tree"), READ)
def test_a_filter_is_read_as_the_aip_has_it(text: str, tree: str) -> None:
    assert told(parse(text)) == tree


@pytest.mark.parametrize(("text", "offset", "problem"), REFUSED)
def test_what_is_no_filter_is_refused_at_its_place(text: str, offset: int, problem: str) -> None:
    with pytest.raises(Misread) as caught:
        parse(text)
    assert caught.value.offset == offset
    assert problem in caught.value.problem
