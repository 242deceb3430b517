"""The parts in C of the standard library's `json`, without the rest of it.

`json` brings `re` and `enum`, which would be more than half of the time that a client takes to be
ready. Its parts are no public names of Python, so where they are not as expected it is `json`
itself that works, and slower.
"""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class _Plainly:
    """How the decoder reads what JSON leaves open: as `json.loads` does."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_int = int
    parse_float = parse_constant = float


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is no JSON")


quoted: Callable[[str], str]
"""The text as a JSON string."""
written: Callable[[Any], str]
"""The compact JSON of dicts, lists and scalars, which are exactly of these types and no cycle."""
scanned: Callable[[str, int], tuple[Any, int]]
"""The value that begins at a place of a JSON text, and where it ends."""

try:
    from _json import encode_basestring as quoted
    from _json import make_encoder, make_scanner

    _pieces = make_encoder(None, _refuse, quoted, None, ":", ",", False, False, False)

    def written(value: Any) -> str:
        return "".join(_pieces(value, 0))

    scanned = make_scanner(_Plainly)  # type: ignore[arg-type]  # The stub takes itself.
except (ImportError, TypeError):
    import json
    from json.encoder import encode_basestring as quoted

    written = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
    ).encode
    scanned = vars(json.JSONDecoder())["scan_once"]
