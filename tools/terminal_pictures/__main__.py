"""Makes the pictures of the terminal in the documentation: `make pictures`.

Each is what a real terminal shows of real commands on an embedded platform.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from picture import svg
from scenes import DECLARE, SCENES, Scene
from shell import Shell

from inferencekey.local import Platform

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
COLUMNS = 100
PORT = 8400


def take(scene: Scene, env: dict[str, str]) -> str:
    """Play the scene; its picture."""
    shell = Shell(COLUMNS, env)
    if scene.before:
        shell.run(scene.before)
        shell.screen.reset()
    shell.run(scene.command, until=scene.until, key=scene.key)
    return steady(svg(shell.screen, scene.name))


def steady(picture: str) -> str:
    """The picture without what differs from run to run although nothing has changed."""
    return re.sub(r"wl_[0-9a-f]{8,}", lambda found: "wl_" + "0" * (len(found[0]) - 3), picture)


def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, Platform(port=PORT) as platform:
        os.chdir(home)
        Path("declare.py").write_text(DECLARE)
        env = {
            **platform.env(),
            "HOME": home,
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        for scene in SCENES:
            (FOLDER / f"{scene.name}.svg").write_text(take(scene, env), encoding="utf-8")
            print(f"docs/pictures/{scene.name}.svg")


if __name__ == "__main__":
    main()
