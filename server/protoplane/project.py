"""A project as it is served: its contract, and the Python that belongs to it, read together.

The order matters. Messages get their classes, the project's code is imported (it names those classes), and only then is
the contract judged, because which methods need no standard shape depends on the code.
"""

from __future__ import annotations

import importlib.abc
import sys
import traceback
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from protoplane.access.declared import NOTHING_DECLARED, Declared, declare
from protoplane.base.settings import Settings
from protoplane.contract import served
from protoplane.contract.load import load
from protoplane.contract.model import Contract, Finding, Place
from protoplane.contract.modules import runtime_modules
from protoplane.contract.pool import Pool
from protoplane.method.access_service import AccessService
from protoplane.method.custom import CustomMethod, Servicer, bind_servicers, implemented_paths, load_servicers
from protoplane.query.functions import FilterFunction, declared_functions, forget_functions


@dataclass(frozen=True, slots=True)
class Project:
    """What came of reading a project: with any finding, nothing of it is served."""

    contract: Contract | None
    custom: Mapping[str, CustomMethod]
    """A team's own methods, by RPC path."""
    findings: tuple[Finding, ...]
    functions: Mapping[str, FilterFunction]
    """Its own functions of filters, by name."""
    declared: Declared = NOTHING_DECLARED
    """The relations of its contract."""
    permissions: frozenset[str] = frozenset()
    """What its code asks for, beside the rules of the contract."""


def read_project(settings: Settings) -> Project:
    """Read contract and code; every fault of either is a finding."""
    code = _Code(settings)
    forget_functions()
    loaded = load(settings.proto_roots, implemented=code.read)
    custom: Mapping[str, CustomMethod] = {}
    wrong: list[Finding] = []
    servicers: Sequence[type[Servicer]] = ()
    declared, unclear = NOTHING_DECLARED, tuple[Finding, ...]()
    if loaded.draft is not None:
        services = {method.service for method in loaded.draft.methods.values()}
        servicers = (*code.servicers, *(servicer for servicer in PLATFORM if servicer.service in services))
        custom, wrong = bind_servicers(servicers, loaded.draft)
        declared, unclear = declare(loaded.draft)
    functions, strange = declared_functions()
    findings = (*loaded.findings, *code.findings, *wrong, *strange, *unclear)
    permissions = frozenset(permission for servicer in servicers for permission in servicer.permissions)
    return Project(None if findings else loaded.contract, custom, findings, functions, declared, permissions)


PLATFORM: tuple[type[Servicer], ...] = (AccessService,)
"""Servicers of the platform's own services, which are served beside contracts that need them."""


class Everything(Container[str]):
    """Taken for the paths of a project's methods when its code cannot be read: one finding says so, not one a method."""

    def __contains__(self, _path: object) -> bool:
        return True


class _Code:
    """The Python of a project."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.servicers: Sequence[type[Servicer]] = ()
        self.findings: tuple[Finding, ...] = ()

    def read(self, pool: Pool) -> Container[str]:
        """Import it with the classes of this pool; gives the paths of the methods it implements."""
        served.use(pool.messages)
        if not self._settings.servicer_files:
            return implemented_paths(PLATFORM, pool)
        Stubs.provide(pool)
        try:
            self.servicers = load_servicers(self._settings.servicer_files)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a team's code may raise anything while it is imported.
            problem = f"importing it raises {type(error).__name__}: {error}"
            self.findings = (Finding(self._place(error), "python-broken", problem, "mend the code"),)
            return Everything()
        return implemented_paths((*self.servicers, *PLATFORM), pool)

    def _place(self, error: BaseException) -> Place:
        """The last line of the project's own code that an error came through."""
        if isinstance(error, SyntaxError) and error.filename:
            return Place(Path(error.filename).name, error.lineno or 0)
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(self._settings.folder)]
        return Place(Path(own[-1].filename).name, own[-1].lineno or 0) if own else Place(self._settings.servicer_files[0].name)


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the modules of `protoplane stubs` without their files: they only give the classes of this pool.

    Last on the path, so that every real module comes before it.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._packages = {name.rsplit(".", depth)[0] for name in texts for depth in range(1, name.count(".") + 1)}

    @classmethod
    def provide(cls, pool: Pool) -> None:
        """Take the place of the stubs of an earlier pool."""
        for name in [name for name, module in sys.modules.items() if isinstance(getattr(module, "__loader__", None), cls)]:
            del sys.modules[name]
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, cls)]
        sys.meta_path.append(cls(runtime_modules(pool.files)))

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        del path, target
        if fullname in self._texts or fullname in self._packages:
            return ModuleSpec(fullname, self, is_package=fullname in self._packages)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`."""
        text = self._texts.get(module.__name__, "")
        exec(compile(text, f"<stubs of {module.__name__}>", "exec"), module.__dict__)  # noqa: S102 - ours, made of identifiers.
