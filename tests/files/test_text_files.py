"""JSON and TOML files: whatever is in them, they are read or refused with one sentence; nothing else parses either."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bias_audit
from bias_audit.config import read_class_map
from bias_audit.errors import BiasAuditError, ConfigError
from bias_audit.files.text import parse_json, parse_toml, read_json, read_toml

JSON = {
    "[" * 100_000: "deep",
    '{"a":' * 200 + "1" + "}" * 200: "deep",
    "9" * 5000: "64 bits",
    "9" * 30: "64 bits",
    '{"a": 1, "b": {"c": 1, "c": 2}}': "'c' twice",
    "NaN": "NaN",
    "[1,": "line 1",
}
TOML = {
    "a = " + "[" * 100_000: "deep",
    "[" + ".".join("a" * 20_000) + "]": "deep",
    "a = " + "9" * 5000: "64 bits",
    "a = " + "9" * 30: "64 bits",
    "a = 1\na = 2": "",
}


@pytest.mark.parametrize(("text", "says"), JSON.items(), ids=range(len(JSON)))
def test_json_that_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"it is not valid JSON: .*{says}") as caught:
        parse_json(text, ConfigError, "it is")
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(("text", "says"), TOML.items(), ids=range(len(TOML)))
def test_toml_that_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"it is not valid TOML: .*{says}"):
        parse_toml(text, ConfigError, "it is")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(content)
    for read in (lambda: read_json(file, ConfigError), lambda: read_toml(file, ConfigError, "it")):
        with contextlib.suppress(BiasAuditError):
            read()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert read_json(tmp_path / "none", ConfigError) is None
    for name in ("n" * 300, "nul\0", "."):
        with pytest.raises(ConfigError, match="cannot read the map"):
            read_json(tmp_path / name, ConfigError, "the map")
    with pytest.raises(ConfigError, match="cannot read the map"):
        read_json(tmp_path / "none", ConfigError, "the map", must_exist=True)


def test_a_class_map_that_names_a_class_twice(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"cat": [1], "dog": [2], "cat": [3]}')
    with pytest.raises(ConfigError, match=r"map\.json.* 'cat' twice"):
        read_class_map(tmp_path / "map.json")


def test_nothing_else_parses_json_or_toml() -> None:
    package = Path(bias_audit.__file__).parent
    allowed = {
        "files/text.py",
        "models/tensorflow/keras_file.py",  # as Keras reads it, with refusals of its own
        "gate/toml_lines.py",  # one quoted key
        "gate/formats/as_json.py",  # a file of the package
        "data/manifest.py",  # what it has just written
        "pipeline/executors/child.py", "pipeline/executors/local.py",  # lines between processes of one audit
        "planted/demo.py", "planted/benchmark/unit.py",  # files of the package's own work, no user's
    }  # fmt: skip
    raw = re.compile(r"\b(json|tomllib)\.loads?\(")
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py") if raw.search(path.read_text("utf-8"))
    }
    assert found == allowed
