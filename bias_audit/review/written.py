"""Judges what people wrote or dated: whether anything of a text can be seen, and whether a time is yet to come.

Reasons, owners, reviewers and names of cues stand for a person who answers for something. A text that shows nothing, or
a day that has not come, is nobody's answer.
"""

from __future__ import annotations

import datetime
import unicodedata

from bias_audit.errors import ConfigError

CLOCKS = datetime.timedelta(days=1)
"""How far the clock of another machine may run ahead before its times count as dated in the future."""

_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Cs", "Zl", "Zp", "Zs", "Mn", "Me"))
"""Unicode categories that show nothing by themselves: controls, formats, spaces, and marks that sit on a letter."""

_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
"""Letters and symbols that are drawn as nothing: Hangul fillers, the empty braille cell, the empty note head."""


def visible(text: str) -> str:
    """A text without white space at its ends; "" where a reader would see nothing of it.

    Zero-width characters, fillers and marks without a letter show nothing. Inside a text they stay, because scripts
    need them.
    """
    seen = any(sign not in _BLANKS and unicodedata.category(sign) not in _UNSEEN for sign in text)
    return text.strip() if seen else ""


def past(time: str) -> str:
    """The ISO time with offset from UTC that was given, unless it lies in the future.

    Raises:
        ConfigError: it lies more than CLOCKS after the present.
    """
    if datetime.datetime.fromisoformat(time) > datetime.datetime.now(datetime.UTC) + CLOCKS:
        raise ConfigError(
            f"'time' of a decision lies in the future: {time}", "Set the clock of the machine that wrote it."
        )
    return time
