"""Removes waivers that have expired, or that no finding needs, from a gate.toml; every other byte stays."""

from __future__ import annotations

import datetime
from pathlib import Path

from bias_audit.checks.registry import not_installed
from bias_audit.errors import ConfigError
from bias_audit.gate.config import read_gate
from bias_audit.gate.settings import Waiver
from bias_audit.gate.toml_lines import places
from bias_audit.gate.waivers import covers
from bias_audit.gate.words import plain
from bias_audit.run.atomic import write_atomically
from bias_audit.run.result import AuditResult


def prune(file: Path, result: AuditResult, today: datetime.date | None = None) -> list[str]:
    """Rewrite a gate.toml without the waivers that expired, or whose finding the run does not have.

    With a [[waive]] block go the comments that stand directly above it, and the blank lines after it.

    Args:
        file: the gate.toml.
        result: the run whose findings still need waivers.
        today: day for which waivers are judged, None = today in UTC.

    Returns:
        a sentence per waiver that was removed.

    Raises:
        ConfigError: a wrong gate file, or waivers that are not written as [[waive]].
        ResultError: the file cannot be written.
    """
    today = today or datetime.datetime.now(datetime.UTC).date()
    config = read_gate(file, not_installed(result.path))
    said = {i: why for i, one in enumerate(config.waivers) if (why := _why(one, result, today))}
    if not said:
        return []
    raw = file.read_bytes()
    lines = raw.splitlines(keepends=True)
    found = places(raw.decode("utf-8-sig"))
    blocks = {block.path[1]: block for block in found.blocks if block.path[0] == "waive"}
    for i in said:
        if i not in blocks:
            line = config.waivers[i].line
            raise ConfigError(
                f"{str(file)!r}, line {line}: a waiver is not written as a [[waive]] block of its own",
                "Write each waiver as [[waive]]; then it can be removed.",
            )
    gone: set[int] = set()
    for i in said:
        first, last = blocks[i].first - 1, blocks[i].last - 1
        while first in found.comments:  # lines count from 1, so this is the line above
            first -= 1
        while last + 1 < len(lines) and not lines[last + 1].strip():
            last += 1
        gone |= set(range(first, last + 1))
    kept = b"".join(line for number, line in enumerate(lines) if number not in gone)
    write_atomically(file.resolve(), kept, "Make the gate file writable.")
    return list(said.values())


def _why(waiver: Waiver, result: AuditResult, today: datetime.date) -> str:
    name = f"Removed the waiver of {plain(waiver.owner)} for {plain(waiver.scope)}"
    if waiver.expires < today:
        return f"{name}: it expired on {waiver.expires}."
    if not any(covers(waiver, one, result) for one in result.outcomes if one.found):
        return f"{name}: this run has no such finding."
    return ""
