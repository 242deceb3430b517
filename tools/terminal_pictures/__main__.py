"""Makes the pictures of the terminal in the documentation: `make pictures`.

Each is what a real terminal shows of real commands on an embedded platform.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from picture import svg
from shell import Shell

from inferencekey.local import Platform

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
COLUMNS = 100
PORT = 8400


@dataclass(frozen=True)
class Scene:
    """One picture: the last command in it is shown, those before it only run.

    until: when to look, while the command runs; with key: when to type that.
    """

    name: str
    title: str
    command: str
    before: str = ""
    until: str | None = None
    key: str | None = None


WORKLOADS = """\
workloads:
  - name: Support bot
    slug: support-bot
    model: inferencekey-tiny
    backend: llamacpp
    execution_policy: fixed
    execution_policy_config: {replicas: 1}
  - name: Embedder
    slug: embedder
    model: inferencekey-tiny-embed
    backend: llamacpp
    task_type: embedding
"""

SCENES = [
    Scene("chat", "chat", 'inferencekey chat support-bot "What is a workload?"'),
    Scene("ls", "ls", "inferencekey ls"),
    Scene("doctor", "doctor", "inferencekey doctor"),
]


def take(scene: Scene, env: dict[str, str]) -> str:
    """Play the scene; its picture."""
    shell = Shell(COLUMNS, env)
    if scene.before:
        shell.run(scene.before)
        shell.screen.reset()
    shell.run(scene.command, until=scene.until, key=scene.key)
    return steady(svg(shell.screen, scene.title, scene.name))


def steady(picture: str) -> str:
    """The picture without what differs from run to run although nothing has changed."""
    return re.sub(r"wl_[0-9a-f]{8,}", lambda found: "wl_" + "0" * (len(found[0]) - 3), picture)


def main() -> None:
    """Take all pictures, or those that are named."""
    wanted = sys.argv[1:] or [scene.name for scene in SCENES]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, Platform(port=PORT) as platform:
        os.chdir(home)
        Path("workloads.yaml").write_text(WORKLOADS)
        env = {
            **platform.env(),
            "HOME": home,
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        for scene in SCENES:
            if scene.name in wanted:
                picture = take(scene, env)
                (FOLDER / f"{scene.name}.svg").write_text(picture, encoding="utf-8")
                print(f"docs/pictures/{scene.name}.svg")


if __name__ == "__main__":
    main()
