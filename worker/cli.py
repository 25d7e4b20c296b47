"""``poise``: the console script. Each command lives in its own file of ``worker.commands``; this table assembles them.

A command's module is imported when the command is called, so that ``poise serve`` never waits for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: Final = {
    "serve": "worker.commands.serve:serve",
    "protect": "worker.commands.protect:protect",
    "score": "worker.commands.score:score",
    "train": "worker.commands.train:train",
    "evaluate": "worker.commands.evaluate:evaluate",
    "perturbations": "worker.commands.perturbations:app",
    "targets": "worker.commands.targets:app",
    "faces": "worker.commands.faces:app",
}
"""Command to ``module:attribute``; the attribute is a function, or a typer application where there are sub-commands."""


class Commands(TyperGroup):
    """The commands of :data:`COMMANDS`, imported when asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; ``None`` if there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            found.command(cmd_name)(function)
        command = get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="poise",
    cls=Commands,
    help="Protect photos of people against deepfake generators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Protect photos of people against deepfake generators."""
