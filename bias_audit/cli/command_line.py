"""The command line: one function per command, each importing its stage inside, so that `gate` never sees TensorFlow."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import bias_audit
from bias_audit import users_code
from bias_audit.checks import registry
from bias_audit.checks.base import Check
from bias_audit.cli import compare, gate, history, report, rescore, review, rule
from bias_audit.cli import options as cli_options
from bias_audit.cli.pipes import readers_may_leave
from bias_audit.errors import BiasAuditError

EXIT_OK, EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED = 0, 2, 101, 130

EXIT_CODES = """exit codes:
  0    done; the gate passed
  1    the gate failed: findings or numbers beyond the thresholds
  2    wrong usage or bad input: one sentence on stderr says what and where
  101  a bug in bias-audit itself: please report it
  130  interrupted; `audit --resume` continues"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    with readers_may_leave():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    """The only place that catches every exception."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser(given).parse_args(given)
        users_code.search_working_folder()
        run: Callable[[argparse.Namespace], int] = options.run
        # A user's classes run wherever the model does: one that ends the program must not end it with exit code 0.
        with users_code.running("a module ended the command before it was done", exits_only=True):
            code = run(options)
        sys.stdout.flush()  # here, where it may fail
        return code
    except BiasAuditError as error:
        from bias_audit.cli.console import show_error

        show_error(error)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("\nbias-audit: interrupted; continue an audit with --resume", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception:
        traceback.print_exc()
        print("bias-audit: this is a bug in bias-audit, not in your data; please report it", file=sys.stderr)
        return EXIT_BUG


def _audit(options: argparse.Namespace) -> int:
    from bias_audit.config import read_config

    config, thresholds = read_config(options.config, **cli_options.settings(options))
    if options.gate is not None:  # a wrong gate file must not cost an audit first
        from bias_audit.gate import read_gate

        read_gate(options.gate)
    if options.baseline is not None:
        from bias_audit.run.result import load

        load(options.baseline)
    from bias_audit.cli.console import show_result
    from bias_audit.pipeline.audit import audit
    from bias_audit.run.progress import Progress

    result = audit(
        options.model,
        options.data,
        masks=options.masks,
        boxes=options.boxes,
        strangers=options.strangers,
        cues=options.cues,
        train=options.train,
        out=options.out or Path("reports") / f"{options.model.stem}-{options.data.stem}",
        class_map=options.class_map,
        split=options.split,
        allow_outside=options.allow_outside,
        resume=options.resume,
        overwrite=options.overwrite,
        ignore=options.ignore,
        config=config,
        thresholds=thresholds,
        progress=Progress(options.verbosity),
    )
    judged = None
    if options.gate is not None or options.baseline is not None:
        judged = gate.judge_and_write(result.path, options.gate, options.baseline)  # before anything is printed
    show_result(result, options.verbosity)
    return EXIT_OK if judged is None else gate.show(judged, result.path)


def _inspect(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_inspection
    from bias_audit.config import read_config
    from bias_audit.heatmaps.inspection import inspect
    from bias_audit.run.progress import Progress

    config, _ = read_config(options.config, **cli_options.settings(options))
    facts = inspect(options.model, class_map=options.class_map, config=config, progress=Progress(options.verbosity))
    show_inspection(facts, as_json=options.json)
    return EXIT_OK


def _explain(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_explained
    from bias_audit.config import read_config
    from bias_audit.heatmaps.explanation import default_folder, explain, read_labels
    from bias_audit.run.progress import Progress

    config, _ = read_config(options.config, **cli_options.settings(options))
    out = options.out or default_folder(options.model)
    records = explain(
        options.model,
        options.images,
        out=out,
        style=options.style,
        target=options.target,
        classes=read_labels(options.labels) if options.labels else options.classes,
        class_map=options.class_map,
        config=config,
        progress=Progress(options.verbosity),
        keep_maps=False,
    )
    show_explained(records, out, options.verbosity)
    return EXIT_OK


def _name(options: argparse.Namespace) -> int:
    from bias_audit.pipeline.name_cue import name_in_run

    result = name_in_run(
        options.folder,
        options.cluster,
        options.name,
        options.judgement,
        options.cues,
        reviewer=options.by,
    )
    print(result.verdict)
    return EXIT_OK


def _demo(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_result
    from bias_audit.pipeline.audit import audit
    from bias_audit.planted.demo import build_demo
    from bias_audit.run.progress import Progress

    progress = Progress(options.verbosity)
    demo = build_demo(options.out, progress.note)
    result = audit(
        demo.model, demo.images, masks=demo.masks, out=options.out / "run", overwrite=True, progress=progress
    )
    show_result(result, options.verbosity)
    return EXIT_OK


def _benchmark(options: argparse.Namespace) -> int:
    from bias_audit.planted.benchmark.command import benchmark
    from bias_audit.run.progress import Progress

    text = benchmark(
        options.out or Path("reports/benchmark-quick" if options.quick else "reports/benchmark"),
        quick=options.quick,
        tune=options.tune,
        seeds=options.seeds,
        workers=options.workers,
        reaudit=options.reaudit,
        progress=Progress(options.verbosity),
    )
    print(text)
    return EXIT_OK


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all commands; checks of other packages are imported where `audit` is called, for their options."""
    parser = argparse.ArgumentParser(
        prog="bias-audit",
        description="Does an image classifier look at the object, or at the background? Audit it before you trust it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bias-audit {bias_audit.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_audit(commands, registry.every() if given[:1] == ["audit"] else registry.CHECKS)
    cli_options.add_inspect(_command(commands, "inspect", _inspect, "what a model is: layers, head, input, cost", ""))
    text = "explain pictures: what the model takes them for, and where it sees that"
    cli_options.add_explain(_command(commands, "explain", _explain, text, ""))
    gate.add(commands, EXIT_CODES)
    report.add(commands)
    rule.add(commands)
    review.add(commands)
    compare.add(commands)
    history.add(commands)
    rescore.add(commands)
    name = _command(commands, "name", _name, "call a recurring cue by its name, in this run and in later ones", "")
    name.add_argument("folder", metavar="RUN", type=Path, help="run folder of an audit")
    name.add_argument("cluster", metavar="CLUSTER", help="its cluster_id, from clusters.csv or the report")
    name.add_argument("name", metavar="NAME", help="what it is: ruler, snow, watermark")
    judged = name.add_mutually_exclusive_group()
    for judgement, text in (
        ("artefact", "it should not decide"),
        ("legitimate", "it may decide: context of the class"),
    ):
        judged.add_argument(
            f"--{judgement}", dest="judgement", action="store_const", const=judgement, default="", help=text
        )
    name.add_argument("--by", metavar="WHO", default="", help="who judged it")
    name.add_argument("--cues", metavar="FILE", type=Path, help="where names are kept (default: cues.json beside RUN)")
    demo = _command(commands, "demo", _demo, "generate the snow-wolf world, train a biased model, audit it", "")
    demo.add_argument("--out", metavar="DIR", type=Path, default=Path("reports/demo"), help="default: %(default)s")
    cli_options.add_verbosity(demo)
    _add_benchmark(commands)
    return parser


def _add_benchmark(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "plant biases, train models on them, audit each: how often is the verdict right?"
    benchmark = _command(commands, "benchmark", _benchmark, text, "A killed benchmark goes on where it stood.")
    benchmark.add_argument("--out", metavar="DIR", type=Path, help="default: reports/benchmark, or -quick")
    benchmark.add_argument("--quick", action="store_true", help="a subset that ends in 10 minutes on two cores")
    benchmark.add_argument(
        "--tune", action="store_true", help="run the seeds that thresholds are chosen on; writes no report"
    )
    benchmark.add_argument("--seeds", metavar="N", type=int, default=5, help="seeds of worlds, 1 to 5 (default 5)")
    benchmark.add_argument("--workers", metavar="N", type=int, default=2, help="processes (default 2)")
    benchmark.add_argument("--reaudit", action="store_true", help="audit again, with the models trained before")
    cli_options.add_verbosity(benchmark)


def _add_audit(commands: argparse._SubParsersAction[argparse.ArgumentParser], checks: Sequence[Check]) -> None:
    audit = _command(commands, "audit", _audit, "audit MODEL on DATA: tables, report and a verdict", EXIT_CODES)
    audit.add_argument("model", metavar="MODEL", type=Path, help="Keras model (.keras, .h5) or SavedModel folder")
    audit.add_argument("data", metavar="DATA", type=Path, help="folder with a folder per class, or a CSV/Parquet table")
    audit.add_argument(
        "--masks",
        metavar="DIR",
        type=Path,
        help="foreground masks: same tree and stems as the images; auto = estimated (--segmenter auto)",
    )
    audit.add_argument("--boxes", metavar="FILE", type=Path, help="table image,x_min,y_min,x_max,y_max: a row per box")
    cli_options.add_strangers(audit)
    audit.add_argument("--train", metavar="DIR", type=Path, help="training pictures: are test photos among them?")
    audit.add_argument("--cues", metavar="FILE", type=Path, help="names of cues (default: cues.json beside the run)")
    audit.add_argument("--out", metavar="RUN", type=Path, help="run folder (default: reports/MODEL-DATA)")
    cli_options.add_config(audit)
    audit.add_argument(
        "--gate", metavar="FILE", type=Path, help="judge the result with this gate.toml: exit code 0 or 1"
    )
    audit.add_argument(
        "--baseline", metavar="OLD", type=Path, help="judge it beside an older run: new and worse findings fail"
    )
    audit.add_argument("--resume", action="store_true", help="continue a killed run")
    audit.add_argument("--overwrite", action="store_true", help="replace what a run wrote into the folder")
    audit.add_argument(
        "--ignore", metavar="RULE", action="append", default=[], help="do not judge this rule; repeatable"
    )
    cli_options.add_verbosity(audit)

    cli_options.add_training(audit)
    data = audit.add_argument_group("how the data are read")
    data.add_argument(
        "--segmenter",
        metavar="NAME",
        help="estimates the masks of images without mask and box: auto (GrabCut), a segmentation model (.keras, .h5, "
        ".tflite) or module:function",
    )
    data.add_argument("--split", metavar="NAME", help="only the rows of a table with this value in column split")
    text = "column of patients or scenes: their photos count as one (also called --cluster)"
    data.add_argument("--group-by", "--cluster", dest="cluster", metavar="COLUMN", help=text)
    cli_options.add_allow_outside(data)
    data.add_argument(
        "--mask-foreground",
        metavar="V,V",
        type=cli_options.integers,
        help="mask values that are foreground (default: all but 0)",
    )
    data.add_argument(
        "--mask-ignore", metavar="V", type=int, help="mask value that is neither (trimap: 3; palette default: 255)"
    )

    shown = cli_options.add_explaining(audit, "how it is explained and tested")
    shown.add_argument(
        "--interventions", metavar="N", type=int, help="photos per class, at most (default 100; 0 = none)"
    )
    shown.add_argument(
        "--discovery",
        metavar="N",
        type=int,
        help="images per class searched for cues (default 200; 0 = none)",
    )
    for option in (option for check in checks for option in check.options):
        shown.add_argument(option.flag, dest=option.setting, metavar=option.metavar, type=int, help=option.help)
    shown.add_argument("--donors", metavar="N", type=int, help="backgrounds per photo and arm (default 5)")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    epilog: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=text, description=text, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
