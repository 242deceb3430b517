"""SHA256SUMS of a model folder, in the form that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

NOT_SUMMED = {"SHA256SUMS", "MODEL_CARD.md"}


def write(folder: Path) -> None:
    """Write `folder/SHA256SUMS` over every file below it but the card and itself."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in NOT_SUMMED)
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n" for p in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), "utf-8")
