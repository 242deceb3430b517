"""The platform of the InferenceKey wire on one machine, for development, tests and self-hosting.

    with inferencekey.local.Platform() as platform:
        management = ManagementClient.from_env()      # after os.environ.update(platform.env())

Modules import one way only. From the bottom: words and rules without I/O (types, errors, slug,
tokens, phases, validation, json_edit), the machine (paths, procs, engine_log, orphans, engines,
health), state (store, readiness), engines at work (placement, supervisor, life, reconciler), the
wire (auth, control, data, admin, app), the whole (settings, server, platform, daemon). Nothing here
imports the SDK: the platform is the other side of the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import LocalError
    from .platform import Platform

__all__ = ["LocalError", "Platform"]


def __getattr__(name: str) -> object:
    """Load `Platform` when it is first asked for: the engine and the command line need no
    aiohttp."""
    if name == "Platform":
        return _platform_class()
    if name == "LocalError":
        from .errors import LocalError

        return LocalError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _platform_class() -> type[Platform]:
    from .errors import EXTRA_PACKAGES, INSTALL

    try:
        from .platform import Platform
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRA_PACKAGES:
            raise
        raise ModuleNotFoundError(
            f"the embedded platform needs the package `{missing.name}`: {INSTALL}",
            name=missing.name,
        ) from None
    return Platform
