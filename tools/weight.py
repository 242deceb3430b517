"""What an installation weighs, part by part, beside its targets: `make weight`.

python tools/weight.py WHEEL

The wheel is installed with its dependencies, from the package index, into a folder that goes
afterwards. Nothing fails here: a weight is looked at, and what grew has a reason or goes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

MB = 1_000_000
# For an installation with its dependencies.
TARGET_MB = 6.0

# Part, and the start of the paths below site-packages that belong to it; the first match counts.
PARTS = [
    ("shared library", "inferencekey/libinferencekey"),
    ("compiled module", "inferencekey/_native.abi3"),
    ("bundled models", "inferencekey/local/models"),
    ("embedded platform", "inferencekey/local"),
    ("command line", "inferencekey/cli"),
    ("Python package", "inferencekey"),
    ("dependencies", ""),
]


def installed(wheel: Path) -> Counter[str]:
    """The bytes of each part after `pip install`, with the bytecode that pip makes."""
    sizes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", folder, str(wheel)], check=True)
        for file in Path(folder).rglob("*"):
            if file.is_file():
                path = file.relative_to(folder).as_posix()
                part = next(name for name, start in PARTS if path.startswith(start))
                sizes[part] += file.stat().st_size
    return sizes


def main(wheel: Path) -> None:
    """Print the table."""
    sizes = installed(wheel)
    total = sum(sizes.values())
    rows = [("wheel", wheel.stat().st_size), *((name, sizes[name]) for name, _ in PARTS)]
    for name, size in rows:
        print(f"{name:<32}{size / MB:>7.2f} MB")
    print(f"{'installed':<32}{total / MB:>7.2f} MB   target {TARGET_MB:.2f}")
    without = total - sizes["bundled models"]
    print(f"{'installed, without the models':<32}{without / MB:>7.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
