"""The module of a client package with a class for each service: its methods with the fields of their requests as keywords."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto

from protoplane.cli.channel import folder_of, has_request_id
from protoplane.cli.pyi import SCALARS
from protoplane.cli.pymodules import Imports, Types, comments_of, docstring, home_of, imported_from
from protoplane.contract.casing import snake
from protoplane.contract.model import Contract, Label, Method, MethodKind

MODULE = "client.py"

HEAD = '''\
"""Clients of {services}. Written by `protoplane generate`; changes here are lost."""

from __future__ import annotations

import collections.abc as _abc

{imports}from {here}channel import channel_options as _channel_options
from {runtime} import calls as _calls
from {runtime} import paging as _paging
from {runtime} import streams as _streams
'''

CLASS = """

class {name}(_calls.Client):
{docstring}

    _channel_options = staticmethod(_channel_options)
"""

METHOD = """
    def {name}(
        self,
        request: {request} | None = None,
        /,
{keywords}    ) -> {answer}:
{docstring}
        fields = {{{fields}}}
        return self.{call}
"""

CONSTANT = """
{name} = _calls.Method(
    "{path}",
    {request},
    {response},
{more})
"""

TAKEN = frozenset({"close", "with_options", "str", "int", "bool", "float", "bytes"})
"""Names in a client's class that are not for methods: its own, and types that the signatures below would not find any more."""


def facade_modules(contract: Contract, files: FileDescriptorSet) -> Mapping[PurePosixPath, str]:
    """The text of each module by its path: one beside the modules of the services in a folder. Raises CannotImport.

    `files` are those of the package, in which lent messages stand elsewhere than in the contract.
    """
    folders: dict[PurePosixPath, set[str]] = {}
    for method in contract.own_methods:
        folders.setdefault(folder_of(method), set()).add(method.service)
    types, runtime = Types(files), home_of(contract.served) / "runtime"
    return {folder / MODULE: _Facade(contract, files, types, folder).text(services, runtime) for folder, services in folders.items()}


class _Facade:
    """One module under way."""

    def __init__(self, contract: Contract, files: FileDescriptorSet, types: Types, folder: PurePosixPath) -> None:
        self._methods = contract.methods
        self._files = files
        self._types = types
        self._folder = folder
        self._imports = Imports(folder)

    def text(self, services: set[str], runtime: PurePosixPath) -> str:
        """The whole module."""
        body = "".join(part for file in self._files.file for part in self._services(file, services))
        return (
            HEAD.format(
                services=", ".join(sorted(services)),
                imports=self._imports.lines(),
                here="." if self._folder.parts else "",
                runtime=imported_from(self._folder, runtime),
            )
            + body
        )

    def _services(self, file: FileDescriptorProto, services: set[str]) -> Iterator[str]:
        comments = comments_of(file)
        for index, service in enumerate(file.service):
            full_name = f"{file.package}.{service.name}".removeprefix(".")
            if full_name in services:
                yield CLASS.format(name=f"{service.name}Client", docstring=docstring(comments.get((6, index), ""), "    ", full_name))
                constants = []
                for at, proto in enumerate(service.method):
                    method = self._methods[f"/{full_name}/{proto.name}"]
                    if not method.client_streaming:
                        comment = docstring(comments.get((6, index, 2, at), ""), "        ", f"`{proto.name}`.")
                        constant = f"_{snake(service.name)}_{snake(proto.name)}".upper()
                        yield self._method(method, proto, comment, constant)
                        constants.append(self._constant(method, proto, constant))
                yield from ("\n", *constants) if constants else ()

    def _method(self, method: Method, proto: MethodDescriptorProto, comment: str, constant: str) -> str:
        request = self._types[proto.input_type][1].proto
        assert request is not None
        keywords = {_keyword(field.name): field for field in request.field}
        signature = "".join(f"        {name}: {self._taken(field)} | None = None,\n" for name, field in keywords.items())
        given = f"{constant}, request, fields"
        answer, call = self._name(proto.output_type), f"_call({given})"
        items = _items(method)
        if items:
            response = self._types[proto.output_type][1].proto
            assert response is not None
            one = next(field for field in response.field if field.name == items)
            answer, call = f"_paging.Pager[{answer}, {self._name(one.type_name)}]", f"_pages({given}, lambda page: page.{items})"
        if method.server_streaming:
            answer, call = f"_streams.Stream[{answer}]", f"_stream({given})"
        return METHOD.format(
            name=method_name(proto.name),
            request=self._name(proto.input_type),
            keywords=f"        *,\n{signature}" if signature else "",
            fields=", ".join(f'"{field.name}": {name}' for name, field in keywords.items()),
            answer=answer,
            docstring=comment,
            call=call,
        )

    def _constant(self, method: Method, proto: MethodDescriptorProto, name: str) -> str:
        kinds = {"request_id": has_request_id(method), "streams": method.server_streaming}
        return CONSTANT.format(
            name=name,
            path=method.path,
            request=self._name(proto.input_type),
            response=self._name(proto.output_type),
            more="".join(f"    {name}=True,\n" for name, is_so in kinds.items() if is_so),
        )

    def _taken(self, field: FieldDescriptorProto) -> str:
        """The type of a keyword."""
        place = self._types[field.type_name][1] if field.type_name else None
        if place is not None and place.proto is not None and place.proto.options.map_entry:
            key, value = (self._one(part) for part in place.proto.field)
            return f"_abc.Mapping[{key}, {value}]"
        single = self._one(field)
        return f"_abc.Iterable[{single}]" if field.label == FieldDescriptorProto.LABEL_REPEATED else single

    def _one(self, field: FieldDescriptorProto) -> str:
        if not field.type_name:
            return SCALARS.get(field.type, "int")
        name = self._name(field.type_name)
        return f"{name} | str" if field.type == FieldDescriptorProto.TYPE_ENUM else name

    def _name(self, type_name: str) -> str:
        module, place = self._types[type_name]
        return f"{self._imports.name(module)}.{place.name}"


def method_name(name: str) -> str:
    """What a method is called in its service's client: `GetBook` as `get_book`."""
    called = snake(name)
    return f"{called}_" if keyword.iskeyword(called) or called in TAKEN else called


def _keyword(name: str) -> str:
    """What the field of a request is called as an argument."""
    return f"{name}_" if keyword.iskeyword(name) or name in {"self", "request"} else name


def _items(method: Method) -> str:
    """Of a List: the field of its response that holds the resources; else empty."""
    if method.kind is not MethodKind.LIST or method.resource is None:
        return ""
    held = method.resource.message
    return next(field.name for field in method.response_fields if field.label is Label.REPEATED and field.message == held)
