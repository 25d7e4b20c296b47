"""What every command shares: how it prints its result, how it reports errors and which exit code it ends with.

A command's function is decorated, below typer's own decorator, with :func:`reporting_errors`; its result goes out
through :func:`print_json` with ``--json``, and otherwise, for people, through :data:`out`. Progress bars and
remarks go to :data:`err`, so that stdout stays clean.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from perturbations.errors import BadInput, PoiseError

FAILURE: Final = 1
"""Exit code: the work failed, or part of it."""
BAD_INPUT: Final = 2
"""Exit code: the caller gave something unusable."""

P = ParamSpec("P")
R = TypeVar("R")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
"""The type of a ``json_: Json = False`` parameter."""

out: Final = Console()
"""For people: tables and results."""
err: Final = Console(stderr=True)
"""For progress, remarks and errors."""


def print_json(document: Any) -> None:
    """Print the command's one document on stdout.

    Dataclasses, mappings, sequences, paths and pydantic models are taken as they are; a float that is not a
    number becomes ``null``, because JSON has none. Bytes of a name that are not UTF-8 are written as escapes, which
    ``os.fsencode`` turns back into the name.
    """
    plain_text = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(_plain(document), ensure_ascii=not plain_text, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """One error line on stderr."""
    err.print(f"[red]error:[/red] {shown(message)}", highlight=False, soft_wrap=True)


def remark(message: str) -> None:
    """One line on stderr that is not an error."""
    err.print(f"[yellow]note:[/yellow] {shown(message)}", highlight=False, soft_wrap=True)


def shown(text: str) -> str:
    """``text`` for :data:`out` and :data:`err`, on one line: a file name may contain control sequences of terminals."""
    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def fail(message: str, *, code: int = FAILURE) -> NoReturn:
    """Report ``message`` on stderr and end the command with ``code``."""
    complain(message)
    raise typer.Exit(code)


def reporting_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the engine's errors into one line on stderr: bad input exits with 2, other errors of Poise with 1.

    Other exceptions pass: they are bugs and deserve their traceback. Ctrl-C exits with 130. What the output cannot
    represent, such as a file name that is not UTF-8, is escaped.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return command(*args, **kwargs)
        except BadInput as error:
            fail(str(error), code=BAD_INPUT)
        except (PoiseError, OSError) as error:
            fail(str(error), code=FAILURE)
        except KeyboardInterrupt:
            fail("interrupted", code=130)

    return wrapped


def _plain(value: Any) -> Any:
    """``value`` as a type that ``json`` knows."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    dump = getattr(value, "model_dump", None)
    return _plain(dump(mode="json")) if callable(dump) else value
