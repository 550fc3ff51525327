"""The classes of the contract that this process serves, by name: what the modules of `protoplane stubs` give at run time.

One process serves one contract, and its classes are not those of any generated module (see `contract.pool`): so code that
names a message gets it here. `use` comes before a team's code is imported.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from protoplane.contract.model import MessageClass

_messages: dict[str, MessageClass] = {}


def use(messages: Mapping[str, MessageClass]) -> None:
    """Make these the process's classes (`Pool.messages`, `Contract.messages`), by full name; classes given before are forgotten."""
    _messages.clear()
    _messages.update(messages)


def message(full_name: str) -> MessageClass:
    """The class of a message. Raises LookupError when no contract is in use, or it has no such message."""
    try:
        return _messages[full_name]
    except KeyError:
        raise LookupError(_missing(full_name)) from None


def enum(full_name: str) -> EnumTypeWrapper:
    """The values of an enum, as generated modules have it. Raises LookupError."""
    for some in _messages.values():
        try:
            return EnumTypeWrapper(some.DESCRIPTOR.file.pool.FindEnumTypeByName(full_name))  # type: ignore[arg-type]  # The stubs tell apart what is one class.
        except KeyError:
            break
    raise LookupError(_missing(full_name))


def _missing(full_name: str) -> str:
    if not _messages:
        return (
            f"no contract is in use, so there is no {full_name}: `protoplane dev` and `serve` load it before they import your code;"
            " in a test, call protoplane.contract.served.use(contract.messages) first"
        )
    return f"the contract has no {full_name}; if it was renamed, run `protoplane stubs` again"
