"""Every string parses back to its class, none is drawn twice, and the grammar has the stated number of them."""

import itertools

import numpy as np
import pytest

from jaxphase.data.random_hierarchy import derive, draw_rules, hierarchy, parse
from jaxphase.errors import InputError


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"vocabulary": 5, "classes": 3, "synonyms": 5, "branching": 3, "depth": 2, "train": 1500, "probe": 50},
        {"vocabulary": 4, "classes": 16, "synonyms": 1, "depth": 1, "train": 14, "probe": 1},
        {"vocabulary": 32, "synonyms": 32, "depth": 5, "train": 500},
    ],
)
def test_every_string_parses_to_its_label_and_none_is_drawn_twice(setting):
    grammar = {"vocabulary": 8, "classes": 8, "synonyms": 4, "branching": 2, "depth": 3} | setting
    counts = {name: grammar.pop(name) for name in ("train", "probe") if name in grammar}
    source = hierarchy(**grammar, **counts, validation=1)
    splits, rules = source.splits, draw_rules(**grammar)
    np.testing.assert_array_equal(parse(rules, splits.probe), splits.probe_labels)
    np.testing.assert_array_equal(parse(rules, splits.validation), splits.validation_labels)
    assert parse(rules, splits.train).min() >= 0
    rows = np.concatenate([splits.train, splits.probe, splits.validation])
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert rows.shape[1:] == source.layout.shape == (grammar["branching"] ** grammar["depth"],)
    assert rows.min() >= 0 and rows.max() < source.layout.vocabulary and rows.dtype == np.int32


def test_a_whole_grammar_is_derived_once_each_and_nothing_else_parses():
    rules = draw_rules(vocabulary=3, classes=2, synonyms=2, branching=2, depth=2)
    labels, strings = derive(rules, 2 * 2**3)
    found = {tuple(string) for string in strings}
    assert len(found) == 16 and np.bincount(labels).tolist() == [8, 8]
    every = np.array(list(itertools.product(range(3), repeat=4)))
    assert {tuple(string) for string in every[parse(rules, every) >= 0]} == found


def test_no_two_symbols_share_a_tuple():
    for level in draw_rules(vocabulary=6, classes=4, synonyms=6, branching=2, depth=3):
        tuples = level.reshape(-1, 2)
        assert len(np.unique(tuples, axis=0)) == len(tuples)


def test_classes_are_equally_frequent():
    labels, _ = derive(draw_rules(8, 8, 4, 2, 3), 8000)
    assert np.abs(np.bincount(labels) - 1000).max() < 4 * np.sqrt(1000)


def test_what_the_grammar_cannot_give_is_refused():
    with pytest.raises(InputError, match="synonyms is 9"):
        hierarchy(synonyms=9)
    with pytest.raises(InputError, match="has 64 strings"):
        hierarchy(synonyms=2, depth=2, probe=10, validation=10)
