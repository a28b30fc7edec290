"""Damaged gate files, and waivers that must not hold."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from .changing import ODD_TEXTS, changed_bytes, changed_text
from .runs import LAXER, changed_file, copy_of, gate, write_runs
from .trying import Attempt, Kind, command, red, sentence, told

BLANK = ("\u200b", "\u200b\u200c\u200d", "\u2060", "\ufeff", "\u00ad", "\u3000", "\t", " \u200b ", "\u180e", "\u2800")
"""Names and reasons that hold no character that anybody can see."""


def text_of_gate_toml(attempt: Attempt) -> str:
    """One change of a gate file's text or bytes."""
    data = (attempt.world / "full.toml").read_bytes()
    if attempt.rng.random() < 0.7:
        text, done = changed_text(data.decode(), attempt.rng)
        data = text.encode()
    else:
        data, done = changed_bytes(data, attempt.rng)
    attempt.what = f"gate.toml: {done}"
    file = attempt.folder / "gate.toml"
    file.write_bytes(data)
    from bias_audit.gate import read_gate

    return sentence(lambda: read_gate(file))


def deep_gate_toml(attempt: Attempt) -> str:
    """Nesting, long numbers, odd dates, many tables."""
    rng = attempt.rng
    depth = rng.choice((100, 5_000, 100_000))
    digits = "9" * rng.choice((400, 4_301, 5_000, 100_000))
    text, attempt.what = rng.choice(
        (
            (f"a = {'[' * depth}1{']' * depth}", f"{depth} lists in one another"),
            (f"a = {'{b = ' * depth}1{'}' * depth}", f"{depth} tables in one another"),
            (f"[{'.'.join('a' * depth)}]", f"a table with {depth} names"),
            (f"[[metric]]\ntable = 'class'\nname = 'accuracy'\nmin = {digits}", f"a bound of {len(digits)} digits"),
            (f"[dataset]\nmin_images = {digits}", f"a count of {len(digits)} digits"),
            (f"[class]\nmin_accuracy = -{digits}", f"a share of {len(digits)} digits"),
            (f"[waivers]\nmax_days = {digits}", f"days of {len(digits)} digits"),
            (f"[waivers]\nmax_days = {rng.choice((10**9, 10**18, 3_000_000))}", "more days than the calendar has"),
            ("[class]\nmin_accuracy = " + rng.choice(("nan", "inf", "-inf", "1e400", "true")), "no number"),
            (f"[output]\nat = {json.dumps(rng.choice(ODD_TEXTS))}", "an odd place"),
            (f"[output]\nhelp_uri = {json.dumps(rng.choice(ODD_TEXTS))}", "an odd address"),
            ("classes = [" + ", ".join(f'"c{i}"' for i in range(rng.choice((1_000, 20_000)))) + "]", "many classes"),
        )
    )
    file = attempt.folder / "gate.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    return told(command("gate", attempt.world / "finding", "--gate", file, "--format", "json"))


def waivers(attempt: Attempt) -> str:
    """A waiver of the only finding that is blank, from the future, over, or lives too long."""
    rng = attempt.rng
    today = datetime.datetime.now(datetime.UTC).date()
    ahead = today + datetime.timedelta(rng.choice((2, 30, 3_000)))
    waiver: dict[str, object] = {
        "rule": "BA201", "class": "husky", "owner": "Ada", "reason": "context",
        "since": today, "expires": today + datetime.timedelta(30),
    }  # fmt: skip
    match rng.randrange(6):
        case 0:
            waiver["owner"] = rng.choice(BLANK)
        case 1:
            waiver["reason"] = rng.choice(BLANK)
        case 2:
            waiver |= {"since": ahead, "expires": ahead + datetime.timedelta(30)}
        case 3:
            waiver |= {"since": ahead, "expires": ahead}
        case 4:
            waiver |= {"since": today - datetime.timedelta(60), "expires": today - datetime.timedelta(1)}
        case _:
            waiver |= {"expires": today + datetime.timedelta(rng.choice((400, 4_000, 1_000_000)))}
    attempt.what = f"waiver {waiver}"
    lines = (f"{name} = {value if not isinstance(value, str) else json.dumps(value)}" for name, value in waiver.items())
    file = attempt.folder / "gate.toml"
    file.write_text("[[waive]]\n" + "\n".join(lines), encoding="utf-8")
    return red(command("gate", attempt.world / "finding", "--gate", file, "--format", "json"))


def thresholds_of_runs(attempt: Attempt) -> str:
    """A run that passes because it was judged by laxer thresholds, or one whose thresholds are no thresholds."""
    rng = attempt.rng
    if rng.random() < 0.5:
        number = rng.randrange(len(LAXER))
        attempt.what = f"a run judged with {LAXER[number]}"
        run = copy_of(attempt.world / f"laxer {number}")
        return red(command("gate", run, "--gate", "none", "--format", "json"))
    run = copy_of(attempt.world / "finding")
    content = json.loads((run / "audit.json").read_bytes())
    names = ("fdr", "min_gap", "min_images", "alpha", "no_such")
    content["info"]["thresholds"] = {
        name: rng.choice((0, -1, 1.0, 2, None, float("nan"), float("inf"), "0.05", True, [])) for name in names
    }
    attempt.what = f"thresholds of the run made {content['info']['thresholds']}"
    with changed_file(run / "audit.json", json.dumps(content).encode()):
        return red(gate(run, attempt.world))


def prepare(folder: Path) -> None:
    write_runs(folder)
    plain = (
        'allow = ["near the threshold"]\nclasses = ["husky"]\n[fail]\nclass = "SUSPICIOUS"\n[fail.classes]\n'
        'husky = "CONFIRMED"\n[rules]\nrequire = ["BA201"]\n[[metric]]\ntable = "class"\nname = "accuracy"\nmin = 0.4\n'
        'max_decrease = 0.1\n[metric.classes.husky]\nmin = 0.3\n[[metric]]\ntable = "image"\n'
        'name = "background_excess"\nmax = 1.5\nmax_share = 0.1\n[waivers]\nmax_days = 90\n[[waive]]\nrule = "BA302"\n'
        'class = "wolf"\ncue = "snow"\nreason = "wolves live in snow"\nowner = "Dr. Ada"\nexpires = 2027-01-31\n'
        'since = 2026-11-01\nmeasured = 0.4\n[dataset]\nmax_unreadable_share = 0.05\n[provenance]\ncontent = "c0ffee"\n'
    )
    (folder / "full.toml").write_text(plain, encoding="utf-8")


KINDS = {
    "gate.toml: text": Kind(text_of_gate_toml, prepare, 230, 60),
    "gate.toml: deep and long": Kind(deep_gate_toml, prepare, 10, 12),
    "waivers that must not hold": Kind(waivers, prepare, 15, 20),
    "thresholds of the run": Kind(thresholds_of_runs, prepare, 15, 10),
}
