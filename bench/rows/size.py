"""What an installation takes on the disk, with everything it depends on."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rows import Effort, Figure, Line, Target

FIGURE = Figure("installed_mb", "Installed, with dependencies", "MB", {"sdk_sync": Target(6)})
PACKAGES = {
    "sdk_sync": "inferencekey",
    "aiohttp_async": "aiohttp",
    "httpx_sync": "httpx",
    "openai_sync": "openai",
}


class Size:
    """Sums the files of the packages in the benchmark's venv."""

    name = "size"

    def measure(self, effort: Effort) -> list[Line]:
        """See Row."""
        sizes = {
            client: sum(map(_bytes, _with_dependencies(package))) / 1e6
            for client, package in PACKAGES.items()
            if client in effort.clients
        }
        return [Line(FIGURE, sizes)]


def _with_dependencies(package: str) -> set[str]:
    """The package and all that it needs here; extras and what other systems need are not there."""
    found: set[str] = set()
    ahead = [package]
    while ahead:
        name = ahead.pop()
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            ahead += [_name(one) for one in needed if "extra ==" not in one]
    return found


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def _bytes(package: str) -> int:
    found = distribution(package)
    paths = [Path(str(found.locate_file(file))) for file in found.files or []]
    return sum(path.stat().st_size for path in paths if path.is_file())
