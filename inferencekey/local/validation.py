"""What the control plane accepts as the body of a create or PATCH (wire.md 2.6).

The rules are a server's: unknown keys are passed over, known ones are checked by type, and what is
stored is stored as it came. Every refusal is a 400 that names the field.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from .errors import HttpError
from .slug import canonical
from .types import EXECUTION_POLICIES, TASK_TYPES, Json, Workload

MAX_DEPTH = 128
"""Nesting of a JSON body, like the limit that clients keep."""


def parse_object(raw: bytes) -> dict[str, Json]:
    """The JSON object that `raw` holds. Raises HttpError 400 for anything else."""
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        # Stored and sent again later, so what UTF-8 or JSON cannot carry is refused here and now.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except RecursionError:
        raise HttpError(400, f"the body nests deeper than {MAX_DEPTH} levels") from None
    except ValueError as cause:
        raise HttpError(400, f"the body is not valid JSON: {cause}") from None
    if not isinstance(body, dict):
        raise HttpError(400, "the body must be a JSON object")
    if _depth_over(body, MAX_DEPTH):
        raise HttpError(400, f"the body nests deeper than {MAX_DEPTH} levels")
    return body


def create_fields(body: dict[str, Json]) -> dict[str, Json]:
    """The columns of a new workload, `slug` canonical. Raises HttpError 400 naming the first bad
    field."""
    for field in ("name", "slug", "backend", "model_name"):
        if body.get(field) is None:
            _refuse(field, "is required")
    fields = {field: check(field, body.get(field)) for field, check in _CHECKS.items()}
    fields["slug"] = _slug(body["slug"])
    fields["task_type"] = _task_type(body.get("task_type", "text2text"))
    return fields


def patch_fields(body: dict[str, Json], live: Workload) -> dict[str, Json]:
    """The columns that a PATCH sets. `slug`, `task_type` and `id` may be repeated, but not
    changed."""
    for field in ("id", "slug", "task_type"):
        if field in body and body[field] != getattr(live, field):
            raise HttpError(
                400,
                f"`{field}` cannot be changed: delete the workload and create it anew",
                code="immutable_field",
            )
    return {field: check(field, body[field]) for field, check in _CHECKS.items() if field in body}


def _refuse(field: str, why: str) -> NoReturn:
    raise HttpError(400, f"`{field}` {why}")


def _text(field: str, value: Json) -> str:
    if not isinstance(value, str):
        _refuse(field, f"must be a string, not {_kind(value)}")
    if not value.strip():
        _refuse(field, "may not be blank")
    return _without_nul(field, value)


def _optional_text(field: str, value: Json) -> str | None:
    if value is not None and not isinstance(value, str):
        _refuse(field, f"must be a string or null, not {_kind(value)}")
    return None if value is None else _without_nul(field, value)


def _without_nul(field: str, value: str) -> str:
    """Neither arguments of a program nor names of files can carry a NUL."""
    if "\0" in value:
        _refuse(field, "may not contain a NUL character")
    return value


def _optional_object(field: str, value: Json) -> dict[str, Json] | None:
    if value is not None and not isinstance(value, dict):
        _refuse(field, f"must be an object or null, not {_kind(value)}")
    return value


def _config(field: str, value: Json) -> dict[str, Json] | None:
    config = _optional_object(field, value)
    _optional_text("config.command", (config or {}).get("command"))
    return config


def _policy(field: str, value: Json) -> str | None:
    if value is not None and value not in EXECUTION_POLICIES:
        _refuse(field, f"must be one of {', '.join(EXECUTION_POLICIES)}")
    return _optional_text(field, value)


def _slug(value: Json) -> str:
    try:
        return canonical(_text("slug", value))
    except ValueError as cause:
        _refuse("slug", str(cause))


def _task_type(value: Json) -> str:
    if value not in TASK_TYPES:
        _refuse("task_type", f"must be one of {', '.join(TASK_TYPES)}")
    return str(value)


_CHECKS: dict[str, Callable[[str, Json], Any]] = {
    "name": _text,
    "backend": _text,
    "model_name": _text,
    "description": _optional_text,
    "config": _config,
    "worker_id": _optional_text,
    "gpu_resource_id": _optional_text,
    "execution_policy": _policy,
    "execution_policy_config": _optional_object,
}
"""Every column that a caller may set and change, with its check."""


def _kind(value: Json) -> str:
    """The JSON name of a value's type."""
    names = {bool: "a boolean", dict: "an object", list: "an array", str: "a string"}
    return "null" if value is None else names.get(type(value), "a number")


def _depth_over(value: Json, room: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if room == 0:
        return True
    children = value.values() if isinstance(value, dict) else value
    return any(_depth_over(child, room - 1) for child in children)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
