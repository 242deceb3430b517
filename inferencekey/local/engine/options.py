"""The engine's command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..models import BUNDLED


@dataclass(frozen=True)
class Options:
    """Where to listen, what to serve, and under which name."""

    model: Path
    served_name: str
    host: str
    port: int
    temperature: float


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line; ends the program with a usage line where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m inferencekey.local.engine",
        description="Serve one model on OpenAI-compatible routes: "
        "/health, /v1/models, /v1/chat/completions, /v1/embeddings.",
    )
    names = ", ".join(f"`{name}`" for name in BUNDLED)
    parser.add_argument(
        "--model", required=True, help=f"{names}, a GGUF file, or a folder with an embedding model"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8080, help="port; 0 = a free one (%(default)s)"
    )
    parser.add_argument("--served-model-name", help="the answers' `model` (the model's own name)")
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        help="used where a request gives none; 0 always takes the likeliest token (%(default)s)",
    )
    given = parser.parse_args(arguments)
    bundled = BUNDLED.get(given.model)
    path = bundled.path if bundled else Path(given.model)
    name = given.served_model_name or (bundled.name if bundled else path.stem)
    return Options(path, name, given.host, given.port, given.temperature)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; give 0 to 65535")
    return port
