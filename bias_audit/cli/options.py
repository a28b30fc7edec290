"""Options that several commands share, and the parsing of their values.

An option that sets a field of `AuditConfig` has the name of that field.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bias_audit.data.addresses import Url

Group = argparse._ArgumentGroup

EXIT_CODES = """exit codes:
  0    done; the gate passed
  1    the gate failed: findings or numbers beyond the thresholds
  2    wrong usage or bad input: one sentence on stderr says what and where
  101  a bug in bias-audit itself: please report it
  130  interrupted; `audit --resume` continues"""


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    epilog: str = "",
) -> argparse.ArgumentParser:
    """Add a command and return its parser.

    Args:
        commands: where the command is added.
        name: name of the command.
        run: function that carries out the command and returns the exit code.
        text: description for the help.
        epilog: end of the help, with its line breaks kept.
    """
    parser = commands.add_parser(
        name, help=text, description=text, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


MODEL = (
    "a file (.keras, .h5, .onnx), a SavedModel folder, a Hugging Face folder (config.json and safetensors), "
    "torchvision:NAME@FILE or timm:NAME@FILE with a file of weights, or module:function: a function of images "
    "(N, H, W, 3) that predicts, or one without arguments that makes a model; its module is run. Or a program of "
    "PyTorch, which is run: torchscript:FILE, torch.export:FILE"
)
"""What a MODEL may be, in words."""


DATA = (
    "folder with a folder per class, a CSV/Parquet table, or an archive (.zip, .tar); or the address of one: s3://, "
    "gs://, hf:// (each with a package of its own), https:// (files only); or shards: shards-{000..009}.tar"
)
"""What DATA may be, in words."""


def add_training(parser: argparse.ArgumentParser) -> Group:
    """Add the options on what the model saw in training: preprocessing, geometry, and which output is which class."""
    seen = parser.add_argument_group("what the model saw in training")
    add_geometry(seen)
    seen.add_argument(
        "--preprocess",
        metavar="NAME",
        help="none, unit, signed, imagenet, caffe, bgr, unit_bgr, signed_bgr, mean=M,M,M/std=S,S,S for "
        "(x / 255 - mean) / std, module:function, or auto: whichever makes the model right most often on a sample "
        "(default, as for --resize, --interpolation and --image-size: what the model's files say; else none)",
    )
    add_class_map(seen)
    seen.add_argument(
        "--head",
        metavar="NAME",
        help="what the outputs are: softmax or sigmoid (probabilities), or logits (default: detected from the first "
        "ones)",
    )
    seen.add_argument(
        "--output", metavar="NAME", help="which output of a model with several: its name, or its number, counted from 0"
    )
    seen.add_argument(
        "--torch",
        metavar="NAMES",
        help="how a PyTorch network runs: channels_last, bfloat16 (autocast), or both, separated by a comma",
    )
    add_custom_objects(seen)
    return seen


def add_class_map(group: argparse.ArgumentParser | Group) -> None:
    """Add the option --class-map, which says the classes and their outputs."""
    group.add_argument("--class-map", metavar="FILE", type=Path, help="JSON: class name -> list of output indices")


def add_custom_objects(group: argparse.ArgumentParser | Group) -> None:
    """Add the option --custom-objects, a module that is run."""
    group.add_argument(
        "--custom-objects", metavar="MODULE", help="Python module with the model's own classes; it is executed"
    )


def add_geometry(seen: Group) -> None:
    """Add the options on how pictures are brought to the model's size."""
    seen.add_argument(
        "--loader",
        metavar="NAME",
        help="image_dataset_from_directory, flow_from_directory, load_img or torchvision: sets resize, interpolation "
        "and decoder to the defaults of that loader",
    )
    seen.add_argument(
        "--resize",
        metavar="NAME",
        help="stretch (default), crop, pad, or shorter (as in torchvision); shorter=232/224 or stretch=232/224 resize "
        "to "
        "232 for an input of 224 and cut out the centre",
    )
    seen.add_argument(
        "--interpolation",
        metavar="NAME",
        help="bilinear (default), nearest, bicubic, area, or Pillow's antialias, antialias_bicubic, antialias_lanczos",
    )
    seen.add_argument("--decoder", metavar="NAME", help="pillow (default) or tensorflow")
    seen.add_argument(
        "--pixel-range",
        metavar="LOW,HIGH",
        help="for pictures of more than 8 bits (PNG, TIFF), and for DICOM files instead of their window: the values "
        "that "
        "training read as black and white, for instance 0,4095; or full (of the type), or file (of each file)",
    )
    seen.add_argument(
        "--image-size",
        metavar="HxW",
        type=size,
        help="input size, for models that accept any and without a model (then 224x224)",
    )


def add_masks(parser: argparse.ArgumentParser) -> None:
    """Add the options on what says where the objects are: --masks, --boxes."""
    parser.add_argument(
        "--masks",
        metavar="DIR",
        type=place,
        help="foreground masks: a folder or an archive (.zip, .tar) with the same folders and file names as the "
        "images; "
        "without masks and boxes the objects are estimated (auto); none: they are not",
    )
    text = "table image,x_min,y_min,x_max,y_max: a row per box"
    parser.add_argument("--boxes", metavar="FILE", type=place, help=text)


def add_objects(parser: argparse.ArgumentParser) -> None:
    """Add the options on what says where the objects are, and on real scenes without any."""
    add_masks(parser)
    parser.add_argument(
        "--backgrounds",
        metavar="DIR",
        type=place,
        help="real scenes without an object, to paste on without any fill: a folder per class, or scenes of no class; "
        "a folder, an archive (.zip, .tar) or the address of one",
    )


def add_reading(parser: argparse.ArgumentParser) -> Group:
    """Add the options on how the data are read: which rows, which masks, and what belongs together."""
    data = parser.add_argument_group("how the data are read")
    data.add_argument(
        "--segmenter",
        metavar="NAME",
        help="estimates masks that are missing: auto (GrabCut; default without masks and boxes), a "
        "segmentation model (.keras, .h5, .tflite, .onnx) or module:function",
    )
    data.add_argument(
        "--split",
        metavar="NAME",
        help="only this part of the data: a value of the column split of a table, or test, val, an image set",
    )
    data.add_argument(
        "--sample",
        metavar="N",
        type=int,
        help="only a sample of N photos, drawn by --seed from every class; groups of --group-by stay whole",
    )
    data.add_argument(
        "--images", metavar="DIR", help="folder of the pictures of a COCO file (default: the folder of the file)"
    )
    data.add_argument(
        "--objects",
        metavar="NAME",
        choices=("photo", "each"),
        help="of COCO, Pascal VOC and YOLO data: photo (default): a photo is one picture, of the class of its largest "
        "object; each: every object is one, cut out with a margin",
    )
    data.add_argument(
        "--object-size",
        metavar="N",
        type=int,
        help="with --objects each: leave out objects that are lower or narrower than N pixels (default 32)",
    )
    text = "column of patients or scenes; photos of the same one count as one"
    data.add_argument("--group-by", metavar="COLUMN", help=text)
    data.add_argument("--cluster", dest="group_by", help=argparse.SUPPRESS)  # its former name
    add_allow_outside(data)
    data.add_argument(
        "--mask-foreground",
        metavar="V,V",
        type=integers,
        help="mask values that are foreground (default: all but 0)",
    )
    data.add_argument(
        "--mask-ignore", metavar="V", type=int, help="mask value that is neither (trimap: 3; palette default: 255)"
    )
    return data


def add_donors(parser: argparse.ArgumentParser) -> None:
    """Add the options on how many composites are made, and of which photos: --interventions, --donors, --seed."""
    from bias_audit.checks.registry import CHECKS

    chosen = parser.add_argument_group("how many composites are made")
    for option in (option for check in CHECKS for option in check.options):
        if option.setting in ("interventions", "donors"):
            chosen.add_argument(option.flag, dest=option.setting, metavar=option.metavar, type=int, help=option.help)
    add_seed(chosen)


def add_seed(group: Group) -> None:
    """Add the option --seed."""
    group.add_argument("--seed", metavar="N", type=int, help="seed of all random choices (default 0)")


def add_explaining(parser: argparse.ArgumentParser, title: str = "how it is explained") -> Group:
    """Add the options on how predictions are explained: method, layer, images per pass, seed."""
    shown = parser.add_argument_group(title)
    shown.add_argument(
        "--method",
        metavar="NAME",
        help="hires_cam (default), grad_cam, cam, grad_cam_plus_plus, layer_cam, xgrad_cam, score_cam, "
        "integrated_gradients, occlusion or rise (any model, hundreds of passes), module:function, none, or auto "
        "(the most faithful on a sample)",
    )
    shown.add_argument(
        "--layer",
        metavar="PATH",
        help="layer to explain, for instance backbone/name (default: the last with a grid); a,b combines two by "
        "layer_cam",
    )
    shown.add_argument(
        "--batch-size",
        metavar="N",
        type=int,
        help="images per pass (default: as memory allows, at most 32, or 128 on a GPU)",
    )
    add_seed(shown)
    return shown


def add_strangers(parser: argparse.ArgumentParser) -> None:
    """Add the option --strangers, the folder of pictures of no known class."""
    parser.add_argument(
        "--strangers",
        metavar="DIR",
        type=place,
        help="pictures of no class that the model knows, in one folder or one per kind: what it takes them for; a "
        "folder, an archive or the address of one",
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option --config, the file of settings and thresholds."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML file with [audit] and [thresholds]; flags override it"
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the option --limit, which raises what a picture, a table or a model may cost."""
    from bias_audit.limits.bounds import parsed

    parser.add_argument(
        "--limit",
        dest="limits",
        metavar="NAME=NUMBER",
        type=parsed,
        action="append",
        help="raise a limit on what a file may cost: pixels (of a picture, default 1e8), weights_bytes (of a model, "
        "4e9), "
        "archive_bytes (of its other parts, 1e8), member_bytes (of a file in an archive of photos, 5e8), "
        "annotation_bytes (of a file of annotations, 2e9), batch_bytes (half the memory), columns (of a table, 1000) "
        "or seconds_per_call (of the model, 600); of data elsewhere fetched_bytes (of a file, 1e9), cache_bytes "
        "(1e10), remote_files (2e6) and seconds_per_fetch (60); shards (that a pattern names, 1e4); repeatable",
    )


def add_trusted(parser: argparse.ArgumentParser) -> Group:
    """Add the group of options on what a run folder cannot allow by itself, with --config."""
    trusted = parser.add_argument_group(
        "what a run folder cannot allow by itself",
        "A run may come from somebody else. Code that it was made with runs only if it is named here.",
    )
    trusted.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML whose [audit] names the modules, as the audit was given it"
    )
    return trusted


def add_allow_outside(group: argparse.ArgumentParser | Group) -> None:
    """Add the option --allow-outside, which lets a table name files outside its folder."""
    group.add_argument("--allow-outside", action="store_true", help="let a table name files outside its folder")


def add_verbosity(parser: argparse.ArgumentParser, quiet: str = "only the verdict") -> None:
    """Add the options --quiet and --verbose; `quiet` is the help text of --quiet."""
    level = parser.add_mutually_exclusive_group()
    level.add_argument("--quiet", dest="verbosity", action="store_const", const=0, default=1, help=quiet)
    level.add_argument(
        "--verbose", dest="verbosity", action="store_const", const=2, help="every stage, its time, and all notes"
    )


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `read_config`, from the options of a command.

    Args:
        options: parsed options.

    Returns:
        name of a setting -> value, for each setting that the command has an option for, None where it was not given;
        and "extra", the names of the settings of other packages' checks.
    """
    import dataclasses

    from bias_audit.checks.registry import settings_of_others
    from bias_audit.config import AuditConfig

    fields = {field.name for field in dataclasses.fields(AuditConfig)} - {"class_map"}  # a file of its own
    extra = settings_of_others()
    return {"extra": extra, **{name: value for name, value in vars(options).items() if name in {*fields, *extra}}}


def source_options(options: argparse.Namespace) -> dict[str, Any]:
    """How the data are read, from the options of a command: name of a field of `SourceOptions` -> value or None."""
    from bias_audit.data.sources.options import NAMES

    return {name: value for name, value in vars(options).items() if name in NAMES}


def place(text: str) -> Path | Url:
    """Parse DATA: a path or an address. Errors as of `data_address`."""
    from bias_audit.data.addresses import data_address

    return data_address(text)


def size(text: str) -> tuple[int, int]:
    """Parse an image size, "224x224" or "224", into (height, width) in pixels.

    Raises:
        ArgumentTypeError: the text is no size.
    """
    height, cross, width = text.lower().partition("x")
    if not (height.isdecimal() and (width.isdecimal() or not cross) and int(height) > 0):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 224x224, got {text!r}")
    return int(height), int(width if cross else height)


def words(text: str) -> tuple[str, ...]:
    """Parse names separated by commas: "a, b" into ("a", "b").

    Raises:
        ArgumentTypeError: a name is empty.
    """
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise argparse.ArgumentTypeError(f"expected names such as husky,wolf, got {text!r}")
    return parts


def integers(text: str) -> tuple[int, ...]:
    """Parse integers separated by commas: "1,2" into (1, 2).

    Raises:
        ArgumentTypeError: a part is no integer.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected integers such as 1 or 1,2, got {text!r}") from error
