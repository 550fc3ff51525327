"""Generated contracts, served and filled: what `tests.door.museum` asks of one contract is asked of any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from protoplane import app
from protoplane.contract.casing import snake, upper_camel
from tests.door.client import Door
from tests.door.contracts.writer import Made, Planned
from tests.door.museum.rows import Maker
from tests.door.service import running, token_of

FILE = "made/v1/made.proto"
SETTINGS = """
[project]
name = "made"

[database]
url = "{url}"

[server]
address = "127.0.0.1:0"
"""


@dataclass(frozen=True)
class Service:
    """A generated contract, served."""

    made: Made
    door: Door
    file: Any
    """Its descriptor, of a pool that only the client has."""
    classes: tuple[Any, ...]
    """Kept: what knows a descriptor does not keep its class."""

    def message(self, name: str) -> Any:
        """A class of the contract's own messages."""
        return GetMessageClass(self.file.message_types_by_name[name])

    def page(self, one: Planned, **fields: Any) -> tuple[list[Any], str]:
        """One page, and the token of the next."""
        plural = upper_camel(one.plural)
        page = getattr(self.door, f"List{plural}")(self.message(f"List{plural}Request")(**fields))
        return list(getattr(page, snake(one.plural))), page.next_page_token

    def groups(self, one: Planned, **fields: Any) -> tuple[list[Any], str]:
        """One page of groups, and the token of the next."""
        plural = upper_camel(one.plural)
        page = getattr(self.door, f"Aggregate{plural}")(self.message(f"Aggregate{plural}Request")(**fields))
        return list(page.groups), page.next_page_token

    def load(self) -> dict[str, Any]:
        """Create everything there is a name for; gives it by name, as the service tells it."""
        maker = Maker(self.made.seed, self.made.schema)
        stored: list[Any] = []
        for one in self.made.resources:
            plural, singular = upper_camel(one.plural), upper_camel(one.singular)
            by_parent: dict[str, list[Any]] = {}
            for name in one.names:
                parent, an_id = name.rsplit("/", 2)[0] if one.parent else "", name.rpartition("/")[2]
                row = maker.message(self.message(one.message)())
                fields = {f"{snake(one.singular)}_id": an_id, snake(one.singular): row}
                by_parent.setdefault(parent, []).append(self.message(f"Create{singular}Request")(**fields))
            for parent, requests in by_parent.items():
                fields = {"parent": parent} if one.parent else {}
                request = self.message(f"BatchCreate{plural}Request")(requests=requests, **fields)
                stored += getattr(getattr(self.door, f"BatchCreate{plural}")(request), snake(one.plural))
        return {message.name: message for message in stored}


@contextmanager
def served(made: Made, folder: Path, url: str) -> Iterator[Service]:
    """The contract on a port of its own, with its data at `url`. What the server raised that it should not have is raised at the end."""
    proto = folder / "protos" / FILE
    proto.parent.mkdir(parents=True)
    proto.write_text(made.text)
    (folder / "protoplane.toml").write_text(SETTINGS.format(url=url))
    with running(folder) as (server, bugs):
        pool = DescriptorPool()
        for data in server.contract.files.values():
            pool.AddSerializedFile(data)
        file = pool.FindFileByName(FILE)
        classes = tuple(GetMessageClass(pool.FindMessageTypeByName(name)) for name in server.contract.messages)
        door = Door(f"127.0.0.1:{server.port}", (SimpleNamespace(DESCRIPTOR=file),), token_of(folder, app.DEVELOPER))
        with closing(door):
            yield Service(made, door, file, classes)
    if bugs:
        raise bugs[0]
