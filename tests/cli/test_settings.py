"""Every field of a spec is a flag, whose default is the value in the file, and whose value takes its place."""

import dataclasses

import pytest

import jaxphase.sweep
from jaxphase import cli
from jaxphase.config import PhaseTransitionConfig, SweepSpec

FILE = """
[sweep]
family = "vit"
family_options = { depth = 1, head_size = 4 }
objective_options = { mask_fraction = 0.25 }
base_width = 32
sizes = [2000, 4000, 8000, 16000, 32000]
"""


@pytest.fixture
def chosen(here, monkeypatch, tmp_path):
    """The spec that a sweep with these words would train."""
    (tmp_path / "mine.toml").write_text(FILE)
    specs = []
    monkeypatch.setattr(jaxphase.sweep, "run", lambda spec, *_, **__: specs.append(spec))
    monkeypatch.setattr(cli.training, "judge", lambda *_: None)

    def run(*words: str) -> SweepSpec:
        result = here("sweep", *words, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        return specs.pop()

    return run


@pytest.mark.parametrize(
    ("flag", "value", "means"),
    [
        ("--warmup-steps", "3", {"warmup_steps": 3}),
        ("--weight-decay", "0.25", {"weight_decay": 0.25}),
        ("--clip-norm", "0", {"clip_norm": 0.0}),
        ("--base-width", "16", {"base_width": 16}),
        ("--learning-rate", "0.01", {"learning_rate": 0.01}),
        ("--optimizer", "sgd", {"optimizer": "sgd"}),
        ("--metrics", "mutual_information", {"metrics": ("mutual_information",)}),
    ],
)
def test_a_flag_takes_the_place_of_a_field_and_of_nothing_else(chosen, flag, value, means):
    written = chosen("mine.toml")
    assert written.base_width == 32
    assert chosen("mine.toml", flag, value) == dataclasses.replace(written, **means)
    assert chosen(flag, value, "--seeds", "4") == dataclasses.replace(chosen(), **means)


def test_every_field_of_a_spec_is_a_flag(here, tmp_path):
    shown = here("sweep", "--help", cwd=tmp_path).stdout
    for field in dataclasses.fields(SweepSpec):
        assert f"--{field.name.replace('_', '-')} " in shown


def test_help_shows_the_values_of_the_file(here, tmp_path):
    (tmp_path / "mine.toml").write_text(FILE)
    shown = here("plan", "mine.toml", "--help", cwd=tmp_path).stdout
    assert "(default: 32)" in shown and "(default: depth=1 head_size=4)" in shown


def test_the_spec_may_come_after_flags(chosen):
    assert chosen("--seeds", "7", "mine.toml") == dataclasses.replace(chosen("mine.toml"), seeds=7)


def test_without_a_spec_it_is_the_quickstart(chosen):
    assert chosen() == PhaseTransitionConfig().sweep()


def test_options_are_added_to_those_of_the_file(chosen):
    spec = chosen("mine.toml", "--family-options", "depth=3", "--data-options", "train=500")
    assert spec.family_options == {"depth": 3, "head_size": 4} and spec.data_options == {"train": 500}
    assert spec.objective_options == {"mask_fraction": 0.25}


def test_options_go_with_the_family_that_they_are_of(chosen):
    assert chosen("mine.toml", "--family", "mlp").family_options == {}
    assert chosen("mine.toml", "--family", "mlp", "--family-options", "depth=1").family_options == {"depth": 1}
    assert chosen("mine.toml", "--family", "vit").family_options == {"depth": 1, "head_size": 4}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--family", "lstm"), "family is 'lstm': choose one of mlp, resnet, transformer, vit."),
        (("--warmup-steps", "-1"), "warmup_steps is -1: give a whole number of at least 0."),
        (("--sizes", "300", "100"), "sizes is [300, 100]: give positive whole numbers in increasing order, each once."),
        (("--family-options", "depth"), "family_options is 'depth': give NAME=VALUE, such as depth=3."),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(refused, tmp_path, words, sentence):
    assert refused("sweep", *words, cwd=tmp_path) == sentence


@pytest.mark.parametrize(("command", "resumes"), [("quickstart", True), ("sweep", True), ("plan", False)])
def test_an_interrupted_command_promises_no_more_than_it_keeps(here, monkeypatch, tmp_path, command, resumes):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(jaxphase.sweep, "run", interrupted)
    monkeypatch.setattr(jaxphase.sweep, "make_plan", interrupted)
    result = here(command, cwd=tmp_path)
    assert result.returncode == 130 and result.stderr.startswith("jaxphase: interrupted")
    assert ("--resume" in result.stderr) == resumes
