"""The command ``tfattr``. Heavy imports happen inside commands, so that ``--help`` answers at once."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click

from tfattr import __version__
from tfattr.cli import inspecting, options, originals, results, running
from tfattr.cli.quiet import quiet_import
from tfattr.cli.stopping import Stopped, stoppable
from tfattr.errors import IncompleteError, TfattrError, sentence
from tfattr.extensions import import_extensions


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="A zoo is a TOML file, one table [[model]] a model, or a built-in name. See the README.",
)
@click.version_option(__version__, prog_name="tfattr")
@options.debug
def cli(debug: bool) -> None:
    """Which of these trained models is the best source for my task? Transferability from attribution maps."""


for command in (*running.COMMANDS, *results.COMMANDS, *inspecting.COMMANDS, *originals.COMMANDS):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: one sentence on stderr for what a user can cause, no traceback without --debug.

    Exit status: 0, or 1 for what a user can cause, 2 for wrong usage, 3 for results that lack something, 70 for what was not foreseen, 130 and 143
    after SIGINT and SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    quiet = nullcontext() if debug else quiet_import()
    with warnings.catch_warnings(), _messages(debug), quiet:
        if not debug:
            # This process is ours: TensorFlow's start-up chatter and deprecations are of no use to its user.
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings(
                "ignore", category=UserWarning, module=r"(tensorflow|keras|tf_keras|tf_slim|innvestigate)\b"
            )
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
        warnings.showwarning = _show_warning
        said, status = _outcome(arguments, debug)
        if said:
            click.echo(said, err=True)
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)  # no traceback of the interpreter's own end
    if not debug:
        atexit.register(
            setattr, sys, "unraisablehook", lambda _: None
        )  # nor of files that a signal left half open
    if status:
        sys.exit(status)


def _outcome(arguments: list[str], debug: bool) -> tuple[str, int]:
    """What there is to say at the end of a command ("" for nothing), and its exit status."""
    try:
        with stoppable():
            import_extensions()
            cli.main(args=arguments, prog_name="tfattr", standalone_mode=False)
    except Stopped as stop:
        return f"tfattr: {stop.word}; the same command continues where it stopped.", stop.status
    except (click.exceptions.Abort, KeyboardInterrupt):
        return "tfattr: interrupted; the same command continues where it stopped.", 130
    except click.ClickException as error:
        error.show()
        return "", error.exit_code
    except Exception as error:
        if debug:
            raise
        return _told(error)
    return "", 0


def _told(error: Exception) -> tuple[str, int]:
    """The sentence for an error, and the exit status."""
    if isinstance(error, TfattrError):
        return f"tfattr: {error}", 3 if isinstance(error, IncompleteError) else 1
    if isinstance(error, OSError):
        return f"tfattr: {error.filename or 'a file'}: {error.strerror or error}.", 1
    return f"tfattr: {sentence(error, '--debug')}", 70


class _OnStderr(logging.Handler):
    """What tfattr logs, a line each, above the progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(f"tfattr: {record.getMessage()}", file=sys.stderr)


@contextmanager
def _messages(debug: bool) -> Iterator[None]:
    """What is logged goes to stderr; what fails on being thrown away (a zip file on a full disk) does not."""
    handler, logger, hook = _OnStderr(), logging.getLogger("tfattr"), sys.unraisablehook
    logger.addHandler(handler)
    if not debug:
        sys.unraisablehook = lambda _: None
    try:
        yield
    finally:
        logger.removeHandler(handler)
        sys.unraisablehook = hook


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    if category.__module__.startswith("tfattr") or category is UserWarning:
        click.echo(f"tfattr: warning: {message}", err=True)


if __name__ == "__main__":
    main()
