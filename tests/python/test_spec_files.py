"""Files of specs in Python: paths, formats, the environment, attributes of errors."""

from __future__ import annotations

import copy
import pickle
import traceback
from pathlib import Path

import pytest

from inferencekey import ConfigurationError, ValidationError, WorkloadSpec

BOT = "name: Bot\nslug: bot\nmodel: m\nbackend: vllm\n"
TOKEN = "ik_live_0123abcd_" + "5ec2e7" * 10 + "5ec2"


def written(folder: Path, name: str, text: str) -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def refusal(path: object, **arguments: str) -> ValidationError:
    """The error of reading a file."""
    with pytest.raises(ValidationError) as caught:
        WorkloadSpec.from_file(path, **arguments)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("suffix", ["yaml", "yml", "YAML"])
def test_the_suffix_says_the_format(suffix: str, tmp_path: Path) -> None:
    """In either case; a path may be a str or a Path."""
    path = written(tmp_path, f"bot.{suffix}", BOT)
    bot = WorkloadSpec("Bot", "bot", "m", "vllm")
    assert WorkloadSpec.from_file(path) == bot
    assert WorkloadSpec.from_file(str(path)) == bot
    assert WorkloadSpec.all_from_file(path) == [bot]


def test_a_file_that_cannot_be_read_is_an_error_of_ours_with_its_path(tmp_path: Path) -> None:
    """No OSError, no UnicodeError and no ValueError comes out."""
    (tmp_path / "folder.yaml").mkdir()
    for path, words in (
        (tmp_path / "none.yaml", "cannot be read: No such file or directory"),
        (tmp_path / "folder.yaml", "it is a directory"),
        (tmp_path / "bot.ini", "ends with `.ini`; known: .yaml, .yml, .toml, .json"),
        (tmp_path / "bot", "has no suffix"),
        ("a\0b.yaml", "cannot be read"),
        ("line\nend\udc80.yaml", "line\\nend\\udc80.yaml: cannot be read"),
    ):
        error = refusal(path)
        assert words in str(error)
        assert error.field == "path"
        assert error.hint
    for odd in (None, 3, b"bot.yaml"):
        assert refusal(odd).field == "path"


def test_one_of_many_is_named(tmp_path: Path) -> None:
    """Without a slug, or with a wrong one, the error lists what is there."""
    two = "workloads:\n" + "".join(
        f"- {{name: N, slug: {slug}, model: m, backend: vllm}}\n" for slug in ("one", "two")
    )
    path = written(tmp_path, "two.yaml", two)
    assert WorkloadSpec.from_file(path, slug="Two").slug == "two"
    assert "has 2 workloads: `one` (line 2), `two` (line 3)" in str(refusal(path))
    wrong = refusal(path, slug="twoo")
    assert "no workload `twoo`" in str(wrong)
    assert wrong.hint == "did you mean `two`?"
    assert wrong.field == "slug"


def test_an_error_carries_its_places_through_copies_and_pickles(tmp_path: Path) -> None:
    """Line, column and every problem are attributes."""
    path = written(tmp_path, "bot.yaml", BOT + "task_type: x\nconfg: {}\n")
    error = refusal(path)
    for twin in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.line, twin.column, twin.field) == (5, 12, "task_type")
        assert twin.problems is not None
        assert [problem.split(": ")[0] for problem in twin.problems] == [
            f"{path}:5:12",
            f"{path}:6:1",
        ]
        assert "\n" not in str(twin)


def test_a_token_in_a_file_is_in_no_traceback(tmp_path: Path) -> None:
    """Neither the file's text nor the environment stands in a frame that the error holds."""
    path = written(tmp_path, "bot.yaml", BOT + f"description: {TOKEN}\n")
    with pytest.raises(ConfigurationError) as caught:
        WorkloadSpec.from_file(path)
    error = caught.value
    assert error.code == "secret_in_spec"
    assert (error.line, error.column) == (5, 14)
    frames = [
        frame for frame, _ in traceback.walk_tb(error.__traceback__) if "/tests/" not in str(frame)
    ]
    assert frames
    assert TOKEN[:20] not in "".join(repr(frame.f_locals) for frame in frames)


def test_the_environment_is_read_at_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file for all stages; a variable that is not UTF-8 is not set."""
    path = written(tmp_path, "bot.yaml", BOT + "description: ${STAGE}\n")
    for stage in ("test", "prod ñ"):
        monkeypatch.setenv("STAGE", stage)
        assert WorkloadSpec.from_file(path).description == stage
    monkeypatch.setenv("STAGE", "\udcff")
    assert "`STAGE` is not set" in str(refusal(path))


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    """A sparse file of a terabyte takes no time and no memory."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 2 MiB" in str(refusal(path))


def test_a_file_full_of_mistakes_is_told_in_time(tmp_path: Path) -> None:
    """Places are looked up only for what is shown: twenty, and how many more."""
    path = written(tmp_path, "bot.toml", "".join(f"k{i} = 1\n" for i in range(20_000)))
    error = refusal(path)
    assert error.problems is not None
    assert len(error.problems) == 21
    assert error.problems[-1] == "and 19984 more"
