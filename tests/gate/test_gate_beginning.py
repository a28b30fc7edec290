"""--init writes a file that accepts nothing; --prune takes out what is over and leaves every other byte."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import pytest
from gate_runs import EMPTY, HUSKY, WOLF, outcome, read, row_of, run_of

from bias_audit.errors import ConfigError
from bias_audit.gate import FAILED, judge, read_gate
from bias_audit.gate.pruning import prune
from bias_audit.gate.starting import start, write_start
from bias_audit.run.identity import finding_id

DAY = datetime.date(2026, 11, 25)
CLEAN = {
    **HUSKY, "background_gap": 0.01, "gap_low": -0.02, "gap_high": 0.04, "other_background_accuracy": 0.9,
    "other_low": 0.81, "accuracy": 0.95, "accuracy_low": 0.9,
}  # fmt: skip
FOUND = outcome("found", "SUSPICIOUS", measured=0.8, low=0.4, high=0.95, sentence="Snow\n[[waive]]\x1b decides.")


def test_the_file_accepts_no_finding(tmp_path: Path) -> None:
    run = run_of(FOUND, outcome(subject="husky"), classes=(WOLF, CLEAN))
    text = start(run)
    content = tomllib.loads(text)
    assert content["classes"] == ["wolf", "husky"]
    assert (content["allow"], "waive" in content) == ([], False)
    config = read(tmp_path, text)
    assert config.waivers == ()
    gate = judge(run, config)
    assert (row_of(gate, "BA201", "wolf").status, gate.passed) == (FAILED, False)
    assert {row.subject for row in gate.rows if row.status == FAILED} == {"wolf"}


def test_thresholds_lie_beyond_the_present_bounds_of_classes_without_finding(tmp_path: Path) -> None:
    run = run_of(FOUND, outcome(subject="husky"), classes=(WOLF, CLEAN))
    bounds = {one.name: one.bounds for one in read(tmp_path, start(run)).metrics if one.judge == "bound"}
    assert bounds["background_gap"] == {"max": pytest.approx(0.1)}  # .04 + .05, up to the next .05
    assert bounds["other_background_accuracy"] == {"min": pytest.approx(0.75)}  # .81 - .05, down
    assert bounds["accuracy"] == {"min": pytest.approx(0.85)}
    fine = run_of(outcome(), outcome(subject="husky"), classes=(WOLF, CLEAN))
    assert judge(fine, read(tmp_path, start(fine))).passed, "the present state keeps its own thresholds"
    guilty = start(run_of(FOUND, classes=(WOLF,)))
    assert "[[metric]]" not in guilty
    assert "there is nothing to set a bound by" in guilty


def test_findings_wait_for_a_reason_a_name_and_a_day(tmp_path: Path) -> None:
    run = run_of(FOUND, classes=(WOLF,))
    text = start(run)
    (block,) = re.findall(r"# \[\[waive\]\]\n(?:# .*\n)+", text)
    assert f'finding = "{finding_id(FOUND, run)}"' in block
    opened = text.replace(block, block.replace("# ", ""))
    with pytest.raises(ConfigError):
        read(tmp_path, opened)
    for number, name in enumerate(("reason", "owner", "expires")):
        assert tomllib.loads(opened)["waive"][0][name] == "", "TOML before it is filled in"
        opened = opened.replace(f'{name} = ""\n', f"{name} = " + ("2027-01-31\n" if number == 2 else '"Ada"\n'))
        if number < 2:
            with pytest.raises(ConfigError):
                read(tmp_path, opened)
    config = read(tmp_path, opened)
    assert config.waivers[0].level == "SUSPICIOUS"
    assert judge(run, config, today=DAY).passed


def test_named_states_are_listed_and_not_allowed(tmp_path: Path) -> None:
    run = run_of(outcome("not applicable", sentence="No masks."), mask_kind="none", classes=({**EMPTY, "n_read": 9},))
    text = start(run)
    assert '# allow = ["no masks"]\nallow = []\n' in text
    assert not judge(run, read(tmp_path, text)).passed


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = 'w"o\\lf\n[[waive]] \x1b\x7f \N{WOLF FACE}\ud800'
    text = start(run_of(outcome("found", "SUSPICIOUS", subject=name), classes=({**WOLF, "class_name": name},)))
    assert tomllib.loads(text)["classes"] == [name.replace("\ud800", "?")]
    assert all(line.startswith("#") for line in text.splitlines() if "waive" in line and "classes" not in line)
    read(tmp_path, text)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    assert str(file) in write_start(run_of(), file)
    before = file.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        write_start(run_of(), file)
    (tmp_path / "link.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="exists already"):
        write_start(run_of(), tmp_path / "link.toml")
    assert file.read_bytes() == before


# -- pruning --------------------------------------------------------------------------------

KEEP = b'''\xef\xbb\xbf# head  \r\n[class]\t# class\r\nmin_accuracy = 0.5\r\n\r\n
# Ada holds this one
[[waive]]
rule = "BA201"
class = "wolf"
reason = """
[[waive]]
# not a comment
"""
owner = "Ada"
expires = 2027-01-31  # kept

'''
OVER = b"""# this comment goes
# as well
[[ waive ]]
rule = "BA201"
class = "wolf"
reason = "over"
owner = "Bob"
expires = 2026-11-24


"""
UNUSED = b"""[[waive]]
reason = "unused"
finding = "0123456789abcdef"
owner = "Eve"
expires = 2027-01-31
"""
TAIL = b"# stands for itself\n\n[fail]\nclass = 'WATCH'\n# end"


def test_pruning_leaves_every_other_byte(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_bytes(KEEP + OVER + UNUSED + TAIL)
    removed = prune(file, run_of(FOUND), DAY)
    assert removed == [
        "Removed the waiver of Bob for BA201, wolf: it expired on 2026-11-24.",
        "Removed the waiver of Eve for finding 0123456789abcdef: this run has no such finding.",
    ]
    assert file.read_bytes() == KEEP + TAIL
    assert prune(file, run_of(FOUND), DAY) == []
    assert [waiver.owner for waiver in read_gate(file).waivers] == ["Ada"]
    assert [path.name for path in tmp_path.iterdir()] == ["gate.toml"]


@pytest.mark.parametrize("order", ["ok", "ko", "kok", "oko", "uok", "okuo", "o", "ouo"])
def test_pruning_in_any_order(tmp_path: Path, order: str) -> None:
    blocks = {"k": KEEP.split(b"\n\n", 1)[1], "o": OVER, "u": UNUSED}
    file = tmp_path / "gate.toml"
    file.write_bytes(b"".join(blocks[one] for one in order) + TAIL)
    prune(file, run_of(FOUND), DAY)
    assert file.read_bytes() == b"".join(blocks[one] for one in order if one == "k") + TAIL


def test_a_comment_in_a_text_above_is_no_comment(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    above = b'[provenance]\ncontent = """\n# x"""\n'
    file.write_bytes(above + OVER.split(b"\n", 2)[2] + TAIL)
    prune(file, run_of(FOUND), DAY)
    assert file.read_bytes() == above + TAIL


def test_waivers_of_an_inline_array_are_not_torn_apart(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    text = '\nwaive = [\n{ rule = "BA101", reason = "r", owner = "o", expires = 2026-01-01 },\n]\n'
    file.write_text(text)
    with pytest.raises(ConfigError, match="line 3: a waiver is not written as a"):
        prune(file, run_of(FOUND), DAY)
    assert file.read_text() == text
