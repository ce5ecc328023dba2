"""Registers the environments with Gymnasium as soon as both are imported, without importing it.

Gymnasium loads no plugins, and `import bidpilot` is to stay light. So where Gymnasium is not yet imported, a finder in
`sys.meta_path` waits until it is imported, lets it load as it would, registers, and is gone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Final

_GYMNASIUM: Final = "gymnasium"


def register() -> None:
    """Register `bidpilot/Bidding-v0` and `bidpilot/MOBidding-v0`; once is enough."""
    import gymnasium as gym

    for name in ("Bidding", "MOBidding"):
        if f"bidpilot/{name}-v0" not in gym.registry:
            gym.register(
                f"bidpilot/{name}-v0",
                entry_point=f"bidpilot.envs.bidding_env.env:{name}Env",
                vector_entry_point=f"bidpilot.envs.bidding_env.env:{name}VectorEnv",
                # Gymnasium's checker knows scalar rewards only
                disable_env_checker=name == "MOBidding",
            )


def register_once_imported() -> None:
    """Register now where Gymnasium is imported, else right after it is."""
    if _GYMNASIUM in sys.modules:
        register()
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


class _Waiting(MetaPathFinder):
    """Waits for the first import of Gymnasium that succeeds."""

    def __init__(self) -> None:
        self._asking = False  # whether the other finders are asked right now

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _GYMNASIUM or self._asking:
            return None
        self._asking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader, self)
        return spec


class _Registering(Loader):
    """Loads a module as its own loader does, and registers then."""

    def __init__(self, own: Loader, finder: _Waiting) -> None:
        self._own, self._finder = own, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        # what looks at the module later finds the loader that it would have had
        spec.loader = module.__loader__ = self._own
        self._own.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        register()
