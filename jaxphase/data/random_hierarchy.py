"""The random hierarchy model: strings that a random grammar derives from their class, level by level.

Cagnetta, Petrini, Tomasini, Favero & Wyart (2024), Phys. Rev. X 14, 031001.
"""

import math

import numpy as np
from jaxtyping import Int

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
    """Derive strings of symbols from classes by a random grammar.

    A class is replaced by one of its m = `synonyms` tuples of s = `branching` symbols, each of these by one of its own
    m tuples, and so on L = `depth` times. No tuple has two origins, so the class of a string is certain. There are
    classes * m**(1 + s + ... + s**(L - 1)) strings; the splits are drawn uniformly among them, none twice. A deep
    network learns the class from P* ~ classes * m**L strings, however many there are.

    Args:
        vocabulary: Number of different symbols.
        classes: Number of classes.
        synonyms: Tuples that can replace a symbol, m.
        branching: Symbols in a tuple, s.
        depth: Levels of the grammar, L.
        train: Strings to train on.
        probe: Strings to fit probes on.
        validation: Strings to measure on.
        seed: Decides the grammar and the splits.

    Returns:
        A `Source` of tokens `[n, branching**depth]`, labeled with the class that they were derived from.

    Raises:
        ValueError: If there are too few tuples for the grammar, or too few strings for the splits.

    References:
        Cagnetta, Petrini, Tomasini, Favero & Wyart (2024), Phys. Rev. X 14, 031001.
    """
    rules = draw_rules(vocabulary, classes, synonyms, branching, depth, seed)
    ends = np.cumsum([train, probe, validation])
    labels, strings = derive(rules, int(ends[-1]), seed)
    train_rows, probe_rows, validation_rows = np.split(strings, ends[:-1])
    _, probe_labels, validation_labels = np.split(labels, ends[:-1])
    splits = Splits(train_rows, probe_rows, probe_labels, validation_rows, validation_labels)
    return Source(splits, Layout("tokens", (branching**depth,), vocabulary), classes)


def draw_rules(
    vocabulary: int, classes: int, synonyms: int, branching: int, depth: int, seed: int = 0
) -> list[Int[np.ndarray, "_symbols synonyms branching"]]:
    """Draw a grammar.

    Args:
        vocabulary: Number of different symbols.
        classes: Number of classes.
        synonyms: Tuples that can replace a symbol.
        branching: Symbols in a tuple.
        depth: Levels of the grammar.
        seed: Decides the grammar.

    Returns:
        For every level, from the classes down, the tuples that replace each symbol.

    Raises:
        ValueError: If there are too few tuples.
    """
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


def derive(
    rules: list[Int[np.ndarray, "_symbols synonyms branching"]], n: int, seed: int = 0
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, "n positions"]]:
    """Draw n different derivations, uniformly.

    Args:
        rules: The grammar, from `draw_rules`.
        n: Number of derivations.
        seed: Decides them.

    Returns:
        Classes `[n]` and strings `[n, branching**depth]`.

    Raises:
        ValueError: If the grammar has fewer strings.
    """
    classes, synonyms, branching = rules[0].shape
    choices = sum(branching**level for level in range(len(rules)))
    if n > classes * synonyms**choices:
        raise InputError(
            f"train + probe + validation is {n}: the grammar has {classes * synonyms**choices} strings, ask for fewer."
        )
    rng = np.random.Generator(np.random.Philox((seed, 1)))
    # A derivation is a number whose digits are its class and its choices. If that is too long for an integer, the
    # digits past the 62nd bit are drawn separately, since the numbers before them differ already.
    counted = choices if synonyms == 1 else min(choices, int(math.log(2**62 / classes, synonyms)))
    number = rng.choice(classes * synonyms**counted, n, replace=False)
    labels, number = np.divmod(number, synonyms**counted)
    choice = rng.integers(0, synonyms, (n, choices))
    choice[:, :counted] = number[:, None] // synonyms ** np.arange(counted) % synonyms
    symbols = labels[:, None]
    for rule in rules:
        level_choice, choice = np.split(choice, [symbols.shape[1]], axis=1)
        symbols = rule[symbols, level_choice].reshape(n, -1)
    return labels.astype(np.int32), symbols


def parse(
    rules: list[Int[np.ndarray, "_symbols synonyms branching"]], strings: Int[np.ndarray, "n positions"]
) -> Int[np.ndarray, " n"]:
    """Find the class that each string was derived from.

    Args:
        rules: The grammar, from `draw_rules`.
        strings: `[n, branching**depth]`.

    Returns:
        Classes `[n]`; -1 where the grammar does not derive the string.
    """
    symbols = strings
    for rule in reversed(rules):
        base, (_, _, branching) = 1 + max(rule.max(), symbols.max()), rule.shape
        place = base ** np.arange(branching)
        origin = np.full(base**branching, -1)
        origin[rule @ place] = np.arange(len(rule))[:, None]
        tuples = symbols.reshape(len(symbols), -1, branching)
        symbols = np.where(np.any(tuples < 0, axis=-1), -1, origin[np.maximum(tuples, 0) @ place])
    return symbols[:, 0]
