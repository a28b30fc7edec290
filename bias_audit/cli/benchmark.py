"""The command `bias-audit benchmark`: how often is the verdict right on synthetic data whose truth is known?"""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import add_verbosity, command
from bias_audit.run.printable import printable


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "plant biases, train models on them, audit each: how often is the verdict right?"
    benchmark = command(commands, "benchmark", run, text, "An interrupted benchmark continues where it stopped.")
    benchmark.add_argument("--out", metavar="DIR", type=Path, help="default: reports/benchmark, or -quick")
    benchmark.add_argument("--quick", action="store_true", help="a subset that ends in 10 minutes on two cores")
    benchmark.add_argument(
        "--tune", action="store_true", help="run the seeds that thresholds are chosen on; writes no report"
    )
    benchmark.add_argument("--seeds", metavar="N", type=int, help="only the first N seeds of worlds (default all)")
    benchmark.add_argument(
        "--worlds", metavar="KIND", nargs="+", default=[], help="with --tune: only worlds of these kinds"
    )
    benchmark.add_argument(
        "--units",
        metavar="NAME",
        nargs="+",
        default=[],
        help="only these units, or all: groups of worlds or of degraded masks, judged one by one on seeds of their own",
    )
    benchmark.add_argument("--workers", metavar="N", type=int, default=2, help="processes (default 2)")
    benchmark.add_argument("--reaudit", action="store_true", help="audit again, with the models trained before")
    benchmark.add_argument(
        "--stages",
        action="store_true",
        help="only hold the levels of an audit in stages against those of the kept audits, which are thorough",
    )
    benchmark.add_argument("--commit", metavar="HASH", default="", help="commit of this code, which the report names")
    add_verbosity(benchmark)


def run(options: argparse.Namespace) -> int:
    from bias_audit.planted.benchmark.command import benchmark
    from bias_audit.run.progress import Progress

    text = benchmark(
        options.out or Path("reports/benchmark-quick" if options.quick else "reports/benchmark"),
        quick=options.quick,
        tune=options.tune,
        seeds=options.seeds,
        worlds=options.worlds,
        units=options.units,
        workers=options.workers,
        reaudit=options.reaudit,
        commit=options.commit,
        stages=options.stages,
        progress=Progress(options.verbosity),
    )
    print(printable(text, lines=True))
    return 0
