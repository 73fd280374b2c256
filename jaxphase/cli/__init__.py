"""The command line: one file for each group of commands. Heavy imports wait until a command needs them."""

import re
import sys
import warnings
from inspect import cleandoc

import tyro

from jaxphase.cli.advice import allocate, predict
from jaxphase.cli.curves import analyze, report, times
from jaxphase.cli.machine import info, validate
from jaxphase.cli.training import plan, quickstart, rg, sweep
from jaxphase.errors import InputError

app = tyro.extras.SubcommandApp()
for command in (quickstart, sweep, plan, analyze, times, rg, report, predict, allocate, validate, info):
    # tyro keeps the breaks of lines in what is said of an argument.
    command.__doc__ = re.sub(r"\n {8,}", " ", cleandoc(command.__doc__))
    app.command(command)


def main() -> None:
    """Run the command line; bad input ends in one sentence and exit code 2, and warnings are sentences too."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"jaxphase: {message}", file=sys.stderr)
        try:
            app.cli(
                prog="jaxphase",
                description="Find out whether abilities of models appear at a critical scale.",
                config=(tyro.conf.FlagCreatePairsOff,),
            )
        except InputError as error:
            print(f"jaxphase: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("jaxphase: interrupted; the same command with --resume goes on from here.", file=sys.stderr)
            sys.exit(130)
