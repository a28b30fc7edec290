"""What pyproject.toml and MANIFEST.in say about the package that is published."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from installs.contents import lacking

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_edit_fills_every_url():
    home = PROJECT["urls"]["Homepage"]
    assert len(PROJECT["urls"]) >= 4
    assert all(url == home or url.startswith(f"{home}/") for url in PROJECT["urls"].values())
    assert re.fullmatch(r"https://github\.com/[\w-]+/bias-audit", home)


def test_the_licence_is_said_once():
    """PEP 639: an expression and the files; a classifier beside it is refused by PyPI."""
    assert PROJECT["license"] == "MIT"
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])
    assert not [text for text in PROJECT["classifiers"] if text.startswith("License ::")]


def test_classifiers_say_which_pythons_and_that_it_is_typed():
    versions = [text.rsplit(" ", 1)[-1] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert f">={versions[0]}" == PROJECT["requires-python"]
    assert versions == sorted(versions, key=lambda text: int(text[2:]))
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert (ROOT / "bias_audit" / "py.typed").is_file()


@pytest.mark.parametrize("extra", PROJECT["optional-dependencies"])
def test_extras_bring_nothing_twice(extra):
    """A version that stands in two places is changed in one of them."""
    named = [re.split(r"[><=\[]", text)[0] for text in PROJECT["optional-dependencies"][extra]]
    others = [name for name in PROJECT["optional-dependencies"] if name != extra]
    elsewhere = {re.split(r"[><=\[]", text)[0] for name in others for text in PROJECT["optional-dependencies"][name]}
    core = {re.split(r"[><=\[]", text)[0] for text in PROJECT["dependencies"]}
    assert not set(named) & (elsewhere | core) - {"bias-audit"}


def test_every_requirement_has_a_lowest_version():
    every = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
    assert [text for text in every if not re.search(r">=\d", text) and not text.startswith("bias-audit[")] == []


def test_what_is_missing_in_a_distribution_is_named():
    tracked = ["bias_audit/a.py", "bias_audit/page.css", "tests/test_a.py", ".gitignore"]
    sdist, wheel = {"bias_audit/a.py", "bias_audit/page.css"}, {"bias_audit/a.py", "tests/x.py", "b.dist-info/RECORD"}
    assert lacking(tracked, sdist, wheel) == [
        "wheel: bias_audit/page.css", "wheel: tests/x.py is not ours", "sdist: tests/test_a.py",
    ]  # fmt: skip
    assert lacking(tracked, {*sdist, "tests/test_a.py"}, set(tracked[:2])) == []
