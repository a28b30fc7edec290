"""Limits: one sentence for every wrong name and value, and none of them comes from a run folder."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from bias_audit.config import AuditConfig, configured, read_config
from bias_audit.errors import ConfigError
from bias_audit.limits.bounds import DEFAULTS, Limits, beyond, combined, parsed
from bias_audit.pipeline.reopen import config_of


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("pixel=2e8", "no limit 'pixel'", "Did you mean 'pixels'?"),
        ("weight_bytes=1", "no limit 'weight_bytes'", "'weights_bytes'"),
        ("zzz=1", "no limit 'zzz'", "Limits: pixels, weights_bytes"),
        ("pixels", "NAME=NUMBER, got 'pixels'", "--limit pixels=200000000"),
        ("pixels=", "takes a number, got ''", ""),
        ("pixels=many", "takes a number, got 'many'", ""),
        ("pixels=0", "a number of at least 1, got 0.0", ""),
        ("pixels=0.5", "a number of at least 1, got 0.5", ""),
        ("pixels=-3", "got -3.0", ""),
        ("pixels=nan", "got nan", ""),
        ("pixels=inf", "got inf", ""),
        ("pixels=1e400", "got inf", ""),
        ("seconds_per_call=0", "a number above 0, got 0.0", "--limit seconds_per_call=600"),
        ("batch_bytes=-1", "got -1.0", "--limit batch_bytes=8000000000"),
        ("pixels=" + "9" * 5000, "got inf", ""),
    ],
)
def test_a_wrong_flag_is_one_sentence(text: str, says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("value", [True, "2e8", None, [1], "9" * 5000, -(10**4000), float("nan"), 1e19])
def test_a_wrong_value_from_python_is_one_sentence(value: Any) -> None:
    with pytest.raises(ConfigError, match="limit columns") as caught:
        AuditConfig(limits={"columns": value})
    assert len(caught.value.message) < 200


def test_an_integer_of_thousands_of_digits_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="got a number beyond 1e18"):
        Limits.of({"columns": 10**5000})  # its text alone would raise ValueError


def test_numbers_of_every_form() -> None:
    assert parsed("pixels=2e8") == ("pixels", 2e8)
    assert Limits.of({"pixels": 2e8}).pixels == 200_000_000
    assert isinstance(Limits.of({"pixels": 2e8}).pixels, int)
    assert Limits.of({"seconds_per_call": 0.5}).seconds_per_call == 0.5
    assert Limits.of(None) == DEFAULTS


def test_file_then_flags(tmp_path) -> None:
    file = tmp_path / "audit.toml"
    file.write_text("[limits]\npixels = 2e8\ncolumns = 7\n")
    assert read_config(file)[0].limits == Limits(pixels=200_000_000, columns=7)
    assert read_config(file, limits=[("columns", 9.0)])[0].limits == Limits(pixels=200_000_000, columns=9)
    for text, says in (
        ("[limits]\npixel = 2", r"audit.toml \[limits\]: no limit 'pixel'"),
        ("[limits]\npixels = true", r"\[limits\]: the limit pixels takes a number of at least 1, got True"),
        ("limits = 3", r"\[limits\] is not a table"),
        ("[audit]\nlimits = 3", "unknown key 'limits'"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=says):
            read_config(file)
    with pytest.raises(ConfigError, match="name -> number"):
        AuditConfig(limits=3)  # type: ignore[arg-type]
    assert combined({}, "x", {"pixels": 5}).pixels == 5


def test_only_pixels_change_numbers() -> None:
    """So raising any other limit lets an unfinished audit be resumed."""
    others = {field.name: 7 for field in dataclasses.fields(Limits) if field.name != "pixels"}
    assert AuditConfig(limits=others).digest() == AuditConfig().digest()
    assert AuditConfig(limits={"pixels": 7}).digest() != AuditConfig().digest()
    assert "limits" not in AuditConfig().as_dict()
    assert AuditConfig(limits=others).as_dict()["limits"] == others


def test_a_run_folder_cannot_raise_its_own_limits() -> None:
    raised = AuditConfig(limits={"pixels": 10**12})
    made: Any = SimpleNamespace(config=raised.as_dict())
    assert made.config["limits"] == {"pixels": 10**12}
    assert config_of(made).limits == DEFAULTS


def test_options_of_a_call_from_python() -> None:
    assert configured(None, None, {"limits": {"pixels": 5}}).limits.pixels == 5
    assert configured(AuditConfig(limits={"columns": 3}), None, {}).limits.columns == 3


def test_a_sentence_names_size_limit_and_flag() -> None:
    assert beyond("pixels", 169_000_000, 100_000_000) == (
        "169,000,000 pixels, beyond the limit pixels of 100,000,000 (raise it with --limit pixels=169000000)"
    )
    assert beyond("archive_bytes", 7, 5).startswith("7 bytes, beyond the limit archive_bytes of 5 ")
    assert DEFAULTS.note() == ""
    assert Limits(pixels=5, batch_bytes=10**9).note() == (
        "Limits on what a file may cost were changed: pixels 5 instead of 100,000,000; "
        "batch_bytes 1,000,000,000 instead of half of the memory."
    )
