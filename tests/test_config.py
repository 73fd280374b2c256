"""Settings are checked when made, and a file says the same as the objects it was written from."""

import pytest

from jaxphase.config import PhaseTransitionConfig, SweepSpec, log_space, read_toml, to_toml
from jaxphase.errors import InputError


def test_a_spec_survives_its_file(tmp_path):
    config = PhaseTransitionConfig(model_size_range=(1000, 50_000), order_parameter="accuracy")
    spec = config.sweep(seeds=3, family_options={"depth": 3}, objective_options={"mask_fraction": 0.25})
    (tmp_path / "spec.toml").write_text(to_toml(spec, config))
    assert read_toml(tmp_path / "spec.toml") == (spec, config)


def test_ranges_are_sampled_evenly_in_the_logarithm():
    assert log_space(10, 1000, 3) == (10, 100, 1000)
    spec = PhaseTransitionConfig(data_size_range=(64, 1024), data_size_samples=5).sweep(seeds=7)
    assert spec.data_sizes == (64, 128, 256, 512, 1024) and spec.seeds == 7
    assert PhaseTransitionConfig().sweep(sizes=(5, 6)).sizes == (5, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sweep]\nseeds = 'four'", r"seeds is 'four': give a whole number"),
        ("[sweep]\nseeds = true", r"seeds is True"),
        ("[sweep]\nsizes = [100, 0]", r"an entry of sizes is 0"),
        ("[sweep]\nsizes = [300, 100]", r"increasing order"),
        ("[sweep]\nlearning_rate = nan", r"learning_rate is nan: give a positive number"),
        ("[sweep]\nlearning_rate = -1.0", r"learning_rate is -1.0"),
        ("[sweep]\nweight_decay = 'no'", r"weight_decay is 'no'"),
        ("[sweep]\nfamily = 'lstm'", r"family is 'lstm': choose one of mlp"),
        ("[sweep]\nobjective = 'gan'", r"objective is 'gan'"),
        ("[sweep]\nfamily_options = 3", r"family_options is 3: give a table"),
        ("[sweep]\nsteps = 3", r"a key of \[sweep\] in .* is 'steps': choose one of sizes, data_sizes"),
        ("[sweep]\nmetrics = ['iq']", r"an entry of metrics is 'iq': choose one of train_loss"),
        ("[sweep]\nmetrics = 'accuracy'", r"metrics is 'accuracy': give a list"),
        ("[sweep]\nmetrics = ['val_loss']", r"order_parameter is 'mutual_information': choose one of val_loss"),
        ("[phase_transition]\norder_parameter = 'iq'", r"order_parameter is 'iq': choose one of train_loss"),
        ("[phase_transition]\nmodel_size_range = [5]", r"give two numbers"),
        ("[phase_transition]\nmodel_size_samples = 1", r"at least 2"),
        ("[train]\nseeds = 2", r"'train' is not a table of a spec"),
        ("[sweep\n", r"is not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, message):
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_toml(tmp_path / "spec.toml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml cannot be read"):
        read_toml(tmp_path / "none.toml")


def test_settings_are_frozen():
    spec = SweepSpec(sizes=(10,), data_sizes=(10,), checkpoints=(1,))
    with pytest.raises(AttributeError):
        spec.seeds = 5
