"""The command `bias-audit demo`: make pictures with a planted bias, train a model on them, and audit the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import add_verbosity, command


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = command(commands, "demo", run, "generate the snow-wolf world, train a biased model, audit it")
    demo.add_argument("--out", metavar="DIR", type=Path, default=Path("reports/demo"), help="default: %(default)s")
    add_verbosity(demo)


def run(options: argparse.Namespace) -> int:
    from bias_audit.cli.result import show_result
    from bias_audit.pipeline.audit import audit
    from bias_audit.planted.demo import build_demo
    from bias_audit.run.progress import Progress

    demo = build_demo(options.out, Progress(options.verbosity).note)
    progress = Progress(options.verbosity)  # of the audit alone: the training is none
    result = audit(
        demo.model, demo.images, masks=demo.masks, out=options.out / "run", overwrite=True, progress=progress
    )
    show_result(result, progress)
    return 0
