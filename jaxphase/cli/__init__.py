"""The command line: one file for each group of commands. Heavy imports wait until a command needs them."""

import re
import sys
import warnings
from collections.abc import Callable
from inspect import cleandoc

import tyro

from jaxphase.cli.advice import allocate, predict
from jaxphase.cli.curves import analyze, report, times
from jaxphase.cli.machine import info, validate
from jaxphase.cli.training import plan, quickstart, rg, sweep, with_defaults
from jaxphase.errors import InputError

COMMANDS = (quickstart, sweep, plan, analyze, times, rg, report, predict, allocate, validate, info)
for command in COMMANDS:
    # tyro keeps the line breaks in the description of an argument.
    command.__doc__ = re.sub(r"\n {8,}", " ", cleandoc(command.__doc__ or ""))


def application(**other: Callable[..., None]) -> tyro.extras.SubcommandApp:
    """The command line, with other functions for some of the commands."""
    app = tyro.extras.SubcommandApp()
    for command in COMMANDS:
        app.command(name=command.__name__)(other.get(command.__name__, command))
    return app


app = application()


def main() -> None:
    """Run the command line; bad input ends in one sentence and exit code 2, and warnings are sentences too."""
    words = sys.argv[1:]
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"jaxphase: {message}", file=sys.stderr)
        try:
            application(**with_defaults(words)).cli(
                args=words,
                prog="jaxphase",
                description="Find out whether abilities of models appear at a critical scale.",
                config=(tyro.conf.FlagCreatePairsOff,),
            )
        except InputError as error:
            print(f"jaxphase: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            resumes = words[:1] in (["quickstart"], ["sweep"])
            more = "; the same command with --resume continues from here" if resumes else ""
            print(f"jaxphase: interrupted{more}.", file=sys.stderr)
            sys.exit(130)
