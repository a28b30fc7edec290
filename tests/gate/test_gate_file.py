"""gate.toml: defaults, the example, and every kind of bad file with its line."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from gate_runs import read

from bias_audit.errors import ConfigError
from bias_audit.gate import read_gate
from bias_audit.gate.config import _TABLES
from bias_audit.gate.example import example
from bias_audit.gate.keys import KEYS
from bias_audit.gate.metrics import FILES, METRICS, names_of
from bias_audit.gate.states import STATES
from bias_audit.run.schema import TABLES


def test_defaults() -> None:
    config = read_gate(None)
    suspicious = dict.fromkeys(("dataset", "class", "cue", "slice"), "SUSPICIOUS")
    assert config.fail == {**suspicious, "image": "none"}
    assert set(config.warn.values()) == {"TOO FEW IMAGES", "none"}
    assert (config.allow, config.require, config.known) == ((), ("BA201",), "warn")
    assert (config.require_same_data, config.baseline_required, config.max_days) == (True, False, 180)
    assert [(one.label, one.bounds) for one in config.metrics] == [("max_unreadable_share", {"max": 0.05})]
    assert config.source is None


def test_a_file_changes_only_what_it_says(tmp_path: Path) -> None:
    config = read(tmp_path, "\ufeff[class]\nmin_accuracy = 1\n")  # with the byte order mark of Windows editors
    assert [(one.label, one.bounds, one.line) for one in config.metrics] == [
        ("max_unreadable_share", {"max": 0.05}, 0),
        ("min_accuracy", {"min": 1.0}, 2),
    ]
    assert config.source == str(tmp_path / "gate.toml")
    assert read(tmp_path, "").values == read_gate(None).values


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, example()).values | {"metric": []} == read_gate(None).values | {"metric": []}
    (default,) = read_gate(None).metrics
    (given,) = read(tmp_path, example()).metrics
    assert given == type(given)(**{**vars(default), "line": given.line})


def test_the_example_names_every_key_and_state_and_its_comments_are_valid(tmp_path: Path) -> None:
    text = example()
    for key in KEYS:
        assert re.search(rf"^(# )?{key.name} = ", text, re.M), key.name
    for table, names in _TABLES.items():
        assert f"[{table}]" in text
        assert all(name in text for name in names if name != "fail_on")
    assert all(f"#   {state}:" in text for state in STATES)
    assert max(map(len, text.splitlines())) <= 120
    active = re.sub(r"^# (\[+[a-z.]+\]+|[a-z_]+ = \S)", r"\1", text, flags=re.M)
    assert active.count("[[metric]]") == 2
    active = active.replace("min_accuracy = 0.9", "").replace("[[metric]]                #", "[[metric]] #")
    config = read(tmp_path, active)
    long = [one for one in config.metrics if not one.label]
    assert [(one.table, one.name) for one in long] == [("class", "background_gap"), ("image", "background_excess")]
    assert {one.judge for one in config.metrics} == {"bound"}
    gap = long[0]
    assert (gap.bounds, gap.min_n, gap.classes["wolf"].bounds["max"]) == ({"max": 0.2, "max_increase": 0.1}, 20, 0.3)
    (waiver,) = config.waivers
    assert (waiver.cue, waiver.expires, waiver.measured) == ("snow", datetime.date(2027, 1, 31), 0.4)
    assert config.classes == ("husky", "wolf")


def test_keys_and_metrics_are_columns() -> None:
    for key in KEYS:
        assert key.text
        assert key.reason
        assert key.metric[1] in METRICS[key.metric[0]]
    for table, metrics in METRICS.items():
        if table == "dataset":
            continue
        columns = {column.name: column.kind for column in TABLES[FILES[table]]} | {
            "flagged_low": "",
            "flagged_high": "",
        }
        for name, metric in metrics.items():
            assert name in columns or name == "flagged_share"
            assert metric.low in columns
            assert metric.high in columns
            assert all(part in columns for part in (metric.n, metric.reason) if part)
            if metric.paired[0]:
                assert metric.paired[0] in {column.name for column in TABLES["images"]}
        assert "string" not in {columns.get(name) for name in names_of(table)}


METRIC = '[[metric]]\ntable = "class"\n'
WAIVE = '[[waive]]\nrule = "BA201"\nclass = "wolf"\nreason = "r"\nowner = "o"\nexpires = 2027-01-31\n'


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("[clas]\n", 1, "unknown table or key 'clas' at the top level", "'class'"),
        ("\n[zebra]\n", 2, "'zebra'", r"\[fail\], \[warn\], .*\[\[metric\]\]"),
        ("\nmax_background_gap = 0.1\n", 2, "'max_background_gap' at the top level", r"belongs under \[class\]"),
        ("class = 3\n", 1, r"\[class\] must be a table, got 3", r"\[class\]"),
        ("\n[[class]]\nmin_accuracy = 0.1\n", 2, r"\[class\] must be a table", r"\[class\]"),
        ("[metric]\nmax = 1\n", 1, r"\[metric\] must be tables", r"\[\[metric\]\]"),
        ("[class]\n\nmax_backgruond_gap = 0.1\n", 3, r"unknown key 'max_backgruond_gap' in \[class\]", "'max_backgrou"),
        ("[class]\nzebra = 0.1\n", 2, "'zebra'", "Known keys: fail_on, judge, min_accuracy"),
        ("[class.wolf]\nmin_accuracy = 0.1\n", 1, r"unknown key 'wolf' in \[class\]", ""),
        ("[class]\nmax_flagged_share = 0.1\n", 2, "unknown key 'max_flagged_share'", r"belongs under \[image\]"),
        ("[image]\nmin_accuracy = 0.1\n", 2, "unknown key", r"belongs under \[dataset\] or \[class\]"),
        ('[class]\nmin_accuracy = "0.9"\n', 2, r"\[class\] min_accuracy must be a number, got '0.9'", "without quotes"),
        ("[class]\nmin_accuracy = true\n", 2, "must be a number, got True", ""),
        ("class.min_accuracy = [\n0.9]\n", 1, "must be a number", ""),
        ("[class]\nmin_accuracy = 90\n", 2, r"must lie in 0\.\.1, got 90", "0.9 for 90%"),
        ("[class]\nmin_accuracy = -0.1\n", 2, r"must lie in 0\.\.1, got -0.1", ""),
        ("[class]\nmin_accuracy = nan\n", 2, "got nan", ""),
        ("[class]\nmax_background_excess = inf\n", 2, "must be 0 or more, and finite, got inf", ""),
        ("[class]\nmax_background_excess = -1\n", 2, "must be 0 or more", ""),
        ('[class]\nfail_on = "suspicious"\n', 2, "must be one of .*got 'suspicious'", "'SUSPICIOUS'"),
        ('[fail]\nslice = "NONE"\n', 2, "got 'NONE'", "'none'"),
        ("[fail]\nclass = 2\n", 2, '"CONTEXT", "TOO FEW IMAGES", .*"HIDDEN", "CONFIRMED", "none", got 2', ""),
        ('[fail]\nclas = "WATCH"\n', 2, r"unknown key 'clas' in \[fail\]", "'class'"),
        ('[fail]\nclass = "WATCH"\n[class]\nfail_on = "WATCH"\n', 4, "say the same thing twice", r"\[fail\]"),
        ('[fail.classes]\nwolf = "BAD"\n', 2, r"\[fail.classes\] wolf must be one of", ""),
        ('[class]\njudge = "value"\n', 2, r'"bound", "estimate", got', ""),
        ('[dataset]\nrequire_judged = "true"\n', 2, "must be true or false, got 'true'", "without quotes"),
        ("[dataset]\nrequire_judged = 1\n", 2, "must be true or false, got 1", ""),
        ('allow = [\n  "no masks",\n  "not enough image",\n]\n', 3, "'not enough image', which is", "'not enough im"),
        ('allow = "no masks"\n', 1, "must be a list of texts", ""),
        ('allow = ["zebra"]\n', 1, "'zebra'", "States are .*no masks"),
        ("classes = [1]\n", 1, "must be text, got 1", "quotes"),
        ('[rules]\nrequire = ["BA201", "reliance"]\n', 2, "'reliance', which is no rule code", "BA201"),
        ('[baseline]\nknown = "ok"\n', 2, r'must be one of "pass", "warn", "fail", got \'ok\'', ""),
        ("[waivers]\nmax_days = 0\n", 2, "must be a whole number of 1 or more, got 0", ""),
        ("[waivers]\nmax_days = 1.5\n", 2, "must be a whole number", ""),
        ('[provenance]\ncontent = ""\n', 2, "must be text", ""),
        (f"\n{METRIC}max = 1\n", 2, r"\[\[metric\]\] has no name", "background_gap"),
        (f'{METRIC}name = "background_gab"\nmax = 1\n', 3, "'background_gab' in table 'class'", "background_gap"),
        (f'{METRIC}name = "unreadable_share"\nmax = 1\n', 3, "no metric", 'metric of table = "dataset"'),
        (f'{METRIC}name = "zebra"\nmax = 1\n', 3, "no metric", "explained at the end of the report; .* accuracy"),
        (f'{METRIC}name = "background_gap"\n', 1, r"\[\[metric\]\] background_gap has no bound", "max_increase"),
        (f'{METRIC}name = "background_gap"\nmaxi = 1\n', 4, r"unknown key 'maxi' in \[\[metric\]\]", "'max'"),
        (f'{METRIC}name = "background_gap"\nmax = "1"\n', 4, r"\[\[metric\]\] max must be a number", ""),
        (f'{METRIC}name = "background_gap"\nmax_increase = -1\n', 4, "must be 0 or more", ""),
        (f'{METRIC}name = "accuracy"\nmin = 0.5\nmax = 0.4\n', 4, "lies above max", ""),
        (f'{METRIC}name = "pointing_game"\nmin = 0.5\n', 3, "has no interval", 'judge = "estimate"'),
        (f'{METRIC}name = "pointing_game"\nmin = 0.5\njudge = "estimate"\nmin_n = 5\n', 6, "how many images", ""),
        (f'{METRIC}name = "accuracy"\nmin = 0.5\njudge = "value"\n', 5, r'"bound", "estimate", got', ""),
        (f'{METRIC}name = "accuracy"\nmin = 0.5\nseverity = "error"\n', 5, r'"fail", "warn", got', ""),
        (f'{METRIC}name = "accuracy"\nmin = 0.5\nmax_share = 0.5\n', 5, "is for metrics of images", ""),
        (f'{METRIC}name = "accuracy"\nmin = 0.5\nallow = ["x"]\n', 5, "which is no state", ""),
        (f'{METRIC}name = "accuracy"\nmin = 0.5\n[metric.classes.wolf]\njudge = "bound"\n', 6, "key 'judge'", ""),
        (f'{METRIC}name = "accuracy"\nmin = 0.5\nclasses = {{ wolf = 3 }}\n', 5, "must be a table", ""),
        ('[[metric]]\ntable = "slice"\nname = "accuracy"\nmin = 0.5\n[metric.classes.a]\nmin = 1\n', 5, "classes", ""),
        ('[[metric]]\ntable = "image"\nname = "background_gap"\nmax_increase = 0.5\n', 4, "not for metrics", ""),
        ('[[metric]]\ntable = "clas"\nname = "x"\n', 2, 'must be one of "dataset", "class"', "'class'"),
        (f"\n{WAIVE.replace('reason', '# reason')}", 2, "has no reason", "owner and expires"),
        (WAIVE.replace("owner", "# owner"), 1, "has no owner", ""),
        (WAIVE.replace("expires", "# expires"), 1, "has no expires", ""),
        (WAIVE.replace('"r"', '" "'), 4, "reason must not be empty", "Say why"),
        (WAIVE.replace('"o"', '""'), 5, "owner must not be empty", "Say who"),
        (WAIVE.replace('"o"', '"\\u200b"'), 5, "owner must not be empty", "Say who"),
        (WAIVE.replace('"r"', '"\\u3164"'), 4, "reason must not be empty", "Say why"),
        (WAIVE.replace("2027-01-31", '""'), 6, "expires must not be empty", "2027-01-31"),
        (WAIVE.replace('"r"', "3"), 4, "reason must be text, got 3", "in quotes"),
        (WAIVE.replace("2027-01-31", '"soon"'), 6, "expires must be a date, got 'soon'", "2027-01-31"),
        (WAIVE.replace("2027-01-31", "2027-01-31T00:00:00"), 6, "must be a date", ""),
        (f"{WAIVE}since = 2027-02-01\n", 6, "before it begins", ""),
        (WAIVE.replace('rule = "BA201"\nclass = "wolf"\n', ""), 1, "needs either finding or rule", "gate.json"),
        (f'{WAIVE}finding = "0123456789abcdef"\n', 1, "needs either finding or rule", ""),
        (WAIVE.replace("BA201", "201"), 2, "must be a rule code, got '201'", ""),
        (WAIVE.replace('rule = "BA201"', 'finding = "zebra"'), 2, "16 hexadecimal digits", ""),
        (WAIVE.replace('rule = "BA201"', 'finding = "0123456789abcdef"'), 3, "has class as well", ""),
        (f'{WAIVE}cause = "x"\n', 7, r"unknown key 'cause' in \[\[waive\]\]", ""),
        (f'{WAIVE}level = "BAD"\n', 7, "level must be one of", ""),
    ],
)  # fmt: skip
def test_bad_gate_files(tmp_path: Path, text: str, line: int, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, text)
    assert f"gate.toml, line {line}: " in caught.value.message
    assert re.search(hint, caught.value.hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[class]\nfail_on = "WATCH\n', "is not valid TOML: .*line 2"),
        ('[class]\nfail_on = "WATCH', "is not valid TOML: .*end of document"),
        ("[class]\n\nmin_accuracy = \n", "line 3"),
        ("[class]\n[class]\n", "is not valid TOML"),
        (WAIVE.replace('reason = "r"', "reason ="), "is not valid TOML: .*line 4"),
    ],
)
def test_what_is_no_toml_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, text)
    assert "gate.toml" in caught.value.message


def test_unreadable_gate_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the gate file .*nowhere"):
        read_gate(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="cannot read the gate file"):
        read_gate(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xfc\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_gate(tmp_path / "latin.toml")
