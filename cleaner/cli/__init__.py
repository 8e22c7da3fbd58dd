"""The command line: one module a command, imported when that command runs.

A module NAME holds a function NAME with typer's annotations, or, for a command with commands of its own, a
`typer.Typer` called ``app``. Commands raise `CleanerError`; what that means for the exit code is decided here.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from cleaner import __version__
from cleaner.batch.interrupt import EXIT_INTERRUPTED
from cleaner.errors import CleanerError, UsageError

# Names and purposes stand here, so that `cleaner --help` need not import numpy to tell them.
COMMANDS: dict[str, str] = {
    "clean": "Clean texts, HTML pages and JSON Lines; account for every removed line.",
    "spark": "Clean on Spark, on as many machines as it has.",
    "explain": "Show each line of a document with its class, score and the features that decided it.",
    "train": "Fit a model to labelled documents and to pages with gold text.",
    "train-vectors": "Fit vectors of words to a sentence encoder, for train --vectors.",
    "train-pages": "Fit a model of the lines of pages in HTML.",
    "train-spans": "Fit what clean --cut spans needs to a model; it goes into the model's folder.",
    "models": "List the models; check one against its own manifest.",
}

EXIT_FAILED = 1
EXIT_USAGE = 2


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = import_module(f"cleaner.cli.{name}")
        command = getattr(module, "app", None)
        if command is None:
            command = _new_app()
            command.command(cmd_name)(getattr(module, name))
        return typer.main.get_command(command)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _new_app(**settings: Any) -> typer.Typer:
    # Without rich, whose import takes longer than all the rest of --help.
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )


app = _new_app(cls=_LazyGroup, no_args_is_help=True)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"cleaner {__version__}")
        raise typer.Exit


@app.callback()
def _cleaner(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Take the debris out of scraped news: text, HTML or JSON Lines in, clean articles out."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and leaves with its exit code; ``arguments`` instead of the process's own."""
    _fill_closed_streams()
    _use_utf8()
    if arguments is None:
        # A scheduler that asks a process to end wants what Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Several threads of a numerical library on one core slow each other down; workers inherit this too.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    try:
        try:
            app(arguments, prog_name="cleaner")
        finally:
            sys.stdout.flush()
    except UsageError as error:
        _leave(EXIT_USAGE, str(error))
    except CleanerError as error:
        _leave(EXIT_FAILED, str(error))
    except OSError as error:
        _drop_stdout()
        if not isinstance(error, BrokenPipeError):
            _leave(
                EXIT_FAILED, str(error) if error.filename else f"standard output cannot be written: {error.strerror}"
            )
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(0)


def _leave(code: int, message: str) -> NoReturn:
    print(f"cleaner: {message}", file=sys.stderr)
    sys.exit(code)


def _fill_closed_streams() -> None:
    """Puts a stream that fails when it is used where the caller closed one (``>&-``), for which Python has None.

    Also keeps files that are opened later from taking the number of the closed one. What is said to a closed standard
    error is lost, as the caller wants it.
    """
    if sys.stdin is None:
        sys.stdin = open(os.open(os.devnull, os.O_WRONLY))  # noqa: SIM115 - stays open
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115 - stays open
    if sys.stderr is None:
        sys.stderr = open(os.open(os.devnull, os.O_WRONLY), "w")  # noqa: SIM115 - stays open


def _drop_stdout() -> None:
    """What still waits to be written would fail once more, and be told by Python itself, when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _use_utf8() -> None:
    """Texts are UTF-8 with bare newlines, whatever the console, the locale or the platform would have them be."""
    for stream, newline in ((sys.stdout, "\n"), (sys.stderr, None)):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace", newline=newline)
