"""`AuditOptions` lists what `audit` takes by name: fields of `AuditConfig` and `SourceOptions`, with their types."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import bias_audit
from bias_audit.checks import registry
from bias_audit.config import AuditConfig
from bias_audit.data.sources.options import NAMES, SourceOptions
from bias_audit.errors import ConfigError
from bias_audit.limits.bounds import Limits
from bias_audit.pipeline.options import AuditOptions, sorted_out

WIDER = {"limits": Limits | Mapping[str, float], "extra": Mapping[str, int]}
"""Options that are given in another form than the configuration keeps them."""


def expected() -> dict[str, Any]:
    config, source = get_type_hints(AuditConfig), get_type_hints(SourceOptions)
    named = inspect.signature(bias_audit.audit).parameters  # class_map has a place of its own
    fields = [field.name for field in dataclasses.fields(AuditConfig) if field.name not in ("left_open", *named)]
    return {**{name: config[name] for name in fields}, **{name: source[name] for name in NAMES}, **WIDER}


def test_the_options_are_the_fields_with_their_types() -> None:
    assert get_type_hints(AuditOptions) == expected()
    assert not AuditOptions.__required_keys__


def test_every_option_is_taken() -> None:
    config, how, extra = sorted_out(dict.fromkeys(get_type_hints(AuditOptions)))
    assert set(config) == set(expected()) - set(NAMES) - {"extra"}
    assert set(how) == set(NAMES)
    assert extra == {}


def test_settings_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "settings_of_others", lambda: ("dark_corners",))
    assert sorted_out({"dark_corners": 3, "seed": 1}) == ({"seed": 1}, {}, {"dark_corners": 3})
    assert sorted_out({"extra": {"dark_corners": 4}}) == ({}, {}, {"dark_corners": 4})
    for given, says in (({"dark_corner": 1}, "'dark_corner', a setting of no"), ([1], "extra is a mapping")):
        with pytest.raises(ConfigError, match=says):
            sorted_out({"extra": given})


RIGHT = 'bias_audit.audit("model.onnx", "photos", seed=1, preprocess="unit", split=None, limits={"pixels": 1e6})'
WRONG = (
    'bias_audit.audit("model.onnx", "photos", prepocess="unit")',
    'bias_audit.audit("model.onnx", "photos", seed="one")',
    'bias_audit.audit("model.onnx", "photos", image_size=224)',
    'bias_audit.audit("model.onnx", "photos").metrics() + 1',
)


@pytest.mark.slow
def test_mypy_knows_them(tmp_path: Path) -> None:
    """As in a project of the user: every wrong line is told, and no right one."""
    lines = ["import bias_audit", RIGHT, *WRONG]
    (tmp_path / "use.py").write_text("\n".join(lines) + "\n")
    (tmp_path / "mypy.ini").write_text("[mypy]\nfollow_imports = silent\nignore_missing_imports = True\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "use.py"], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": "", "MYPYPATH": str(Path(bias_audit.__file__).parents[1])},
    )  # fmt: skip
    told = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert told == set(range(3, 3 + len(WRONG))), done.stdout + done.stderr
