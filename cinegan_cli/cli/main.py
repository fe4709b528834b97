"""The `cinegan` command: the only place that catches errors and turns them into exit statuses."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import warnings
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from threading import Timer
from typing import Any, NoReturn

import click

from cinegan_cli import __version__
from cinegan_cli.errors import CineganError, ExitStatus, one_line, unexpected

COMMANDS = {  # each in the module of `cinegan_cli.cli` of that name, which is imported when it is used
    "animate": "Turn a photo into a seamless loop, or every photo of a folder.",
    "edit": "Open an editor in the browser: paint, draw arrows, export.",
    "style": "Give a photo another look: sunset, night, another photo's.",
    "mask": "Write what would move, and the photo tinted to look at it.",
    "motion": "Write how it would move, and arrows over the photo.",
    "invert": "Find the latents with which a generator makes a photo.",
    "render": "Render a photo with a mask and a motion file alone.",
    "sample": "Make landscapes up: videos or pictures by a generator.",
    "check": "Check whether a video loops, and plays everywhere.",
    "evaluate": "Measure loops, masks, motion or inversions against known ones.",
    "models": "Bring in, check and remove the researchers' models.",
    "data": "Make data sets for `cinegan train`.",
    "train": "Train a model on your own data.",
    "doctor": "Say what is installed, and whether all of it works.",
    "completion": "Print what makes a shell complete commands and options.",
}
SOON = 0.01  # s, until an interrupt is tried again


class LazyGroup(click.Group):
    """A group whose commands are imported only when one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"cinegan_cli.cli.{name}"), name)
        command.short_help = COMMANDS[name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="cinegan")
@click.pass_context
@click.option("--traceback", is_flag=True, help="Show where an error comes from; for bug reports.")
def cinegan(context: click.Context, traceback: bool) -> int:
    """Turn one landscape photo into a seamless, full-resolution looping video.

    \b
    cinegan animate photo.png --out loop.mp4

    \b
    Exit statuses: 0 done, 1 internal error, 2 wrong usage, 3 unreadable input, 4 model missing,
    5 output not written, 6 some files of a batch failed, 7 check failed, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
    return ExitStatus.USAGE


def main() -> NoReturn:
    """Entry point of the console script."""
    print_anything()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # this process is ours: libraries' remarks on odd files are not for users
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # PyTorch's threads, which else take the time of OpenCV's
    gc.set_threshold(50_000)  # by default a tenth of the time until the first frame goes into looking through imports
    status = run(sys.argv[1:])
    gc.freeze()  # else Python, as it ends, looks through all of torch for cycles: a second
    sys.exit(status)


def print_anything() -> None:
    """What the encoding of a stream lacks is printed escaped: no file's name may stop a command, least of all after it.

    All that is printed goes through these two streams: results, notes, errors, help, progress and tables.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status; every error is one line on stderr."""
    try:
        with _stopping_once():
            outcome: Any = cinegan.main(arguments, prog_name="cinegan", standalone_mode=False)
        return int(outcome or ExitStatus.OK)
    except (KeyboardInterrupt, click.Abort) as error:
        # click makes its own of a KeyboardInterrupt; older versions did not say from what
        said = one_line(str(error.__cause__ or error.__context__ or error))
        return _fail(said or "interrupted; nothing unfinished was left behind", ExitStatus.INTERRUPTED)
    except click.ClickException as error:
        return _fail(_advised(error), ExitStatus.USAGE)
    except CineganError as error:
        if "--traceback" in arguments:
            raise
        return _fail(one_line(str(error)), error.status)
    except SystemExit as ended:
        # Click ends by itself after a completion, and with 1 when the reader of our output has gone, as with `| head`.
        return ExitStatus.OK if ended.code == 1 else int(ended.code or 0)
    except Exception as error:
        if "--traceback" in arguments:
            raise
        return _fail(*unexpected(error))


def _fail(message: str, status: ExitStatus) -> int:
    click.echo(f"cinegan: {message}", err=True)
    return int(status)


def _advised(error: click.ClickException) -> str:
    """What click says, and where to read on."""
    message = one_line(error.format_message())
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message.rstrip('.')}; see {context.command_path} --help"


@contextmanager
def _stopping_once() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal raise KeyboardInterrupt, once: a second one would disturb the cleanup."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is not known on Windows
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    heeded = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]  # nohup, background jobs
    stopping, retry = False, Timer(0, lambda: None)

    def stop(signum: int, frame: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            raise KeyboardInterrupt

    def lost(what: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised while it calls back from inside, as in a destructor: then it is raised again."""
        nonlocal retry
        if heeded and issubclass(what.exc_type, KeyboardInterrupt):
            retry = Timer(SOON, again)
            retry.start()
        else:
            hook(what)

    def again() -> None:
        nonlocal stopping
        stopping = False
        interrupt_main(heeded[0])

    before = {number: signal.signal(number, stop) for number in heeded}
    hook, sys.unraisablehook = sys.unraisablehook, lost
    try:
        yield
    finally:
        retry.cancel()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
