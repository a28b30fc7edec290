"""The bar of a notebook, with a stand-in for the notebook's display."""

from __future__ import annotations

import logging
import sys
import types

import pytest

from bias_audit.run.notebook_progress import NotebookProgress, _bar, in_notebook, usual
from bias_audit.run.progress import QUIET, Stage


class Output:
    """One output of a notebook, and everything that it showed."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, page: str) -> None:
        self.shown.append(page)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    made = Output()

    def display(page: str, *, display_id: bool) -> Output:
        assert display_id
        assert made.shown == [], "one output, which is replaced"
        made.shown.append(page)
        return made

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    inside = types.ModuleType("IPython.display")
    inside.HTML, inside.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inside)
    return made


def test_elsewhere_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    assert not isinstance(usual(), NotebookProgress)
    assert usual().verbosity == QUIET
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace()  # the shell of a terminal has no kernel
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not in_notebook()


def test_stages_notes_and_the_log(output: Output, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bias_audit")
    progress = usual()
    assert isinstance(progress, NotebookProgress)
    with progress.stage("Explaining <b>", 40, "images") as advance:
        assert "Explaining &lt;b&gt; <progress" in output.shown[-1]
        for _ in range(4):
            advance(10)
    assert "<progress" not in output.shown[-1], "nothing runs"
    assert "\N{CHECK MARK} Explaining &lt;b&gt;: 40 images in 0." in output.shown[-1]
    progress.note("The model & you.")
    assert "<p>The model &amp; you.</p>" in output.shown[-1]
    assert "40 images" in output.shown[-1]
    assert any("Explaining <b>: 40 images" in record.message for record in caplog.records)
    assert any(record.message == "The model & you." for record in caplog.records)


def test_a_bar_moves_but_not_too_often(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("bias_audit.run.notebook_progress.time.monotonic", lambda: now[0])
    with NotebookProgress().stage("Composites", 1000, "composites") as advance:
        for _ in range(100):
            now[0] += 0.01
            advance(10)
        assert 'value="1000" max="1000"' in output.shown[-1] or len(output.shown) >= 9
    assert 9 <= len(output.shown) <= 13


def test_a_bar_tells_the_rate_and_the_time_left() -> None:
    now = [0.0]
    stage = Stage("Predictions", 40, "images", clock=lambda: now[0])
    assert "images" not in _bar(stage)
    now[0] = 10.0
    stage.advance(20)
    assert "20 of 40 images, 2.0/s, 10 s left" in _bar(stage)


def test_a_failed_stage_gets_a_cross(output: Output) -> None:
    with pytest.raises(ValueError, match="no"), NotebookProgress().stage("Report", None):
        raise ValueError("no")
    assert "\N{BALLOT X} Report: in 0.0 s" in output.shown[-1]
