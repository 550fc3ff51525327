"""`protoplane scaffold`: the standard methods of a resource, written into its .proto; only what is missing is added."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from protoplane.cli import boilerplate
from protoplane.cli.noun import FURTHER, KEPT_METHODS, METHODS, OF_MANY, Noun
from protoplane.cli.project import failure, project_option, proto_roots
from protoplane.cli.source import Declaration, Insertion, ProtoText, UnreadableProto, insert, line_end, read_proto
from protoplane.cli.words import pluralised
from protoplane.contract.casing import lower_camel, snake, upper_camel

MESSAGE_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
FIELD_NUMBER = re.compile(r"= (\d+)(?: \[.*)? ;$", re.DOTALL)
RESERVED_NUMBERS = re.compile(r"(\d+)(?: to (\d+))?")
PATTERNS = re.compile(r'\bpattern (?:[:=] )?("[^"]*"|\[[^\]]*\])')
RELATION_NAME = re.compile(r'\bname [:=] "(\w+)"')
PLACE_OF_NAME = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What to scaffold. Empty texts are taken from the file, or made by AIP custom."""

    message: str
    parent: str = ""
    plural: str = ""
    service: str = ""
    methods: tuple[str, ...] = METHODS
    http: bool = False
    more_parents: tuple[str, ...] = ()
    """Of a new resource with several patterns."""


class CannotScaffold(ValueError):
    """The wish does not fit the file; the text says how to mend it."""


def scaffold(text: str, wish: Wish, *, elsewhere: frozenset[str] = frozenset()) -> str:
    """The file's text with what the resource lacks; unchanged when it lacks nothing.

    `elsewhere` holds names of messages that other files of the package define. Raises CannotScaffold and UnreadableProto.
    """
    file = read_proto(text)
    if not file.package:
        raise CannotScaffold("the file has no `package`; write one, such as `package library.v1;`")
    message = file.message(wish.message)
    noun = noun_of(file, wish, message)
    missing = _missing_messages(file, noun, wish, elsewhere)
    pieces: list[Insertion] = [] if message is None else list(_annotations(text, message, noun))
    pieces += _methods(file, noun, wish)
    if message is None:
        missing = {noun.message: boilerplate.starter_message(noun), **missing}
    if missing:
        pieces.append(Insertion(len(text), ("" if text.endswith("\n") else "\n") + "".join(f"\n{body}" for body in missing.values())))
    needed = {path for piece in pieces for path in boilerplate.imports_of(piece.text)}
    return insert(text, [*_imports(file, needed - set(file.imports)), *pieces])


def noun_of(file: ProtoText, wish: Wish, message: Declaration | None) -> Noun:
    """How the resource is called: from its annotation if it has one."""
    said = _said(message)
    plural = lower_camel(wish.plural) or said.get("plural", "")
    variable = snake(wish.message)
    parents = [above for parent in (wish.parent, *wish.more_parents) for above in (_above(file, parent) if parent else [""])]
    patterns = _said_patterns(message) or tuple(f"{parent}{plural or pluralised(wish.message)}/{{{variable}}}" for parent in parents)
    for pattern in patterns:
        if not re.fullmatch(r"(?:[^/{}]+/\{[a-z0-9_]+\}/?)+(?:(?<=/)[^/{}]+)?", pattern):
            raise CannotScaffold(f"the pattern '{pattern}' of {wish.message} is not of the form `books/{{book}}`")
    pattern = patterns[0]
    relations = _relations(message)
    return Noun(
        message=wish.message,
        singular=said.get("singular") or lower_camel(said.get("type", wish.message).rpartition("/")[2]),
        plural=plural or pattern.split("/")[-2 if pattern.endswith("}") else -1],
        type=said.get("type", f"{_domain(file)}/{wish.message}"),
        pattern=pattern,
        version=next((part for part in reversed(file.package.split(".")) if re.fullmatch(r"v\d\w*", part)), "v1"),
        id_source=said.get("source", "SOURCE_EITHER").removeprefix("SOURCE_").replace("UNSPECIFIED", "EITHER"),
        kept=message is not None and any("Timestamp delete_time =" in inner.code for inner in message.inner),
        has_children=any(other.startswith(f"{above}/") and other.endswith("}") for other in _patterns(file) for above in patterns),
        others=patterns[1:],
        relations=relations,
        relations_above=_relations_above(file, patterns) if relations else frozenset(),
    )


def _relations(message: Declaration | None) -> frozenset[str]:
    """The relations that rules of methods may ask for: none, where a resource has several patterns."""
    options = message.inner if message and len(_said_patterns(message)) == 1 else ()
    texts = (option.code for option in options if option.keyword == "option" and "protoplane.v1.access )" in option.code)
    return frozenset(name for text in texts for name in RELATION_NAME.findall(text))


def _relations_above(file: ProtoText, patterns: Sequence[str]) -> frozenset[str]:
    """Those of the parent, if it is in the file."""
    above = "/".join(patterns[0].split("/")[:-2])
    return next((_relations(message) for message in file.all("message") if above in _said_patterns(message)), frozenset())


def _said(message: Declaration | None) -> dict[str, str]:
    """What the message's own annotations say: type, first pattern, singular, plural, and where its ids come from."""
    said: dict[str, str] = {}
    for option in message.inner if message else ():
        if option.keyword == "option" and "google.api.resource )" in option.code:
            said |= dict(reversed(re.findall(r'\b(\w+) [:=] "([^"]*)"', option.code)))
        if option.keyword == "option" and "protoplane.v1.storage )" in option.code:
            said |= dict(re.findall(r"\b(source) [:=] (\w+)", option.code))
    return said


def _patterns(file: ProtoText) -> Iterator[str]:
    """The patterns of the file's resources."""
    return (pattern for message in file.all("message") for pattern in _said_patterns(message))


def _said_patterns(message: Declaration | None) -> tuple[str, ...]:
    """All patterns of a message's annotation."""
    options = message.inner if message else ()
    texts = (option.code for option in options if option.keyword == "option" and "google.api.resource )" in option.code)
    given = (found for text in texts for found in PATTERNS.findall(text))
    return tuple(pattern for one in given for pattern in re.findall(r'"([^"]*)"', one))


def _above(file: ProtoText, parent: str) -> list[str]:
    """What the patterns of a resource below a parent begin with."""
    patterns = _said_patterns(file.message(parent))
    if not patterns:
        raise CannotScaffold(f"the parent {parent} is no resource of this file; scaffold it first")
    return [f"{pattern}/" for pattern in patterns]


def _domain(file: ProtoText) -> str:
    types = (_said(message).get("type", "") for message in file.all("message"))
    return next(
        (name.partition("/")[0] for name in types if "/" in name), f"{file.package.partition('.')[0].replace('_', '-')}.example.com"
    )


def _annotations(text: str, message: Declaration, noun: Noun) -> Iterator[Insertion]:
    """The resource annotation and the name field, where the message lacks them."""
    fields = [inner for inner in message.inner if FIELD_NUMBER.search(inner.code)]
    options = [inner for inner in message.inner if inner.keyword == "option"]
    top = _behind_brace(text, message)
    if "type" not in _said(message):
        yield _spaced(text, top, boilerplate.resource_option(noun))
    if not any(token.text == "name" for field in fields for token in field.tokens[1:3]):
        name = boilerplate.field_text(boilerplate.name_line(noun, _free_number(message, fields)))
        yield _spaced(text, line_end(text, options[-1].end) if options and options[0] is message.inner[0] else top, name)


def _behind_brace(text: str, message: Declaration) -> int:
    """Offset where the first statement of a body may stand: behind a comment on the line of its opening brace."""
    end = line_end(text, message.body_start)
    return end if re.fullmatch(r"\s*(//.*)?\s*", text[message.body_start : end]) else message.body_start


def _spaced(text: str, offset: int, piece: str) -> Insertion:
    """A piece of a body: on lines of its own, with an empty line to what follows unless the body ends there."""
    start = "" if text[offset - 1 : offset] == "\n" else "\n"
    following = text[offset:].lstrip(" \t")
    return Insertion(offset, f"{start}{piece}" + ("" if following.startswith("}") else "\n"))


def _free_number(message: Declaration, fields: Sequence[Declaration]) -> int:
    """1 if nobody has it (AIP-122 samples put the name first), otherwise the first number above all that are used or reserved."""
    used = {int(match.group(1)) for field in fields if (match := FIELD_NUMBER.search(field.code))}
    for statement in message.inner:
        if statement.keyword == "oneof":
            used |= {int(number) for number in re.findall(r"= (\d+)", statement.code)}
        elif statement.keyword == "reserved":
            for first, last in RESERVED_NUMBERS.findall(statement.code):
                used |= set(range(int(first), int(last or first) + 1))
    return PLACE_OF_NAME if PLACE_OF_NAME not in used else max(used) + 1


def _missing_messages(file: ProtoText, noun: Noun, wish: Wish, elsewhere: frozenset[str]) -> dict[str, str]:
    there = {message.name for message in file.all("message")} | elsewhere
    wanted = [name for method in _wanted(noun, wish) for name in _messages_of_method(method, noun)]
    texts = boilerplate.messages_of(noun)
    return {name: text for name, text in texts.items() if name in wanted and name not in there}


def _wanted(noun: Noun, wish: Wish) -> tuple[str, ...]:
    """The methods to write: of those that were asked for, what the resource can have; by default all of that."""
    return noun.methods if wish.methods == METHODS else tuple(method for method in wish.methods if method in (*noun.methods, *FURTHER))


def _messages_of_method(method: str, noun: Noun) -> tuple[str, ...]:
    plural = noun.plural_name
    match method:
        case "List" | "BatchGet":
            return f"{method}{plural}Request", f"{method}{plural}Response"
        case "BatchCreate":
            return f"BatchCreate{plural}Request", f"BatchCreate{plural}Response", f"Create{noun.name}Request"
        case "BatchUpdate":
            return f"BatchUpdate{plural}Request", f"BatchUpdate{plural}Response", f"Update{noun.name}Request"
        case "BatchDelete":
            request = f"BatchDelete{plural}Request"
            return (request, f"BatchDelete{plural}Response") if noun.kept else (request,)
        case "Aggregate":
            return f"Aggregate{plural}Request", f"Aggregate{plural}Response"
        case _:
            return (f"{method}{noun.name}Request",)


def _methods(file: ProtoText, noun: Noun, wish: Wish) -> list[Insertion]:
    """The missing methods, behind the last one of the service; a whole service before the first message if there is none."""
    services = list(file.all("service"))
    there = {rpc.name for service in services for rpc in service.inner if rpc.keyword == "rpc"}
    wanted = {f"{method}{noun.plural_name if method in OF_MANY else noun.name}" for method in _wanted(noun, wish)}
    texts = {name: text for name, text in boilerplate.methods_of(noun, http=wish.http).items() if name in wanted - there}
    if not texts:
        return []
    service = next((service for service in services if wish.service in ("", service.name)), None)
    if service is None:
        return [_service(file, "\n".join(texts.values()), wish)]
    if not service.inner:
        top = _behind_brace(file.text, service)
        start = "" if file.text[top - 1] == "\n" else "\n"
        ends = file.text[top:].startswith(("\n", "\r"))  # An empty line is there already.
        return [Insertion(top, (start + "\n".join(texts.values())).removesuffix("\n" if ends else ""))]
    offset = line_end(file.text, service.inner[-1].end)
    if offset > service.body_end:  # The closing brace stands on the same line.
        return [Insertion(service.inner[-1].end, "\n\n" + "\n".join(texts.values()))]
    return [Insertion(offset, "".join(f"\n{text}" for text in texts.values()))]


def _service(file: ProtoText, body: str, wish: Wish) -> Insertion:
    words = [part for part in file.package.split(".") if not re.fullmatch(r"v\d\w*", part)]
    name = wish.service or upper_camel(lower_camel(words[-1] if words else wish.message))
    if file.message(name) or name == wish.message:
        name = f"{name}Service"
    text = f"// The {name} service.\nservice {name} {{\n{body}}}\n"
    return Insertion(_header_end(file), f"\n{text}")


def _header_end(file: ProtoText) -> int:
    """Offset behind syntax, package, imports and file options, where a service may stand."""
    header = [declaration.end for declaration in file.declarations if declaration.keyword in {"syntax", "package", "import", "option"}]
    return line_end(file.text, max(header))


def _imports(file: ProtoText, needed: set[str]) -> Iterator[Insertion]:
    """Each missing import before the first existing one that sorts after it: the order `buf format` keeps."""
    existing = [(declaration.tokens[-2].text[1:-1], declaration) for declaration in file.all("import")]
    for path in sorted(needed):
        statement = f'import "{path}";\n'
        after = next((declaration for there, declaration in existing if there > path), None)
        if after is not None:
            yield Insertion(after.start, statement)
        elif existing:
            yield Insertion(line_end(file.text, existing[-1][1].end), statement)
        else:
            package = next(file.all("package"))
            yield Insertion(line_end(file.text, package.end), f"{'' if path != min(needed) else chr(10)}{statement}")


def find_file(paths: Sequence[Path], message: str) -> Path:
    """The file that has the message, or the only file there is. Raises CannotScaffold."""
    holding = [path for path in paths if read_proto(path.read_text(encoding="utf-8")).message(message)]
    if len(holding) == 1:
        return holding[0]
    if not paths:
        raise CannotScaffold("the project has no .proto files; `protoplane new` writes one")
    if not holding and len(paths) == 1:
        return paths[0]
    listed = ", ".join(str(path) for path in holding or paths)
    raise CannotScaffold(f"choose the file for {message} with --file: {listed}")


def names_elsewhere(paths: Sequence[Path], file: Path) -> frozenset[str]:
    """Messages that the other files of the file's package define."""
    package = read_proto(file.read_text(encoding="utf-8")).package
    others = (read_proto(path.read_text(encoding="utf-8")) for path in paths if path != file)
    return frozenset(message.name for other in others if other.package == package for message in other.all("message"))


@click.command(name="scaffold")
@click.argument("resource")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The .proto to write into (default: the one that has RESOURCE).",
)
@click.option(
    "--parent",
    "parents",
    multiple=True,
    metavar="MESSAGE",
    help="Resource above a new RESOURCE: books below publishers (may be repeated: below either).",
)
@click.option("--plural", default="", help="Plural of a new RESOURCE, where English custom does not give it.")
@click.option("--service", default="", help="Service the methods go into (default: the file's first, else one named after the package).")
@click.option(
    "--method", "methods", multiple=True, type=click.Choice((*KEPT_METHODS, *FURTHER)), help="Only these methods (may be repeated)."
)
@click.option("--http", is_flag=True, help="Add google.api.http bindings, for gateways that transcode JSON.")
@click.option("--stdout", is_flag=True, help="Print the file instead of writing it.")
@project_option
def command(  # noqa: PLR0913 - one parameter an option of the command.
    *,
    resource: str,
    file: Path | None,
    parents: tuple[str, ...],
    plural: str,
    service: str,
    methods: tuple[str, ...],
    http: bool,
    stdout: bool,
    project: Path,
) -> None:
    """Write requests and standard methods for RESOURCE, a message such as Shelf, into its .proto.

    A message that does not exist yet is started. What is there already stays as it is: run it again after a change, only what is missing is added.
    """
    if not MESSAGE_NAME.fullmatch(resource):
        raise click.UsageError(f"RESOURCE is a message name such as Shelf, not '{resource}'")
    wanted = tuple(name for name in (*KEPT_METHODS, *FURTHER) if name in methods) or METHODS
    first, *more = parents or ("",)
    wish = Wish(resource, first, plural, service, wanted, http, tuple(more))
    try:
        paths = sorted(path for root in proto_roots(project) for path in root.rglob("*.proto"))
        chosen = file or find_file(paths, resource)
        before = chosen.read_bytes().decode("utf-8")
        after = scaffold(before, wish, elsewhere=names_elsewhere(paths, chosen))
    except (CannotScaffold, UnreadableProto, UnicodeDecodeError) as problem:
        raise failure(str(problem)) from problem
    if stdout:
        click.echo(after, nl=False)
    elif after == before:
        click.echo(f"{chosen}: nothing to add for {resource}", err=True)
    else:
        chosen.write_bytes(after.encode("utf-8"))
        click.echo(f"{chosen}: {after.count(chr(10)) - before.count(chr(10))} lines added for {resource}", err=True)
