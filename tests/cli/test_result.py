"""What an audit prints at its end, for runs of every kind: nothing too wide, and every number as in the run."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from agreeing import agreeing
from made_run import HUSKY, info, made_parts, table
from rich.cells import cell_len

from bias_audit.checks.outcomes import LEVELS, RuleOutcome
from bias_audit.checks.reasons import FILLS_FRAME
from bias_audit.cli.result import show_result
from bias_audit.repair.evidence import repairable
from bias_audit.run.printable import printable
from bias_audit.run.progress import NORMAL, QUIET, VERBOSE, Progress
from bias_audit.run.result import AuditResult, load
from bias_audit.run.statuses import GIVEN

Printed = Callable[..., list[str]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """The lines that a run prints in a log, by default in 80 cells."""

    def lines(run: AuditResult, verbosity: int = NORMAL, columns: str = "80", **more: Any) -> list[str]:
        monkeypatch.setenv("COLUMNS", columns)
        capsys.readouterr()
        show_result(run, Progress(verbosity), **more)
        return capsys.readouterr().out.splitlines()

    return lines


def row(name: str, gap: float | None = None, **more: Any) -> dict[str, Any]:
    """A class of ten photos, all recognised; with a gap also on its own backgrounds."""
    tested = {} if gap is None else {
        "n_interventions": 10, "same_background_accuracy": 1.0, "other_background_accuracy": 1.0 - gap,
        "background_gap": gap, "gap_low": gap / 2, "gap_high": min(1.0, gap + 0.12),
    }  # fmt: skip
    return {"class_name": name, "n": 10, "n_read": 10, "accuracy": 1.0, "accuracy_low": 0.72, "accuracy_high": 1.0,
            **tested, **more}  # fmt: skip


def reliance(name: str, level: str | None, gap: float, **more: Any) -> RuleOutcome:
    """BA201 of a class: found at a level, or passed."""
    status = "found" if level else "passed"
    numbers = {"measured": gap, "low": gap / 2, "high": min(1.0, gap + 0.12), "n": 10}
    title = "prediction follows the background"
    return RuleOutcome("BA201", title, "class", name, status, "s.", level=level, **{**numbers, **more})


def found(code: str, level: str, subject: str = "", scope: str = "dataset", **more: Any) -> RuleOutcome:
    title = more.pop("title", "a finding of some kind with a rather long name, longer than is usual")
    return RuleOutcome(code, title, scope, subject, "found", "s.", level=level, **more)


def unjudged(code: str, subject: str, reason: str, scope: str = "class") -> RuleOutcome:
    return RuleOutcome(code, "t", scope, subject, "not applicable", "Not this time.", reason_code=reason)


def run_of(
    rows: list[dict[str, Any]], outcomes: list[RuleOutcome], verdict: str, path: str = "reports/run", **about: Any
) -> AuditResult:
    names = tuple(each["class_name"] for each in rows)
    photos = sum(each["n"] for each in rows)
    counts = {"images": photos, "read": sum(each["n_read"] for each in rows), **about.pop("counts", {})}
    known = info(class_names=names, counts=counts, statuses={}, notes=about.pop("notes", ()), **about)
    return AuditResult(Path(path), known, verdict, tuple(outcomes), (), tuple(rows))


def suspicious() -> AuditResult:
    rows = [row("husky", 0.68), row("wolf", 0.76)]
    outcomes = [reliance("husky", "SUSPICIOUS", 0.68), reliance("wolf", "SUSPICIOUS", 0.76)]
    return run_of(rows, outcomes, "SUSPICIOUS: the prediction follows the background in 2 of 2 classes (wolf, husky).")


def clean() -> AuditResult:
    rows = [row("husky", 0.0), row("wolf", 0.0)]
    outcomes = [reliance("husky", None, 0.0), reliance("wolf", None, 0.0)]
    verdict = "No reliance on the background was shown in 2 judged classes. With 10 photos a gap of up to 12 pp stays."
    return run_of(rows, outcomes, verdict)


def without_masks() -> AuditResult:
    outcomes = [unjudged(code, name, "no usable mask") for code in ("BA101", "BA201") for name in ("husky", "wolf")]
    verdict = "NOT JUDGED: reliance on the background could not be tested. No composites could be made."
    return run_of([row("husky"), row("wolf")], outcomes, verdict, masks=None, mask_kind="none")


def estimated() -> AuditResult:
    run = suspicious()
    unchecked = found("BA909", "MODEL WARNING", title="estimated masks are poor or unchecked")
    counts = {**run.info.counts, "estimated_masks": 20}
    known = dataclasses.replace(run.info, counts=counts, masks=None, mask_kind="estimated")
    return dataclasses.replace(run, info=known, outcomes=(*run.outcomes, unchecked))


def given_predictions() -> AuditResult:
    outcomes = [unjudged("BA201", name, "no composites given") for name in ("husky", "wolf")]
    outcomes += [unjudged("BA101", "husky", "no maps"), unjudged("BA908", "", "no maps", "dataset")]
    notes = (
        "No composites were given, so reliance on the background was not tested; bias-audit composites makes some.",
    )
    verdict = "NOT JUDGED: reliance on the background could not be tested. Test accuracy is 100%."
    return run_of([row("husky"), row("wolf")], outcomes, verdict, head=GIVEN, method="none", notes=notes)


def doubtful() -> AuditResult:
    doubt = found(
        "BA906", "MODEL WARNING", title="preprocessing of another model", measured=0.5, low=0.2, high=0.7, n=20
    )
    verdict = (
        "MODEL WARNING: the preprocessing looks wrong: on 24 labelled photos the accuracy is 50% with 'none' and 100% "
        "with 'unit'; audit again with --preprocess unit. Until that is mended nothing is said of reliance."
    )
    outcomes = [doubt, reliance("husky", None, 0.0), reliance("wolf", None, 0.0)]
    return run_of([row("husky", 0.0), row("wolf", 0.0)], outcomes, verdict)


def with_strangers() -> AuditResult:
    run = suspicious()
    counts = {**run.info.counts, "strangers": 5}
    run = dataclasses.replace(run, info=dataclasses.replace(run.info, counts=counts, strangers="strangers"))
    met = [
        {"image_id": f"{group}/{n}.jpg", "group": group, "status": "ok", "predicted": "wolf", "probability": 0.98}
        for group in ("lynx", "a kind of animal with a very long name indeed", "rat", "cat", "bat")
        for n in range(3)
    ]
    images = pd.DataFrame({"correct": [True], "probability": [0.97]})
    run.__dict__.update(strangers=table("strangers", met), images=images)
    return run


def many_classes() -> AuditResult:
    names = [f"a_class_with_a_long_name_that_ends_in_{n:03d}" for n in range(98)]
    rows = [row(name, n / 98) for n, name in enumerate(names)]
    outcomes = [reliance(name, "SUSPICIOUS" if n > 80 else None, n / 98) for n, name in enumerate(names)]
    verdict = f"SUSPICIOUS: the prediction follows the background in 17 of 98 judged classes ({', '.join(names[81:])})."
    return run_of(rows, outcomes, verdict, path="reports/" + "a long name " * 12)


def wide_names() -> AuditResult:
    rows = [row("日本の狼という名前のとても長いクラス", 0.76), row("🐕 ハスキー犬", 0.68)]
    outcomes = [reliance(each["class_name"], "HIDDEN", 0.5) for each in rows]
    verdict = "HIDDEN: the prediction follows the background in 2 of 2 judged classes (" + "日本の狼" * 12 + ")."
    return run_of(rows, outcomes, verdict, path="レポート/" * 12)


def every_level() -> AuditResult:
    outcomes = [
        found(f"BA{number}", level, "husky", "class", measured=0.123, low=0.01, high=0.5)
        for level in LEVELS
        for number in (202, 301)
    ]
    reasons = [unjudged(f"BA{n}", "", f"reason {n}", "dataset") for n in range(900, 912)]
    ignored = [RuleOutcome("BA903", "t", "dataset", "", "ignored", "s")]
    notes = tuple(f"Note {n}: {'something that a reader must know ' * 4}." for n in range(9))
    verdict = "CONFIRMED: " + "the prediction follows the background in very many of the classes " * 9 + "."
    rows = [row("husky", 0.68, n_read=8), row("wolf", 0.76)]
    return run_of(rows, [*outcomes, *reasons, *ignored], verdict, notes=notes)


def filled() -> AuditResult:
    outcomes = [unjudged("BA201", name, FILLS_FRAME) for name in ("husky", "wolf")]
    verdict = "OBJECT FILLS THE PICTURE: in none of 2 classes can a background be exchanged. Test accuracy is 100%."
    return run_of([row("husky"), row("wolf")], outcomes, verdict)


def hostile() -> AuditResult:
    parts = made_parts()
    made = AuditResult(Path("reports/run"), parts.info, parts.verdict, parts.outcomes, (), tuple(parts.classes))
    return agreeing(made)


RUNS = (
    suspicious, clean, without_masks, estimated, given_predictions, doubtful, with_strangers, many_classes, wide_names,
    every_level, filled, hostile,
)  # fmt: skip


@pytest.fixture(params=RUNS, ids=lambda make: make.__name__)
def run(request: pytest.FixtureRequest) -> AuditResult:
    return request.param()


@pytest.mark.parametrize("columns", ["80", "", "60", "100", "300"])
@pytest.mark.parametrize("verbosity", [NORMAL, VERBOSE])
def test_no_line_is_wider_than_the_terminal(run: AuditResult, printed: Printed, columns: str, verbosity: int) -> None:
    lines = printed(run, verbosity, columns)
    assert max(map(cell_len, lines)) <= int(columns or 80)
    assert not [line for line in lines if printable(line) != line]
    assert not re.search(r"-0(\.0+)?( pp|%|\b)(?![.\d])", "\n".join(lines))


def test_two_classes_fit_a_screen(run: AuditResult, printed: Printed) -> None:
    if len(run.class_rows) == 2:
        assert len(printed(run)) <= 45


def test_the_verdict_is_last_and_short(run: AuditResult, printed: Printed) -> None:
    lines = printed(run)
    last = lines[len(lines) - lines[::-1].index("") :]
    assert last[0].startswith(f" {run.level}  ")
    steps = next(place for place, line in enumerate(last) if line.startswith("  Report   "))
    assert 1 <= steps <= 6
    named = [line[2:10].strip() for line in last[steps:] if line[2:3].strip()]
    repair = ["Repair"] if any(map(repairable, run.found())) else []
    assert named == (["Report", "Explain", "Decide", *repair, "CI"] if run.found() else ["Report", "CI"])


def test_quiet_prints_the_verdict_only(run: AuditResult, printed: Printed) -> None:
    assert printed(run, QUIET) == [printable(run.verdict)]


def test_classes_findings_and_next_steps(printed: Printed) -> None:
    lines = printed(suspicious())
    assert re.fullmatch(r"Audited 20 photos of 2 classes in 0\.\d s\.", lines[0])
    assert lines[1:] == [
        "",
        "  recognised  as is  own bg  other bg         gap [95%]   n",
        "  wolf         100%    100%       24%  76 pp [38 to 88]  10  SUSPICIOUS",
        "  husky        100%    100%       32%  68 pp [34 to 80]  10  SUSPICIOUS",
        "  bg = object pasted on backgrounds of its own class / of other classes",
        "",
        "  SUSPICIOUS",
        "    BA201  wolf: prediction follows the background              76 pp [38 to 88]",
        "    BA201  husky: prediction follows the background             68 pp [34 to 80]",
        "",
        " SUSPICIOUS  The prediction follows the background in 2 of 2 classes (wolf,",
        "             husky).",
        "  Report   reports/run/report.html",
        "  Explain  bias-audit rule BA201",
        "  Decide   bias-audit review reports/run",
        "  Repair   bias-audit repair reports/run --model MODEL --train DIR",
        "  CI       bias-audit gate reports/run",
    ]


def test_without_experiments_accuracy_has_its_interval_and_no_gap_is_shown(printed: Printed) -> None:
    lines = printed(without_masks())
    assert lines[2:5] == [
        "  recognised       as is [95%]   n",
        "  husky       100% [72 to 100]  10  not judged",
        "  wolf        100% [72 to 100]  10  not judged",
    ]
    assert "Not judged: 4 of 4 questions (4 no usable mask: BA101, BA201)." in lines


def test_estimated_masks_are_said_beside_the_classes(printed: Printed) -> None:
    assert "  estimated masks" in printed(estimated())
    assert not [line for line in printed(suspicious()) if "estimated" in line]


def test_of_many_classes_the_worst_are_shown_and_the_rest_counted(printed: Printed) -> None:
    lines = printed(many_classes())
    names = [re.match(r"  (\S+…\S+) ", line) for line in lines]
    shown = [match[1][-3:] for match in names if match]
    assert shown == [f"{n:03d}" for n in range(97, 87, -1)], "the end of a name tells the classes apart"
    assert "  and 88 more, 7 of them with findings: classes.csv" in lines
    assert "  and 7 more: report.html, or --verbose" in lines
    assert "…" in next(line for line in lines[::-1] if line.startswith("             ")), "a verdict of names is cut"


def test_a_long_path_goes_on_in_the_next_line_and_is_never_cut(printed: Printed) -> None:
    run = many_classes()
    lines = printed(run)
    begin = next(place for place, line in enumerate(lines) if line.startswith("  Report   "))
    end = next(place for place, line in enumerate(lines) if line.startswith("  Explain  "))
    assert "".join(f"{line:<80}"[11:80] for line in lines[begin:end]).rstrip() == f"{run.path}/report.html"


def test_a_path_with_blanks_is_quoted_in_commands(printed: Printed) -> None:
    run = dataclasses.replace(suspicious(), path=Path("my runs/one"))
    lines = printed(run)
    assert "  CI       bias-audit gate 'my runs/one'" in lines
    assert "  Report   my runs/one/report.html" in lines


def test_doubtful_inputs_lead_the_verdict(printed: Printed) -> None:
    text = " ".join(" ".join(printed(doubtful())).split())
    assert "MODEL WARNING The preprocessing looks wrong: on 24 labelled photos the accuracy is 50%" in text
    assert "BA906 preprocessing of another model 50 pp [20 to 70]" in text
    assert "bias-audit rule BA906" in text


def test_strangers_have_a_line_for_each_of_a_few_kinds(printed: Printed) -> None:
    lines = printed(with_strangers())
    kinds = [line for line in lines if line.startswith("Strangers: ")]
    assert len(kinds) == 3
    assert "Strangers: bat (3): 3 taken for wolf; median probability 98% (own test" in kinds[1]
    assert "  and 2 more kinds: strangers.csv" in lines


def test_reasons_are_counted_and_not_listed(printed: Printed) -> None:
    text = " ".join(" ".join(printed(every_level())).split())
    assert "Not judged: 12 of 29 questions (1 reason 900: BA900; 1 reason 901: BA901; 1 reason 902: BA902; " in text
    assert "8 for other reasons)." in text
    assert "Ignored on request: BA903." in text
    assert "5 more: report.html, or --verbose" in text
    assert "Audited 20 photos of 2 classes" in text
    assert "2 of them could not be used." in text


def test_verbose_tells_all_notes_and_the_seconds_of_the_stages(printed: Printed, capsys: Any) -> None:
    progress = Progress(VERBOSE)
    progress.seconds = {"Loading the model": 4.46, "Interventions": 153.0}
    show_result(every_level(), progress)
    lines = capsys.readouterr().out.splitlines()
    assert "  Loading the model         4.5 s" in lines
    assert "  Interventions        2 min 33 s" in lines
    assert sum(line.startswith("- Note") for line in lines) == 9


def test_a_rescored_run_is_not_called_audited(printed: Printed) -> None:
    assert printed(clean(), what="Scored again:")[0].startswith("Scored again: 20 photos of 2 classes in 0.")


def test_the_sample_of_the_documentation(printed: Printed, tmp_path: Path) -> None:
    """The run that lies in reports/sample, whose tables are there as CSV only."""
    from agreeing import forge

    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(Path(__file__).parents[2] / "reports" / "sample" / "audit.json", folder)
    forge(folder, lambda content: content.update(tables={}, shards={}))
    lines = printed(load(folder))
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) <= 45
    assert "  wolf         100%    100%        0%  100 pp [88 to 100]  40  SUSPICIOUS" in lines


def test_a_finding_on_the_data_is_no_level_of_the_class_that_it_names(printed: Printed) -> None:
    run = clean()
    leak = found("BA401", "WATCH", evidence={"class_name": "wolf"}, title="the background alone predicts the label")
    cue = found(
        "BA302",
        "CONTEXT",
        "husky-1a2b",
        "cue",
        evidence={"class_name": "husky", "title": "cue 1 of husky"},
        title="cue",
    )
    lines = printed(dataclasses.replace(run, outcomes=(*run.outcomes, leak, cue)))
    ends = {line.split()[0]: line.rpartition("  ")[2].strip() for line in lines[3:5]}
    assert ends == {"husky": "CONTEXT", "wolf": "10"}
    assert "    BA401  the background alone predicts the label" in lines
    assert "    BA302  cue 1 of husky: cue" in lines, "the id of a cue says nothing"


def test_a_log_in_ascii_gets_escapes_and_no_traceback() -> None:
    code = "from bias_audit.cli.pipes import readers_may_leave\nwith readers_may_leave(): print('w\u00f6lf\u2026')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "w\\xf6lf\\u2026\n"


def test_a_class_without_photos_takes_no_line(printed: Printed) -> None:
    lines = printed(run_of([row("husky", 0.2), row("fox", n=0, n_read=0)], [reliance("husky", None, 0.2)], "Nothing."))
    assert [line for line in lines if HUSKY in line]
    assert not [line for line in lines if "fox" in line]
