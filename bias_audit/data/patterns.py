"""Names of files in one text, as WebDataset writes them: shards-{000..009}.tar, {train,val}.tar."""

from __future__ import annotations

import itertools
import math
import re

from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits, beyond

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,18})\.\.(\d{1,18})", re.ASCII)

HINT = "Write {000..009} for numbers, or {a,b} for names: 'shards-{000..009}.tar'."


def is_pattern(text: str) -> bool:
    """Whether a text, which no file is called, is meant as a pattern."""
    return "{" in text or "}" in text


def halves(path: str) -> tuple[str, str]:
    """(the folder that no brace stands in, what follows it) of a path with /; "" where it begins with the pattern."""
    parts = path.split("/")
    at = next(number for number, part in enumerate(parts) if is_pattern(part))
    return "/".join(parts[:at]), "/".join(parts[at:])


def names_of(pattern: str, said: str, limits: Limits) -> tuple[str, ...]:
    """The names that a pattern stands for, in its order.

    Args:
        pattern: path with / below a folder.
        said: the data set, for the message.
        limits: how many there may be.

    Raises:
        DataError: it is no pattern, stands for too many names or for one twice, or for one that leads elsewhere.
    """
    if is_pattern(_BRACES.sub("", pattern)):
        raise DataError(f"the pattern {said} has a brace without its other one, or braces in braces", HINT)
    texts = _BRACES.split(pattern)  # plain text and content of braces, in turn
    choices = [[text] if number % 2 == 0 else _choices(text, said, limits) for number, text in enumerate(texts)]
    count = math.prod(map(len, choices))
    _bounded(count, said, limits)
    names = tuple("".join(each) for each in itertools.product(*choices))
    if len({*names}) < count:
        raise DataError(f"the pattern {said} names a file twice", HINT)
    if any(part in ("", ".", "..") or "\0" in part for name in names for part in name.split("/")):
        raise DataError(f"the pattern {said} has a part that names nothing", "Write it out, without . and ..")
    return names


def _choices(text: str, said: str, limits: Limits) -> list[str]:
    """What the content of braces stands for."""
    if found := _RANGE.fullmatch(text):
        first, last = found.groups()
        if int(last) < int(first):
            raise DataError(f"the pattern {said} counts down in {{{text}}}", HINT)
        _bounded(int(last) - int(first) + 1, said, limits)
        # As in bash: a number with a zero in front says how wide all are.
        padded = any(len(each) > 1 and each.startswith("0") for each in (first, last))
        width = max(len(first), len(last)) if padded else 0
        return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]
    if "," not in text:
        raise DataError(
            f"the pattern {said} has {{{text}}}, which is neither a range of numbers nor several names", HINT
        )
    return text.split(",")


def _bounded(count: int, said: str, limits: Limits) -> None:
    if count > limits.shards:
        raise DataError(f"the pattern {said} names {beyond('shards', count, limits.shards)}")
