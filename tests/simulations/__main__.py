"""Simulate audits of known truth: `python -m tests.simulations`; exit code 1 where nulls are accused too often.

Prints, for each kind of null and number of classes, how many audits accuse anybody (COLLATERAL and BA207 included);
then what is told of planted cues.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported


def main() -> int:
    from bias_audit.stats import wilson

    from . import worlds

    parser = argparse.ArgumentParser(prog="python -m tests.simulations", description=__doc__)
    parser.add_argument("--audits", type=int, default=200, help="null audits per cell (default 200)")
    parser.add_argument("--most", type=int, default=20, help="of those, with 1,000 classes (default 20)")
    parser.add_argument("--classes", type=int, action="append", help="only so many classes; repeatable")
    parser.add_argument("--kind", action="append", choices=sorted(worlds.NULLS), help="only this null; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first audit of a cell (default 0)")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    too_many = False
    with ProcessPoolExecutor(options.processes) as pool:
        print(f"{'null':<10} classes  audits  accused  interval    at fault                     seconds per audit")
        for classes in options.classes or worlds.PHOTOS:
            for kind in options.kind or worlds.NULLS:
                count = min(options.audits, options.most) if classes >= 1000 else options.audits
                start = time.monotonic()
                seeds = range(options.seed, options.seed + count)
                found = list(pool.map(_accused, [kind] * count, [classes] * count, seeds))
                accused = sum(bool(each) for each in found)
                low, high = wilson(accused, count)
                too_many |= low > worlds.MOST_ACCUSED
                levels = sorted({level for each in found for level in each})
                tally = ", ".join(f"{level} {sum(level in each for each in found)}" for level in levels)
                seconds = (time.monotonic() - start) / count
                print(
                    f"{kind:<10} {classes:7,} {count:7,} {accused / count:8.3f}  {low:.2f}..{high:.2f}  {tally:<28} "
                    f"{seconds:.1f}",
                    flush=True,
                )
        print("\nplanted               classes  convicted  victims  watched  named as culprits   BA207")
        for name, model in worlds.PLANTED.items():
            for told in pool.map(_told, [name] * 3, range(options.seed, options.seed + 3)):
                named = f"{len(told.named & told.guilty)} guilty, {len(told.named - told.guilty)} not"
                convicted = (
                    f"{len(told.convicted & told.guilty)}/{len(told.guilty)} +{len(told.convicted - told.guilty)}"
                )
                print(
                    f"{name:<22} {model.classes:6,} {convicted:>10} {len(told.victims):8} {len(told.watched):8}  "
                    f"{named:<18} {'found' if told.open else '-'}",
                    flush=True,
                )
    return int(too_many)


def _accused(kind: str, classes: int, seed: int) -> Sequence[str]:
    from .audits import accusations
    from .worlds import null

    return sorted({f"{one.code} {one.level}" for one in accusations(null(kind, classes), seed)})


def _told(name: str, seed: int):
    from .audits import outcomes
    from .worlds import PLANTED, told

    return told(PLANTED[name], outcomes(PLANTED[name], seed))


if __name__ == "__main__":
    raise SystemExit(main())
