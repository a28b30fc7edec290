"""How often 95 % intervals of shares, of their differences and of effects hold the truth.

    python tests/measurements/interval_coverage.py [--worlds 1000] [--seed 0]

Prints one row per case and one column per number of photos: coverage in per cent, in brackets the share of worlds
without an interval. A star marks discrete data: where every photo is all right or all wrong, one arm is always
right, or most effects are exactly 0, an interval of 95 % must cover more for some truths.

Shares are of 5 composites. What the composites of a photo have in common decides how much they say, so that each case
is drawn three times: independent composites; photos of unlike difficulty (each photo's chance is Beta distributed, with
a correlation of .3 between its composites, the same photos being hard in both arms); all or nothing. "flips" are photos
that are right on every background of their class and wrong on every other.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from bias_audit import stats

Floats = NDArray[np.float64]
Interval = tuple[float, float]

COMPOSITES = 5
SIZES = (10, 20, 50, 100)
STRUCTURES = ("independent", "unlike photos", "all or nothing")
CORRELATION = 0.3


@dataclass(frozen=True)
class Case:
    """A world whose truth is known: the interval of one sample of n units, and what it should hold."""

    name: str
    truth: float
    interval: Callable[[np.random.Generator, int], Interval]
    discrete: bool = False


def shares(rng: np.random.Generator, structure: str, chance: float, difficulty: Floats) -> Floats:
    """(n,) share of each photo's composites that are right, with the mean `chance`.

    Args:
        structure: one of STRUCTURES.
        difficulty: (n,) uniform in 0..1; where two arms share it, the same photos are hard in both.
    """
    if structure == "all or nothing":
        return (difficulty < chance).astype(float)
    if structure == "independent" or chance in (0, 1):
        return rng.binomial(COMPOSITES, chance, len(difficulty)) / COMPOSITES
    size = 1 / CORRELATION - 1
    easy = betaincinv(size * chance, size * (1 - chance), 1 - difficulty)
    return rng.binomial(COMPOSITES, easy) / COMPOSITES


def rates() -> Iterator[Case]:
    for structure in STRUCTURES:
        for p in (0.5, 0.8, 0.95, 1.0):

            def interval(rng: np.random.Generator, n: int, structure: str = structure, p: float = p) -> Interval:
                return stats.rate_interval(shares(rng, structure, p, rng.random(n)))

            discrete = structure == STRUCTURES[2] or p == 1
            yield Case(f"rate {p:g}, {structure}", p, interval, discrete)


def gaps() -> Iterator[Case]:
    for structure in STRUCTURES:
        for p in (0.5, 0.8, 0.95, 1.0):
            for gap in (0.0, 0.1, 0.5):
                yield _gap(f"gap {gap:g} of {p:g}, {structure}", structure, p, gap)
    for flips in (0.05, 0.2):
        yield _gap(f"flips {flips:.0%}", STRUCTURES[2], 1.0, flips)


def _gap(name: str, structure: str, p: float, gap: float) -> Case:
    def interval(rng: np.random.Generator, n: int) -> Interval:
        difficulty = rng.random(n)
        return stats.paired_difference_interval(*(shares(rng, structure, arm, difficulty) for arm in (p, p - gap)))

    return Case(name, gap, interval, structure == STRUCTURES[2] or p == 1 or p == gap)


def hard_photos() -> Iterator[Case]:
    """Beyond what the issue asks: composites of single photos go wrong by chance, and some photos flip altogether."""
    for flips in (0.05, 0.2):
        for p in (0.9, 0.97):

            def interval(rng: np.random.Generator, n: int, flips: float = flips, p: float = p) -> Interval:
                same, other = rng.binomial(COMPOSITES, p, (2, n)) / COMPOSITES
                return stats.paired_difference_interval(same, other * (rng.random(n) >= flips))

            yield Case(f"flips {flips:.0%} of {p:g}, else independent", p * flips, interval)


def effects() -> Iterator[Case]:
    drawn: dict[str, tuple[float, Callable[[np.random.Generator, int], Floats], bool]] = {
        "normal": (0.1, lambda rng, n: rng.normal(0.1, 0.15, n), False),
        "Beta(.5, 5)": (0.5 / 5.5, lambda rng, n: rng.beta(0.5, 5, n), False),
        "80 % zeros": (0.1, lambda rng, n: rng.random(n) * (rng.random(n) < 0.2), True),
        "80 % zeros, both signs": (0.07, lambda rng, n: rng.uniform(-0.3, 1, n) * (rng.random(n) < 0.2), True),
    }
    for name, (truth, draw, discrete) in drawn.items():

        def interval(rng: np.random.Generator, n: int, draw: Callable[..., Floats] = draw) -> Interval:
            return stats.mean_interval(draw(rng, n), seed=0, least=-1.0, most=1.0)

        yield Case(f"effects {name}", truth, interval, discrete)


def patients() -> Iterator[Case]:
    """Groups of one to five photos, n of them, that share their difficulty; here n counts groups."""

    def drawn(rng: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.intp]]:
        codes = np.repeat(np.arange(n), rng.integers(1, 6, n))
        return rng.random(n)[codes], codes

    def rate(rng: np.random.Generator, n: int) -> Interval:
        difficulty, codes = drawn(rng, n)
        return stats.rate_interval(shares(rng, STRUCTURES[1], 0.8, difficulty), groups=codes)

    def gap(rng: np.random.Generator, n: int) -> Interval:
        difficulty, codes = drawn(rng, n)
        arms = (shares(rng, STRUCTURES[1], chance, difficulty) for chance in (0.8, 0.7))
        return stats.paired_difference_interval(*arms, groups=codes)

    def effect(rng: np.random.Generator, n: int) -> Interval:
        difficulty, codes = drawn(rng, n)
        values = betaincinv(0.5, 5, difficulty) + rng.normal(0, 0.05, len(codes))
        return stats.mean_interval(values, seed=0, groups=codes, least=-1.0, most=1.0)

    yield Case("patients: rate .8", 0.8, rate)
    yield Case("patients: gap .1 of .8", 0.1, gap)
    yield Case("patients: effects Beta(.5, 5) + normal", 0.5 / 5.5, effect)


def cases() -> list[Case]:
    """All cases of the table."""
    return [*rates(), *gaps(), *hard_photos(), *effects(), *patients()]


def coverage(case: Case, n: int, worlds: int, seed: int) -> tuple[float, float]:
    """(share of the worlds with an interval in which it holds the truth, share of the worlds without one), 0..1."""
    rng = np.random.default_rng([seed, n])
    ends = [case.interval(rng, n) for _ in range(worlds)]
    known = [(low, high) for low, high in ends if not math.isnan(low)]
    held = sum(low - 1e-9 <= case.truth <= high + 1e-9 for low, high in known)
    return held / len(known) if known else math.nan, 1 - len(known) / worlds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"{'coverage of 95 % intervals, in per cent':48s}" + "".join(f"{f'n = {n}':>14s}" for n in SIZES))
    everything = []
    for case in cases():
        row = [coverage(case, n, given.worlds, given.seed) for n in SIZES]
        everything += [held for held, _ in row]
        cells = (f"{held:.1%}" + (f" ({none:.0%})" if none else "") for held, none in row)
        print(f"{case.name + (' *' if case.discrete else ''):48s}" + "".join(f"{cell:>14s}" for cell in cells))
    print(f"mean {np.nanmean(everything):.1%}, least {np.nanmin(everything):.1%}")


if __name__ == "__main__":
    main()
