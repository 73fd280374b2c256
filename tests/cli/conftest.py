"""The command line as a user meets it: results in a folder, and one sentence with exit code 2 for bad input.

What starts JAX, trains or is killed has a process of its own; the rest is run in this one, which takes seconds less.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxphase import cli

CACHE = Path(__file__).parent.parent.parent / ".jax_cache"


@pytest.fixture(scope="module")
def apart():
    """Run jaxphase in a process of its own."""

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(CACHE), "COLUMNS": "200"}
        command = [sys.executable, "-c", "from jaxphase.cli import main; main()", *arguments]
        options = {"env": environment, "capture_output": True, "text": True, "timeout": 300}
        return subprocess.run(command, cwd=cwd, check=False, **options)

    return run


@pytest.fixture
def here(monkeypatch, capsys):
    """The same in this process, where JAX has started and a warning is an error."""

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["jaxphase", *arguments])
        monkeypatch.setattr(cli.shared, "start_jax", lambda: None)
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(here):
    """The sentence with which a command ends, having written nothing."""

    def run(*arguments: str, cwd: Path) -> str:
        before = set(cwd.rglob("*"))
        result = here(*arguments, cwd=cwd)
        assert result.returncode == 2 and not result.stdout
        assert result.stderr.startswith("jaxphase: ") and result.stderr.count("\n") == 1, result.stderr
        assert set(cwd.rglob("*")) == before
        return result.stderr.removeprefix("jaxphase: ").strip()

    return run
