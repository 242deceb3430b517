"""Writes SHA256SUMS of the bundled models: `python tools/tiny_model/checksums.py`.

`sha256sum --check SHA256SUMS`, run in the models' folder, reads it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

MODELS = Path(__file__).parents[2] / "inferencekey/local/models"
PATTERNS = ("*.gguf", "inferencekey-tiny-embed/**/*.json", "inferencekey-tiny-embed/*.safetensors")
"""The models' own files; cards and code may change without the models changing."""


def main() -> None:
    """Hash every file of every model, in a fixed order."""
    files = sorted(path for pattern in PATTERNS for path in MODELS.glob(pattern))
    sums = [(hashlib.sha256(p.read_bytes()).hexdigest(), p.relative_to(MODELS)) for p in files]
    text = "".join(f"{digest}  {name.as_posix()}\n" for digest, name in sums)
    (MODELS / "SHA256SUMS").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
