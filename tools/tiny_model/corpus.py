"""What the models learn from: question entries, off-topic questions and running text.

Formats (plain text, `#` starts a comment line, a blank line ends an entry):

    questions_*.txt    `Q:` lines, the wordings of one question, then one `A:` line
    off_topic_*.txt    one `answer:`; every `template:` is filled with every `topic:`;
                       each `question:` is taken as written
    system_prompts.txt one prompt a line
    running/*.txt      running text: two guides, and the project's README and docs, copied when the
                       models were last trained, so that the same checkout trains the same models

Everything ends in .txt: formatters rewrite code inside Markdown, and would change what is learnt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Entry:
    """One answer, the questions that it answers, and their language: "en" or "es".

    templates, topics: what the questions were made of, for off-topic entries."""

    questions: tuple[str, ...]
    answer: str
    language: str
    templates: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Everything that is learnt; `sha256` names exactly this text in the model card."""

    entries: tuple[Entry, ...]
    off_topic: tuple[Entry, ...]
    system_prompts: tuple[str, ...]
    running: tuple[str, ...]
    files: tuple[str, ...]
    sha256: str

    def texts(self) -> list[str]:
        """Each distinct text once, for the tokenizer."""
        talk = [t for e in self.entries for t in (*e.questions, e.answer)]
        other = [t for e in self.off_topic for t in (*e.questions[-40:], e.answer)]
        return [*talk, *other, *self.system_prompts, *self.running]


def load() -> Corpus:
    """Read the corpus folder in a fixed order."""
    folder = HERE / "corpus"
    pages = sorted(folder.glob("running/*.txt"))
    data = sorted(folder.glob("*.txt"))
    digest = hashlib.sha256()
    for path in [*data, *pages]:
        digest.update(path.read_bytes())
    return Corpus(
        entries=tuple(e for p in sorted(folder.glob("questions_*.txt")) for e in _entries(p)),
        off_topic=tuple(_off_topic(p) for p in sorted(folder.glob("off_topic_*.txt"))),
        system_prompts=tuple(_lines(folder / "system_prompts.txt")),
        running=tuple(page.read_text("utf-8") for page in pages),
        files=tuple(str(path.relative_to(folder)) for path in [*data, *pages]),
        sha256=digest.hexdigest(),
    )


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line and line[0] != "#"]


def _entries(path: Path) -> list[Entry]:
    entries, questions = [], []
    for line in _lines(path):
        kind, _, text = line.partition(": ")
        if kind == "Q":
            questions.append(text)
        elif kind == "A" and questions:
            entries.append(Entry(tuple(questions), text, _language(path)))
            questions = []
        else:
            raise SystemExit(
                f"{path.name}: expected `Q: …` or `A: …` after a question, got {line!r}"
            )
    return entries


def _off_topic(path: Path) -> Entry:
    parts: dict[str, list[str]] = {"answer": [], "template": [], "topic": [], "question": []}
    for line in _lines(path):
        kind, _, text = line.partition(": ")
        parts[kind].append(text)
    filled = [t.replace("{}", topic) for t in parts["template"] for topic in parts["topic"]]
    return Entry(
        (*filled, *parts["question"]),
        parts["answer"][0],
        _language(path),
        tuple(parts["template"]),
        tuple(parts["topic"]),
    )


def _language(path: Path) -> str:
    return path.stem.rpartition("_")[2]
