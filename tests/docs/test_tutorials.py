"""The tutorials as a reader follows them: Python is run, specs are read, commands are ones that there are."""

import functools
import itertools
import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import tyro

from jaxphase import cli
from jaxphase.config import read_toml

PAGES = Path(__file__).parents[2] / "docs" / "pages"
WRITTEN = sorted(str(path.relative_to(PAGES)) for path in [*PAGES.glob("*.md"), *PAGES.glob("tutorials/*.md")])
WRITTEN += ["../../README.md", "../../CONTRIBUTING.md"]


def follow(page, blocks, capsys):
    """Run the blocks of a page in the folder that we are in."""
    names = {"__name__": page}
    for block, after in itertools.pairwise([*blocks(page), None]):
        if block.language == "python":
            capsys.readouterr()
            # As many empty lines before it as there are in the page, for the tracebacks.
            exec(compile("\n" * (block.line - 1) + block.text, str(PAGES / page), "exec"), names)
            printed = capsys.readouterr().out
            if after is not None and after.language == "text":
                assert printed.split() == after.text.split(), f"{page}, line {after.line}"
        elif block.language == "toml" and block.word:
            with open(block.word, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(block.text)
    plt.close("all")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_own_curves(folder, blocks, capsys):
    follow("tutorials/own-curves.md", blocks, capsys)
    assert (folder / "accuracy.png").exists()


def test_a_sweep_and_what_is_done_with_its_models(folder, blocks, capsys):
    follow("tutorials/sweep.md", blocks, capsys)
    assert (folder / "runs" / "trial" / "sweep.nc").exists()
    follow("tutorials/inside-jax.md", blocks, capsys)


def test_the_example_of_the_schema(blocks, capsys):
    (block,) = (block for block in blocks("analysis-json.md") if block.language == "python")
    exec(block.text, {})
    assert capsys.readouterr().out.strip().isdigit()


@pytest.mark.parametrize("page", WRITTEN)
def test_every_spec_can_be_read(page, blocks, tmp_path):
    for block in blocks(page):
        if block.language == "toml":
            (tmp_path / "spec.toml").write_text(block.text)
            read_toml(tmp_path / "spec.toml")


@pytest.mark.parametrize("page", WRITTEN)
def test_every_command_is_one_that_there_is(page, blocks):
    for line in (line for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()):
        assert parses(line), f"{page}: {line}"


@pytest.mark.parametrize("line", ["jaxphase analyse runs.csv", "jaxphase plan --sizes many", "jaxphase rg"])
def test_a_command_that_there_is_not_is_found(line, capsys):
    assert not parses(line)


def parses(line: str) -> bool:
    """Whether the command line takes a line, which is not run; a line of another program passes."""
    words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)]
    if words[0] != "jaxphase":
        return True
    app = tyro.extras.SubcommandApp()
    for name, command in cli.app._subcommands.items():
        app.command(functools.wraps(command.target)(lambda *_, **__: None), name=name)
    try:
        app.cli(prog="jaxphase", args=words[1:], config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit:
        return False
    return True
