"""The part of a client package that is written by hand and goes into each as it is: `clients/python/runtime`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from protoplane.cli.pymodules import home_of
from protoplane.contract.model import Contract


def runtime_modules(contract: Contract) -> Mapping[PurePosixPath, str]:
    """The text of each module by its path; once in a package, so that an error of one service is that of another."""
    folder = home_of(contract.served) / "runtime"
    return {folder / path.name: path.read_text(encoding="utf-8") for path in sorted(_source().glob("*.py"))}


@cache
def _source() -> Path:
    package = Path(__file__).resolve().parents[1]
    places = (package / "clients/python/runtime", package.parents[1] / "clients/python/runtime")  # In a wheel; in a checkout.
    found = next((place for place in places if (place / "__init__.py").is_file()), None)
    if found is None:
        raise RuntimeError("the installation is incomplete: clients/python/runtime is missing")
    return found
