"""Attack the program: `python -m tests.attack --tries 100000`; exit code 1 where a try failed."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> int:
    from .kinds import KINDS
    from .runner import Interrupted, attack, failures, table

    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--tries", type=int, default=100_000, help="in total; each kind has its share (default 100000)")
    parser.add_argument("--seed", type=int, help="to repeat a run (default: BIAS_AUDIT_SEED, else a new one)")
    parser.add_argument("--kind", action="append", metavar="NAME", help="only kinds whose name holds this; repeatable")
    parser.add_argument("--kills", type=int, metavar="N", help="tries of each kind that kills or races audits")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="only the try of this number")
    parser.add_argument("--light", action="store_true", help="leave out what loads TensorFlow or PyTorch")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    names = [
        name for name, kind in KINDS.items()
        if not (options.light and kind.heavy) and any(part in name for part in options.kind or [""])
    ]  # fmt: skip
    if not names:
        parser.error(f"no such kind; there are {', '.join(KINDS)}")
    seed = options.seed
    if seed is None:
        seed = int(os.environ.get("BIAS_AUDIT_SEED") or random.SystemRandom().randrange(10**9))
    print(f"seed {seed}", flush=True)
    warnings.simplefilter("ignore")
    start = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was made until then is told
    try:
        tallies = attack(
            names, options.tries, seed, processes=options.processes, kills=options.kills, only=options.only,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )  # fmt: skip
    except Interrupted as early:
        tallies = early.args[0]
        print("stopped early")
    print(f"\n{table(tallies)}\n\nseed {seed}, {(time.monotonic() - start) / 60:.1f} minutes")
    if told := failures(tallies, seed):
        print(f"\n{told}")
    return int(any(tally.failures for tally in tallies.values()))


if __name__ == "__main__":
    raise SystemExit(main())
