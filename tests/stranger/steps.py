"""Which commands of the texts a stranger types, in which order, and how each has to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """A command of a page.

    Attributes:
        command: as it stands there, without its comment.
        code: exit code that the text promises.
        files: what has to be there afterwards, relative to the folder in which the page is tried.
        says: text that has to be printed.
        words: words of the command that stand for something -> what they stand for.
        stays: whether it goes on until it is ended, as a server does: then `says` is waited for.
        before: commands that the text does not print, for what it takes as given.
    """

    command: str
    code: int = 0
    files: tuple[str, ...] = ()
    says: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    stays: bool = False
    before: tuple[str, ...] = ()


AUDIT = "bias-audit audit model.keras photos/test --masks photos/masks --out reports/mine"
REPORT = ("reports/mine/report.html", "reports/mine/audit.json", "reports/mine/classes.csv")
DEMO = Step("make demo", files=("reports/demo/run/report.html",), says="SUSPICIOUS")
INSTALL = Step("pip install -e '.[tensorflow]'")
ADDRESS = "http://127.0.0.1"
SHARE = "bias-audit audit model.keras photos/test --masks photos/masks --out run --batch-size 32 --shard"
SLURM = "SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=3 bias-audit"
GATED = (f"{AUDIT} --interventions 20 --discovery 0",)

PATH: dict[str, tuple[Step, ...]] = {
    "README.md": (
        DEMO,
        Step("pip install -e '.[tensorflow,review]'"),
        Step(AUDIT, files=REPORT, says="SUSPICIOUS"),
        Step("bias-audit gate reports/mine", 1, ("reports/mine/gate.md",), "BA201"),
        Step("bias-audit review reports/mine", says=ADDRESS, stays=True),
    ),
    "docs/start.md": (
        DEMO,
        INSTALL,
        Step("bias-audit data photos/test --masks photos/masks", says="A gap of this size is found in 8 of 10 audits"),
        Step(AUDIT, files=REPORT, says="SUSPICIOUS"),
        Step("bias-audit gate reports/mine --init", files=("gate.toml",)),
        Step("bias-audit gate reports/mine", 1, says="BA201"),
    ),
    "docs/how-to/your-own-model.md": (Step(AUDIT, files=REPORT, says="SUSPICIOUS"),),
    "docs/how-to/look-at-the-data.md": (
        Step("bias-audit data photos/test --masks photos/masks --out look.html", files=("look.html",)),
    ),
    "docs/how-to/ci.md": (
        Step("bias-audit audit model.keras photos/test --masks photos/masks --out reports/now"),
        Step(
            "bias-audit gate reports/now --baseline reports/released", 1,
            before=("cp -r reports/now reports/released",),
        ),
    ),
    "docs/how-to/review.md": (
        Step("pip install -e '.[review]'"),
        Step(
            "bias-audit review reports/mine --model model.keras", says=ADDRESS, stays=True, before=GATED,
        ),
        Step(
            "bias-audit compare reports/old reports/new", says="",
            before=("cp -r reports/mine reports/old", "cp -r reports/mine reports/new"),
        ),
        Step("bias-audit history reports/*", says="wolf"),
        Step("bias-audit rescore RUN --masks DIR", words={"RUN": "reports/mine", "DIR": "photos/masks"}),
        Step("bias-audit rule BA201", says="WHAT IS DONE"),
    ),
    "docs/how-to/without-the-model.md": (
        Step(
            "bias-audit composites DATA --masks MASKS --image-size 224x224 --out pictures",
            files=("pictures/manifest.csv",), words={"DATA": "photos/test", "MASKS": "photos/masks"},
        ),
        Step("python predict_there.py pictures predictions.csv", files=("predictions.csv",)),
        Step(
            "bias-audit audit --predictions predictions.csv DATA --masks MASKS --composites pictures",
            says="SUSPICIOUS", words={"DATA": "photos/test", "MASKS": "photos/masks"},
        ),
    ),
    "docs/how-to/data-archives.md": (
        Step("bias-audit audit m:predict photos.zip --masks masks.zip --out run", files=("run/report.html",)),
        Step("bias-audit rescore run --masks masks.tar --out rescored", files=("rescored/report.html",)),
    ),
    "docs/how-to/speed.md": (
        Step(
            "bias-audit audit model.keras photos/test --masks photos/masks --out run --profile",
            files=("run/profile.csv",),
        ),
    ),
    "docs/how-to/shards.md": (
        *(Step(f"{SHARE} {number}/3", says=f"share {number}/3 is done", words={"32": "5"}) for number in (1, 2, 3)),
        Step("bias-audit status run", says="3 of 3 shards are there, 60 of 60 photos; nothing is missing"),
        Step("bias-audit merge run", files=("run/report.html",), says="SUSPICIOUS"),
        Step(
            "bias-audit audit model.keras photos/test --masks photos/masks --out run --executor local:4",
            files=("one/report.html",), says="SUSPICIOUS", words={"--out run": "--out one", "local:4": "local:2"},
        ),
        *(
            Step(f"{SHARE.replace('run', f'run-{number}')} {number}/3", says="1 of 3 shards", words={"32": "5"})
            for number in (1, 2, 3)
        ),
        Step(
            "bias-audit merge run-1 run-2 run-3 --out run", files=("merged/report.html",), says="SUSPICIOUS",
            words={"--out run": "--out merged"},
        ),
        Step(
            f"{SHARE} auto", says="1 of 3 shards are there",
            words={"32": "5", "--out run": "--out array", "bias-audit": SLURM},
        ),
        Step(
            SHARE.replace("--shard", "--executor local:4 --resume"), files=("array/report.html",), says="SUSPICIOUS",
            words={"32": "5", "--out run": "--out array", "local:4": "local:2"},
        ),
    ),
    "docs/how-to/data-coco.md": (
        Step("bias-audit audit MODEL annotations/instances.json --images photos", words={"MODEL": "m:predict"}),
        Step(
            "bias-audit audit MODEL annotations/instances.json --images photos --objects each",
            words={"MODEL": "m:predict", "each": "each --out each"},
        ),
    ),
    "docs/how-to/data-hugging-face.md": (
        Step("bias-audit audit m:predict hf --out run", files=("run/report.html",)),
        Step("bias-audit audit m:predict hub --split test --out run", before=("rm -r run",)),
    ),
    "docs/how-to/data-voc.md": (Step("bias-audit audit model.keras VOCdevkit/VOC2012 --split val"),),
    "docs/how-to/data-webdataset.md": (Step("bias-audit audit m:predict shards --out run"),),
    "docs/how-to/data-yolo.md": (Step("bias-audit audit model.keras yolo/data.yaml --split val"),),
    "docs/how-to/data-dicom-and-16-bit.md": (
        Step("bias-audit audit my_model:predict scans --pixel-range 0,4095 --out run"),
    ),
    "docs/how-to/attack.md": (
        Step("make attack TRIES=5000", words={"5000": "20"}),
        Step('make attack ARGS="--kind audit.json"', words={"make attack": "make attack TRIES=20"}),
    ),
    "docs/benchmark.md": (Step("bias-audit benchmark --quick", words={"--quick": "--help"}),),
}  # fmt: skip
"""Page -> its commands, in their order. Benchmarks and attacks are asked for little: whole ones take hours."""

NOT_TYPED: dict[str, str] = {
    "bias-audit audit MODEL PHOTOS": "the form of a command",
    "bias-audit benchmark": "hours",
    "bias-audit benchmark --units all": "hours",
    "bias-audit benchmark --tune": "hours",
    "make attack": "25 minutes",
    'make attack ARGS="--kills 50 --kind killed"': "minutes; killed audits are tried by every test run",
    "python -m tests.attack --kind 'audit.json: values' --seed 123 --only 4711": "repeats a failure that there must be",
    'bias-audit name reports/mine wolf-ee3107 snow --legitimate --by "Dr. Ada"': "a cue of one run",
    "bias-audit audit my_model:predict clinic --out run": "DICOM files, which tests/data writes",
    "bias-audit audit my_model:predict clinic --pixel-range=-1000,400 --out run": "as the one before",
    "bias-audit audit m:predict 'shards/s-{000..003}.tar' --out run": "as the folder of shards, which is typed",
    "bias-audit audit model.keras yolo/data.yaml --split val --objects each --group-by photo": "as that of COCO",
    "bias-audit audit model.keras VOCdevkit/VOC2012 --split val --objects each --group-by photo": "as that of COCO",
    "bias-audit demo": "as make demo, which is typed",
    "bias-audit repair reports/demo/run --model reports/demo/snow_wolf.keras --train reports/demo/images/train "
    "--train-masks reports/demo/masks/train": "two audits of the demo; tests/repair repairs a small network",
    "bias-audit gate reports/demo/run-repaired/repaired": "of that repair",
    "bias-audit compare reports/demo/run reports/demo/run-repaired/repaired": "of that repair",
    "bias-audit audit mine:predict photos/ --masks masks/": "the model is the reader's",
    "bias-audit audit net:Deployed photos/ --loader torchvision --preprocess unit": "the network is the reader's",
    "bias-audit audit torchvision:resnet50@weights.pth photos/": "weights of 100 MB",
    "bias-audit audit timm:vit_tiny_patch16_224@checkpoint.safetensors photos/": "as torchvision",
    "bias-audit audit models/my-vit/ photos/": "as torchvision",
    "bias-audit audit net.onnx photos/ --masks masks/ --preprocess imagenet": "the network is the reader's",
    "bias-audit audit model.keras photos/test --masks photos/masks --method my_maps:positive": "see tests/docs",
    "bias-audit audit model.keras photos/test --masks photos/masks --out run --batch-size 32 "
    "--executor ray:head.example.org:6379": "needs a cluster; `make ray` starts one",
    "make ray": "minutes",
}
"""Command of a page -> why the path leaves it out."""

ELSEWHERE = ("http://", "https://", "s3://", "gs://", "hf://")
"""Addresses: a command that names one needs a server, and is left out, too."""


def left_out(command: str) -> str:
    """Why a command of a page is not typed; "" for one that is."""
    return "needs a server" if any(each in command for each in ELSEWHERE) else NOT_TYPED.get(command, "")
