"""Reads [[waive]] of gate.toml."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from bias_audit.checks.base import RULE_CODE
from bias_audit.checks.outcomes import LEVELS
from bias_audit.gate.reading import TomlFile, Where
from bias_audit.gate.settings import Waiver
from bias_audit.review.written import visible

_KEYS = (
    "finding", "rule", "class", "cue", "reason", "owner", "expires", "since", "measured", "low", "high", "level",
)  # fmt: skip

_ASKED = {
    "reason": "Say why the background may decide here.",
    "owner": "Say who answers for it.",
    "expires": "Say up to which day it holds, for instance 2027-01-31.",
}
"""Keys that every waiver must have, with a hint how to fill each in."""
_WHY = "A waiver needs reason, owner and expires: somebody answers for it, until a day."


def waiver(file: TomlFile, where: Where, table: Mapping[str, Any]) -> Waiver:
    """Read one [[waive]] table.

    Args:
        file: the gate file.
        where: path of the table in the file.
        table: content of the table.

    Raises:
        ConfigError: reason, owner, expiry, or the finding that is accepted, is missing or malformed.
    """
    file.known(where, table, _KEYS)
    for name, hint in _ASKED.items():
        if name not in table:
            raise file.error(where, f"[[waive]] has no {name}", f"{_WHY} {hint}")
        if isinstance(table[name], str) and not visible(table[name]):
            raise file.error((*where, name), f"[[waive]] {name} must not be empty", hint)
    if ("finding" in table) == ("rule" in table):
        hint = 'Write finding = "..." (its id stands in gate.json), or rule = "BA201" with class and, if any, cue.'
        raise file.error(where, "[[waive]] needs either finding or rule", hint)
    texts = {
        name: file.text((*where, name), table[name])
        for name in ("reason", "owner", "finding", "rule", "class", "cue")
        if name in table
    }
    if "finding" in texts and not re.fullmatch("[0-9a-f]{16}", texts["finding"]):
        message = f"[[waive]] finding must be 16 hexadecimal digits, got {texts['finding']!r}"
        raise file.error((*where, "finding"), message, "gate.json lists finding_id for every finding.")
    if "finding" in texts and (extra := [name for name in ("class", "cue") if name in texts]):
        message = f"[[waive]] with finding has {extra[0]} as well"
        raise file.error((*where, extra[0]), message, "The id says which class and cue it is; leave it out.")
    if "rule" in texts and not re.fullmatch(RULE_CODE, texts["rule"]):
        message = f"[[waive]] rule must be a rule code, got {texts['rule']!r}"
        raise file.error((*where, "rule"), message, "A code reads BA201; `bias-audit rule` lists them.")
    numbers = {
        name: file.number((*where, name), table[name], -math.inf, math.inf)
        for name in ("measured", "low", "high")
        if name in table
    }
    since = file.day((*where, "since"), table["since"]) if "since" in table else None
    expires = file.day((*where, "expires"), table["expires"])
    if since and expires < since:
        raise file.error((*where, "expires"), f"[[waive]] expires {expires}, before it begins on {since}", "")
    return Waiver(
        texts["reason"],
        texts["owner"],
        expires,
        texts.get("finding", ""),
        texts.get("rule", ""),
        texts.get("class", ""),
        texts.get("cue", ""),
        numbers.get("measured"),
        numbers.get("low"),
        numbers.get("high"),
        file.choice((*where, "level"), table["level"], LEVELS) if "level" in table else "",
        since,
        file.line(where),
    )
