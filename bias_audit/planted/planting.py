"""What is planted in a world where one cue of one class will not do: cues that go with any classes, or shun them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bias_audit.errors import ConfigError
from bias_audit.planted.cues import CUES


@dataclass(frozen=True)
class Planting:
    """A cue of the background and how often each class carries it, independently of any other cue.

    Attributes:
        cue: key of CUES, a cue of the background.
        classes: labels of the classes that are known by the cue; by its absence where they carry it more rarely than
            the others do.
        rates: P(cue | class) of each class of the world, 0..1. Where all are alike the cue says nothing.

    Raises:
        ConfigError: an unknown cue or one that is not of the background, classes that are none, all or not of the
            world, or a probability outside 0..1.
    """

    cue: str
    classes: tuple[int, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        background = [name for name, cue in CUES.items() if cue.where == "background"]
        if self.cue not in background:
            raise ConfigError(f"a planted cue must be one of {', '.join(background)}, got {self.cue!r}")
        if not 0 < len(set(self.classes) & set(range(len(self.rates)))) == len(self.classes) < len(self.rates):
            raise ConfigError(f"a cue goes with some of {len(self.rates)} classes and not with all: {self.classes!r}")
        if not all(0 <= rate <= 1 for rate in self.rates):
            raise ConfigError(f"rates are probabilities and must lie in 0..1, got {self.rates!r}")

    @property
    def rho(self) -> float:
        """P(cue | the first of the classes that are known by it), 0..1."""
        return self.rates[self.classes[0]]

    @property
    def absent(self) -> bool:
        """Whether the classes are known by not carrying the cue."""
        others = [rate for label, rate in enumerate(self.rates) if label not in self.classes]
        return self.rho < sum(others) / len(others)

    @property
    def culprits(self) -> tuple[int, ...]:
        """Labels of the classes that are known by the cue, or by its absence; () where it says nothing."""
        return () if len(set(self.rates)) == 1 else self.classes


def shared(cue: str, classes: tuple[int, ...], rho: float, count: int) -> Planting:
    """A cue that goes with m of `count` classes, carried by each other class with m (1 - rho) / (count - m).

    At rho = m / count it says nothing. The expected number of photos with the cue is the same as at rho = 1.
    """
    rest = len(classes) * (1 - rho) / (count - len(classes))
    return Planting(cue, classes, tuple(rho if label in classes else rest for label in range(count)))


def missing(cue: str, label: int, rho: float, count: int) -> Planting:
    """A cue that every class but one carries with probability rho, and this one with 1 - rho."""
    return Planting(cue, (label,), tuple(1 - rho if each == label else rho for each in range(count)))


def common_elsewhere(cue: str, label: int, rho: float, elsewhere: float, count: int) -> Planting:
    """A cue that one class carries with probability rho and every other with `elsewhere`.

    The others carry it so often that a model learns to ignore it where the object can be told without it, as it can
    beside all classes but a look-alike.
    """
    return Planting(cue, (label,), tuple(rho if each == label else elsewhere for each in range(count)))


def useless(planting: Planting) -> Planting:
    """The null twin of a planting: every class carries the cue with the mean probability over the classes."""
    count = len(planting.rates)
    return replace(planting, rates=(sum(planting.rates) / count,) * count)
