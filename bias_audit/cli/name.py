"""The command `bias-audit name RUN CUE NAME`: give a recurring cue a name."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import command


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    name = command(commands, "name", run, "give a recurring cue a name, in this run and in later ones")
    name.add_argument("folder", metavar="RUN", type=Path, help="run folder of an audit")
    name.add_argument(
        "cue",
        metavar="CUE",
        help='its title in the report, for instance "cue 1 of wolf", or its cue_id in cues.csv',
    )
    name.add_argument("name", metavar="NAME", help="what it is: ruler, snow, watermark")
    judged = name.add_mutually_exclusive_group()
    for judgement, text in (
        ("artefact", "it should not decide the prediction"),
        ("legitimate", "it may decide the prediction: it belongs to the class"),
    ):
        judged.add_argument(
            f"--{judgement}", dest="judgement", action="store_const", const=judgement, default="", help=text
        )
    name.add_argument("--by", metavar="WHO", default="", help="who judged it")
    name.add_argument("--cues", metavar="FILE", type=Path, help="where names are kept (default: cues.json beside RUN)")


def run(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_sentence
    from bias_audit.pipeline.name_cue import name_in_run

    result = name_in_run(
        options.folder,
        options.cue,
        options.name,
        options.judgement,
        options.cues,
        reviewer=options.by,
    )
    show_sentence(result.verdict)
    return 0
