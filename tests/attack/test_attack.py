"""A few tries of each kind of attack with every test run, new ones each time: BIAS_AUDIT_SEED=N repeats them.

Those that load TensorFlow are made by `make attack` only: it does not survive the forks once another test has used it.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from .kinds import KINDS
from .runner import failures
from .trying import EXECUTED, FAILED, GREEN, HARMLESS, HUNG, Attempt, Broken, Ended, Kind, one_try, red, told, tries


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        quick = {name: [pytest.mark.heavy] if kind.heavy else [] for name, kind in KINDS.items() if kind.quick}
        metafunc.parametrize("name", [pytest.param(name, marks=marks) for name, marks in quick.items()])


@pytest.fixture(scope="session")
def seed() -> int:
    return int(os.environ.get("BIAS_AUDIT_SEED") or random.SystemRandom().randrange(10**9))


@pytest.fixture(scope="session")
def world_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """What a kind prepares, made once."""
    made: dict[Callable[[Path], None], Path] = {}

    def world(kind: Kind) -> Path:
        if kind.prepare not in made:
            folder = tmp_path_factory.mktemp("attack")
            kind.prepare(folder)
            made[kind.prepare] = folder
        return made[kind.prepare]

    return world


def test_nothing_gets_through(name: str, seed: int, world_of: Callable[[Kind], Path], tmp_path: Path) -> None:
    print(f"seed {seed}")
    kind = KINDS[name]
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow says of every damaged file that it is damaged
            tally = tries(name, kind, world_of(kind), seed, range(kind.quick))
    finally:
        os.chdir(here)
    assert tally.tries == kind.quick
    assert not tally.failures, failures({name: tally}, seed)


def _kind(strike: Callable[[Attempt], str], seconds: float = 20) -> Kind:
    return Kind(strike, lambda folder: None, 1, 1, seconds=seconds)


def _hangs(attempt: Attempt) -> str:
    while True:
        try:
            sum(range(1000))
        except Exception:  # what the code under attack may do with it
            return HARMLESS


@pytest.mark.parametrize(
    ("strike", "how"),
    [
        (lambda attempt: red(Ended(0, "Gate passed: 2 checks", "")), GREEN),
        (lambda attempt: told(Ended(101, "", "Traceback (most recent call last)")), "traceback or code 101"),
        (lambda attempt: told(Ended(1, "", "Traceback (most recent call last)")), "traceback or code 101"),
        (lambda attempt: told(Ended(2, "", "")), "wrong answer"),
        (lambda attempt: 1 / 0, "traceback or code 101"),
        (lambda attempt: attempt.bad(EXECUTED, "a canary"), EXECUTED),
        (_hangs, HUNG),
    ],
)
def test_a_try_that_fails_is_seen(strike: Callable[[Attempt], str], how: str, tmp_path: Path) -> None:
    ended, _, seen, _ = one_try("x", _kind(strike, 0.2), tmp_path, 0, 0)
    assert (ended, seen) == (FAILED, how)


def test_memory_beyond_the_bound_is_seen(tmp_path: Path) -> None:
    from .trying import in_child

    def takes() -> str:
        try:  # new address space: malloc may serve so much from what this process has used and given back
            return str(len(mmap.mmap(-1, 400_000_000)))
        except OSError as error:
            raise MemoryError from error

    with pytest.raises(Broken, match="memory"):
        in_child(takes, 20, 200_000_000)
    assert in_child(lambda: HARMLESS, 20) == HARMLESS


def test_a_process_that_dies_or_does_not_listen_is_counted_and_the_rest_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from . import runner

    def dies(attempt: Attempt) -> str:
        if attempt.rng.random() < 0.3:
            os.kill(os.getpid(), signal.SIGKILL)
        return HARMLESS

    monkeypatch.setitem(runner.KINDS, "dies", _kind(dies))
    tally = runner.attack(["dies"], 12, 5, say=lambda text: None)["dies"]
    assert tally.tries == 12
    assert 0 < tally.counts[FAILED] < 12


def test_a_try_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    seen: list[float] = []

    def notes(attempt: Attempt) -> str:
        seen.append(attempt.rng.random())
        return HARMLESS

    for seed, number in ((1, 1), (1, 1), (1, 2), (2, 1)):
        one_try("x", _kind(notes), tmp_path, seed, number)
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3
