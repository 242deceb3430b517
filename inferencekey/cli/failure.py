"""How a failure is told: a line that begins with `error:`, then what to do; or one JSON object.

With `--json` on the command line the object stands alone on a line of stderr:
`{"error": {"class", "code", "message", "hint", "field", "status", "operation", "host",
"request_id", "retryable"}}`; what is not known is null.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import click

from inferencekey._errors import EndpointWarming, InferenceKeyError, WaitTimeout
from inferencekey.local.errors import EXTRA_PACKAGES, LocalError

from . import exits, output

_FACTS = ("field", "status", "operation", "host", "request_id", "retryable")
_EXTRAS = {**dict.fromkeys(EXTRA_PACKAGES, "local"), "click": "cli", "rich": "cli"}
_HINTS = {
    "missing_project": "name it with `--project`, or set INFERENCEKEY_PROJECT",
    "missing_token": "set INFERENCEKEY_SDK_TOKEN; for a local platform: "
    '`eval "$(inferencekey local env)"`',
    "missing_api_key": "set INFERENCEKEY_API_KEY; for a local platform: "
    '`eval "$(inferencekey local env)"`',
    "insecure_base_url": "use https; or say `--allow-http` on a network that you trust",
    "drift": "`--on-drift reconcile` writes the difference; or correct the file",
    "wait_timeout": "it goes on starting: wait again with `inferencekey wait`, perhaps longer",
}
"""Where the SDK's own hint is about calls, what to do here."""
_WORDS = {
    "`ensure`": "`inferencekey apply`",
    "`delete`": "`inferencekey delete`",
    "`base_url`": "`--base-url`",
    "`sdk_token`": "INFERENCEKEY_SDK_TOKEN",
    "`api_key`": "INFERENCEKEY_API_KEY",
}
"""What the SDK's other hints speak of, and what it is called here."""
# What follows the id of a token; somebody may paste one where a slug belongs.
_SECRET_PART = re.compile(r"(ik_(?:live|sdk)_)(?:([0-9a-zA-Z]{8})_[0-9a-zA-Z_]*|[0-9a-zA-Z_]+)")


class Refusal(click.ClickException):
    """A command does not do what was asked for."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass
class Failure:
    """A failure in words, and the exit code that it leads to.

    kind: the class of the exception, for programs."""

    kind: str
    code: str
    message: str
    hint: str | None = None
    exit_code: int = exits.ERROR
    facts: dict[str, Any] = field(default_factory=dict)

    def tell(self, *, as_json: bool) -> int:
        """Write it to stderr; its exit code."""
        message, hint = without_secret(self.message), self.hint and without_secret(self.hint)
        if as_json:
            facts = {name: self.facts.get(name) for name in _FACTS}
            known = {"class": self.kind, "code": self.code, "message": message, "hint": hint}
            output.say_json({"error": known | facts})
            return self.exit_code
        # Under its code docs/errors.md explains an error of the SDK; some say it in their words.
        shown = "" if not self.facts or f"[{self.code}]" in message else f" [{self.code}]"
        output.say(f"{click.style('error:', fg='red', bold=True)} {message}{shown}")
        if hint:
            output.say(f"\n{click.style('hint:', fg='cyan', bold=True)} {hint}")
        return self.exit_code


def failure_of(error: Exception) -> Failure | None:
    """The failure that an exception stands for; None for a defect: its traceback is needed."""
    kind = type(error).__name__
    # Before OSError: some of the SDK's errors are both.
    if isinstance(error, InferenceKeyError):
        late = isinstance(error, (WaitTimeout, EndpointWarming))
        return Failure(
            kind,
            error.code,
            str(error).rstrip("."),
            _HINTS.get(error.code) or _in_our_words(error.hint),
            exits.NOT_READY if late else exits.ERROR,
            {name: getattr(error, name) for name in _FACTS},
        )
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "inferencekey"
        message = error.format_message().rstrip(".")
        return Failure(kind, "usage", message, f"see `{path} --help`")
    if isinstance(error, click.ClickException):
        message, hint = error.format_message().rstrip("."), getattr(error, "hint", None)
        return Failure(kind, "refused", message, hint, error.exit_code)
    if isinstance(error, LocalError):
        return Failure(kind, "local_platform", error.message.rstrip("."), error.hint)
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        message = f"this command needs the package `{error.name}`"
        return Failure(kind, "missing_package", message, install(_EXTRAS[error.name]))
    if isinstance(error, OSError):
        words = (error.filename, error.strerror)
        return Failure(kind, "system", ": ".join(str(word) for word in words if word))
    return None


def install(extra: str) -> str:
    """The line that installs what is missing."""
    return f'pip install "inferencekey[{extra}]"'


def without_secret(text: str) -> str:
    """The text with tokens in their display form (wire.md 1.3)."""
    return _SECRET_PART.sub(lambda found: f"{found[1]}{found[2]}…" if found[2] else "ik…", text)


def _in_our_words(hint: str | None) -> str | None:
    for call, command in _WORDS.items():
        hint = hint and hint.replace(call, command)
    return hint
