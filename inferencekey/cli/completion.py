"""`inferencekey completion`: the script that completes commands, options and slugs in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from . import output

PROGRAM = "inferencekey"
VARIABLE = "_INFERENCEKEY_COMPLETE"
"""Set by the script when it asks the program what fits; click knows it by the program's name."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell; slugs are completed too.

    \b
    Examples:
      echo 'eval "$(inferencekey completion bash)"' >> ~/.bashrc
      echo 'eval "$(inferencekey completion zsh)"' >> ~/.zshrc
      inferencekey completion fish > ~/.config/fish/completions/inferencekey.fish
    """
    script = get_completion_class(shell)
    assert script is not None, "click knows the three shells"
    output.data(script(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
