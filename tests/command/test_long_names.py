"""Paths that the operating system refuses are one sentence and exit code 2 in every command."""

from __future__ import annotations

import pytest

from bias_audit.cli.command_line import main

LONG = "n" * 300


@pytest.mark.parametrize(
    "command",
    [
        ["gate", LONG],
        ["report", LONG],
        ["review", LONG],
        ["compare", LONG, LONG],
        ["history", LONG],
        ["rescore", LONG],
        ["name", LONG, "cue", "snow"],
        ["audit", LONG, LONG],
        ["audit", "m.keras", "data", "--config", LONG],
        ["audit", "m.keras", "data", "--class-map", LONG],
        ["audit", "m.keras", "data", "--out", LONG],
    ],
    ids=lambda command: " ".join(command).replace(LONG, "LONG"),
)
def test_a_name_of_300_characters(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "too long" in said
    assert "Traceback" not in said
