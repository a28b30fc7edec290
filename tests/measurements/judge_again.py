"""Judge the finished models of a benchmark again by the present rules, and print its units before and after.

    python tests/measurements/judge_again.py FINISHED OUT [--units NAME...] [--accused]

FINISHED is the folder of a benchmark with its `work` and `units.parquet`; nothing there is changed. OUT gets what the
present rules say, and a second call goes on where the first stopped. Nothing is trained or audited. With --accused only
the models of which some rule accused a class are judged again, for a rule that takes accusations back; the others keep
what was said of them. No assertion: the tables are to be read.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pandas as pd

from bias_audit.planted.benchmark import catalogue
from bias_audit.planted.benchmark.by_unit import score_units
from bias_audit.planted.benchmark.grid import Case
from bias_audit.planted.benchmark.records import CLASSES
from bias_audit.planted.benchmark.run import WORK
from bias_audit.planted.benchmark.unit import RUN, UNIT, audited_unit, make_unit, single_thread, unit_folder
from bias_audit.planted.benchmark.unit_table import units_text
from bias_audit.planted.benchmark.units import read_units


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("finished", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--units", nargs="+", default=(), choices=catalogue.UNITS)
    parser.add_argument("--accused", action="store_true", help="only models of which some rule accused a class")
    given = parser.parse_args()
    single_thread()
    before = pd.read_parquet(given.finished / CLASSES)
    cases = [case for seed in sorted(before["seed"].unique()) for case in catalogue.cases_of(int(seed), given.units)]
    before = before[before["case"].isin([case.digest() for case in cases])]
    again = before[before["model_accused"].astype(bool)] if given.accused else before
    chosen = [case for case in cases if case.digest() in set(again["case"])]
    after = pd.concat([before[~before["case"].isin(again["case"])], judged(chosen, given.finished, given.out)])
    for title, rows in (("Before", before), ("After", after)):
        print(f"# {title}", *units_text(score_units(rows)), sep="\n", flush=True)
    print(f"\n{len(chosen)} of {len(cases)} models were judged again.")


def judged(cases: list[Case], finished: Path, out: Path) -> pd.DataFrame:
    """The classes of some models by the present rules, as `units.read_units`; from copies of their audits in `out`."""
    work = out / WORK
    for case in cases:
        folder = unit_folder(case, work)
        folder.mkdir(parents=True, exist_ok=True)
        for name in (UNIT, RUN):
            if not (folder / name).exists():
                shutil.copyfile(unit_folder(case, finished / WORK) / name, folder / name)
        if audited_unit(case, work) is None:
            raise SystemExit(f"{case.name}: its audit is of another version or configuration")
        make_unit(case, work)
        (folder / RUN).write_bytes(b"")  # gigabytes, over all models; the outcomes are kept
    return read_units(cases, work)[0]


if __name__ == "__main__":
    main()
