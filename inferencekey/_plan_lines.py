"""A plan as lines, each with the style of what it says: one diff for text, Markdown and HTML.

The command line paints the same lines in the terminal's colours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from inferencekey._plan import Change, Plan

INDENT = "  "
SHORT = 60
"""Values up to this many characters stand beside each other on one line."""
COLOURS = {"add": "#1a7f37", "remove": "#cf222e", "change": "#9a6700", "conflict": "#cf222e"}
"""Of HTML, legible on white and on black."""


class Line(NamedTuple):
    """`style`: head, add, remove, change, same, conflict, note or total."""

    style: str
    text: str


def plan_lines(plan: Plan) -> Iterator[Line]:
    """The whole plan: a head, the differences, what it costs, and the counts."""
    address = "/".join(part for part in (plan.project_slug, plan.workload_slug) if part)
    yield Line("head", f"{plan.action} {address}".rstrip())
    for change in plan.changes:
        yield from change_lines(change, INDENT)
    for conflict in plan.conflicts:
        yield Line("conflict", f"{INDENT}! {_beside(conflict)} (cannot change in place)")
    for note in plan.notes:
        yield Line("note", f"{INDENT}note: {_printable(note)}")
    if ceiling := _ceiling(plan):
        yield Line("note", f"{INDENT}{ceiling}")
    yield Line("total", total(plan))


def change_lines(change: Change, indent: str = "") -> Iterator[Line]:
    """One difference; a command by its flags, a long value on lines of its own."""
    style, sign = _kind(change)
    if change.parts:
        yield Line("change", f"{indent}~ {_printable(change.path)}:")
        for part in change.parts:
            yield from change_lines(part, indent + INDENT * 2)
    elif _fits(change):
        yield Line(style, f"{indent}{sign} {_beside(change)}")
    else:
        yield Line(style, f"{indent}{sign} {_printable(change.path)}:")
        for inner, text in _below(change):
            yield Line(inner, f"{indent}{INDENT * 2}{text}")


def total(plan: Plan) -> str:
    """The counts, in words."""
    if plan.action == "unchanged":
        parts = ["nothing to change"]
    else:
        verb = "to set" if plan.action == "create" else "to change"
        parts = [f"{_count(len(plan.changes), 'field')} {verb}"] if plan.changes else []
    if plan.conflicts:
        parts.append(
            f"{_count(len(plan.conflicts), 'conflict')}: delete the workload first, "
            "or choose another slug"
        )
    if plan.unmanaged:
        are = "is" if plan.unmanaged == 1 else "are"
        parts.append(f"{_count(plan.unmanaged, 'live field')} {are} not in the spec and left alone")
    return "; ".join(parts)


def dollars(per_hour: float) -> str:
    """`$3.50/h`."""
    return f"${per_hour:,.2f}/h"


def markdown(plan: Plan) -> str:
    """A heading and a diff that GitHub and GitLab colour."""
    head, *lines, last = plan_lines(plan)
    body = "\n".join(_marked(line) for line in lines)
    fence = _fence(body)
    diff = f"{fence}diff\n{body}\n{fence}\n\n" if body else ""
    return f"### {_code(head.text)}\n\n{diff}{_escaped(last.text)}\n"


def html(plan: Plan) -> str:
    """One block of text that needs nothing from anywhere else."""
    from html import escape

    def painted(line: Line) -> str:
        text = escape(line.text)
        if line.style in COLOURS:
            return f'<span style="color:{COLOURS[line.style]}">{text}</span>'
        return f"<b>{text}</b>" if line.style in ("head", "total") else text

    text = "\n".join(map(painted, plan_lines(plan)))
    return f"<pre>{text}</pre>"


def _kind(change: Change) -> tuple[str, str]:
    if change.before is None:
        return "add", "+"
    return ("remove", "-") if change.after is None else ("change", "~")


def _beside(change: Change) -> str:
    """Both values on one line. A flag without a value is its name."""
    values = [change.before, change.after]
    given = [value for value in values if value is not None]
    if change.path.startswith("-") and given == [True]:
        return _printable(change.path)
    shown = " -> ".join(_shown(value, change.path) for value in given or [None])
    return f"{_printable(change.path)}: {shown}"


def _fits(change: Change) -> bool:
    """On one line: a single value always, unless it is a text of several lines."""
    before, after = change.before, change.after
    if any(isinstance(side, str) and "\n" in side for side in (before, after)):
        return False
    return before is None or after is None or len(_beside(change)) <= SHORT


def _below(change: Change) -> Iterator[Line]:
    """The values below each other; texts of several lines as a diff of lines."""
    before, after = change.before, change.after
    if all(isinstance(side, str) for side in (before, after) if side is not None):
        old, new = ([] if side is None else side.split("\n") for side in (before, after))
        yield from _diff(old, new)
        return
    if before is not None:
        yield Line("remove", f"- {_shown(before, change.path)}")
    if after is not None:
        yield Line("add", f"+ {_shown(after, change.path)}")


def _diff(old: list[str], new: list[str]) -> Iterator[Line]:
    """The lines that go and come, with one that stays around them."""
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(1):
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                yield from (Line("same", f"  {_printable(line)}") for line in old[i1:i2])
                continue
            yield from (Line("remove", f"- {_printable(line)}") for line in old[i1:i2])
            yield from (Line("add", f"+ {_printable(line)}") for line in new[j1:j2])


def _shown(value: object, path: str) -> str:
    """A value as JSON; the words of a command as they are."""
    if isinstance(value, str) and path.startswith(("-", "word ")):
        return _printable(value)
    return _printable(json.dumps(value, ensure_ascii=False))


def _printable(text: str) -> str:
    """The text with everything that could steer a terminal, or reorder a line, as a blank."""
    return "".join(c if c.isprintable() else " " for c in text)


def _ceiling(plan: Plan) -> str | None:
    before, after = plan.max_hourly_cost_usd_before, plan.max_hourly_cost_usd
    if before is None and after is None:
        return None
    now = "no known limit to its cost" if after is None else f"costs at most {dollars(after)}"
    return now if before in (None, after) else f"{now} (before: {dollars(before)})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _marked(line: Line) -> str:
    """The sign first, as diffs have it."""
    signs = {"add": "+", "remove": "-", "change": "!", "conflict": "!"}
    rest = line.text[len(INDENT) :]
    if line.style not in signs:
        return f"  {rest}"
    text = rest.lstrip()
    return f"{signs[line.style]} {' ' * (len(rest) - len(text))}{text[2:]}"


def _fence(text: str) -> str:
    """Longer than any run of backticks in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return fence


def _code(text: str) -> str:
    """A heading's words; slugs hold nothing that Markdown reads, projects might."""
    action, _, address = text.partition(" ")
    return f"{action} `{address.replace('`', chr(39))}`" if address else action


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")
