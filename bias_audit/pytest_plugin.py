"""Plugin for pytest with the fixture `background_bias_gate`, which judges a model in a test.

def test_model_looks_at_the_animal(background_bias_gate):
    background_bias_gate("model.keras", "photos/test", masks="photos/masks")

Every test run loads this module, so it imports nothing of bias-audit before the fixture is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bias_audit.gate import GateResult

GATE_FILE = "gate.toml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting `background_bias_gate`, the gate file of the fixture, to pytest's configuration."""
    help_text = "gate file of the fixture background_bias_gate, from the root of the tests (default: gate.toml, if any)"
    parser.addini("background_bias_gate", help_text, default="")


@pytest.fixture
def background_bias_gate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., GateResult]:
    """A function that calls `bias_audit.testing.assert_no_background_bias` with the project's gate file.

    The run of a model lies in a temporary folder, unless the call names another one as `out`.
    """

    def check(run_or_model: Any, data: str | Path | None = None, **options: Any) -> GateResult:
        __tracebackhide__ = True
        from bias_audit.testing import assert_no_background_bias

        options.setdefault("gate", _gate_file(request.config))
        if data is not None:
            options.setdefault("out", tmp_path_factory.mktemp("background-bias") / "run")
        return assert_no_background_bias(run_or_model, data, **options)

    return check


def _gate_file(config: pytest.Config) -> Path | None:
    """The gate file that pytest's settings name, even if it is missing; else gate.toml, or None without one."""
    named = str(config.getini("background_bias_gate"))
    if named:
        return config.rootpath / named
    usual = config.rootpath / GATE_FILE
    return usual if usual.is_file() else None
