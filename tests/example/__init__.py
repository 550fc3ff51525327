"""The flight desk of `examples/`: its contract, code and data, tested as it stands."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.door.service import Contract, Later

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flightdesk"
PROTOS = tuple(sorted(path.stem for path in (EXAMPLE / "protos/flightdesk/v1").glob("*.proto")))


def copy(folder: Path, url: str = "", **server: str) -> Path:
    """The project as it is in the repository, without what development made there and without its seed; its data is kept at `url`."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".protoplane", "__pycache__", "stubs", "client"))
    settings = folder / "protoplane.toml"
    more = f'\n[database]\nurl = "{url}"\n' if url else ""
    more += "\n[server]\n" + "".join(f'{key} = "{value}"\n' for key, value in {"address": "127.0.0.1:0", **server}.items())
    settings.write_text(settings.read_text().replace('seed = "load.py"\n', "") + more)
    return folder


DESK = Contract(copy, tuple(f"flightdesk.v1.{stem}_pb2" for stem in PROTOS), "developer")


@cache
def messages() -> Any:
    """Every message of the contract by its name."""
    return SimpleNamespace(**{name: getattr(module, name) for module in DESK.modules for name in module.DESCRIPTOR.message_types_by_name})


pb = Later(messages)
"""The messages of the flight desk."""
