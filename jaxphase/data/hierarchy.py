"""The random hierarchy model: strings that a random grammar derives from their class, level by level.

Cagnetta, Petrini, Tomasini, Favero & Wyart (2024), Phys. Rev. X 14, 031001.
"""

import math

import numpy as np

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError


def hierarchy(
    vocabulary: int = 8,
    classes: int = 8,
    synonyms: int = 4,
    branching: int = 2,
    depth: int = 3,
    train: int = 8192,
    probe: int = 1000,
    validation: int = 1000,
    seed: int = 0,
) -> Source:
    """Strings [n, branching**depth] of symbols, labelled with the class that they were derived from.

    A class is replaced by one of its m = `synonyms` tuples of s = `branching` symbols, each of these by one of its own
    m tuples, L = `depth` times over; no tuple has two origins, so the class of a string is certain. There are
    classes * m**(1 + s + ... + s**(L - 1)) strings; the splits draw uniformly among them, and none twice. A deep
    network learns the class from P* ~ classes * m**L strings (ibid.), whatever the number of strings there are.
    `seed` draws the grammar and the splits.
    """
    rules = draw_rules(vocabulary, classes, synonyms, branching, depth, seed)
    ends = np.cumsum([train, probe, validation])
    labels, strings = derive(rules, ends[-1], seed)
    x, to_probe, held_out = np.split(strings, ends[:-1])
    _, of_probe, of_held_out = np.split(labels, ends[:-1])
    splits = Splits(x, to_probe, of_probe, held_out, of_held_out)
    return Source(splits, Layout("tokens", (branching**depth,), vocabulary), classes)


def draw_rules(
    vocabulary: int, classes: int, synonyms: int, branching: int, depth: int, seed: int = 0
) -> list[np.ndarray]:
    """For every level, from the classes down, the tuples [symbols, synonyms, branching] that replace each symbol."""
    tuples = vocabulary**branching
    levels = [classes, *[vocabulary] * (depth - 1)]
    if max(levels) * synonyms > tuples:
        raise InputError(
            f"synonyms is {synonyms}: {max(levels)} symbols need {max(levels) * synonyms} tuples and there are "
            f"vocabulary**branching = {tuples}; give at most {tuples // max(levels)}."
        )
    rng = np.random.Generator(np.random.Philox((seed, 0)))
    chosen = [rng.choice(tuples, (symbols, synonyms), replace=False) for symbols in levels]
    return [np.stack(np.unravel_index(level, (vocabulary,) * branching), -1).astype(np.int32) for level in chosen]


def derive(rules: list[np.ndarray], n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes [n] and strings [n, branching**depth] of n different derivations, drawn uniformly."""
    classes, synonyms, branching = rules[0].shape
    choices = sum(branching**level for level in range(len(rules)))
    if n > classes * synonyms**choices:
        raise InputError(
            f"train + probe + validation is {n}: the grammar has {classes * synonyms**choices} strings, ask for fewer."
        )
    rng = np.random.Generator(np.random.Philox((seed, 1)))
    # A derivation is a number whose digits are its class and its choices. Where it is too long for an integer, the
    # digits past the 62nd bit are drawn apart: the numbers before them differ already.
    counted = choices if synonyms == 1 else min(choices, int(math.log(2**62 / classes, synonyms)))
    number = rng.choice(classes * synonyms**counted, n, replace=False)
    labels, number = np.divmod(number, synonyms**counted)
    choice = rng.integers(0, synonyms, (n, choices))
    choice[:, :counted] = number[:, None] // synonyms ** np.arange(counted) % synonyms
    symbols = labels[:, None]
    for rule in rules:
        of_level, choice = np.split(choice, [symbols.shape[1]], axis=1)
        symbols = rule[symbols, of_level].reshape(n, -1)
    return labels.astype(np.int32), symbols


def parse(rules: list[np.ndarray], strings: np.ndarray) -> np.ndarray:
    """Class [n] that each string [n, branching**depth] was derived from, -1 where the grammar does not derive it."""
    symbols = strings
    for rule in reversed(rules):
        base, (_, _, branching) = 1 + max(rule.max(), symbols.max()), rule.shape
        place = base ** np.arange(branching)
        origin = np.full(base**branching, -1)
        origin[rule @ place] = np.arange(len(rule))[:, None]
        tuples = symbols.reshape(len(symbols), -1, branching)
        symbols = np.where(np.any(tuples < 0, axis=-1), -1, origin[np.maximum(tuples, 0) @ place])
    return symbols[:, 0]
