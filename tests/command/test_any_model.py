"""Any model by its predict function, on the command line, where no framework is installed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from without import without

from bias_audit.run.result import load

FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "h5py", "torch", "jax", "onnxruntime")
SIDE, PHOTOS = 48, 12

MODULE = """
from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression


def flat(images):
    return images.reshape(len(images), -1) / 255


files = [(file, name) for name in ("frog", "swan") for file in sorted(Path("photos", name).iterdir())]
pixels = np.stack([cv2.imread(str(file))[..., ::-1] for file, _ in files]).astype(np.float32)
classifier = LogisticRegression(C=1e-3).fit(flat(pixels), [name for _, name in files])


def regression(images):
    return classifier.predict_proba(flat(images))


def rule(images):
    low = images[:, images.shape[1] * 3 // 4 :]
    frog = 1 / (1 + np.exp((low[..., 2] - low[..., 1]).mean(axis=(1, 2)) / 10))
    return np.stack([frog, 1 - frog], axis=1)


def breaks(images):
    raise RuntimeError("no GPU")


regression.input_size = rule.input_size = breaks.input_size = (48, 48, 3)
"""


def draw(folder: Path) -> None:
    """Frogs on green and swans on blue, red and white discs with their masks, and a module that predicts them."""
    (folder / "mine.py").write_text(MODULE)
    for name, ground, disc in (("frog", (60, 160, 60), (40, 40, 220)), ("swan", (160, 60, 60), (220, 220, 220))):
        for number in range(PHOTOS):
            rng = np.random.default_rng((number, len(name), ground[0]))
            picture = np.full((SIDE, SIDE, 3), ground, np.float32) + rng.normal(0, 8, (SIDE, SIDE, 3))
            mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (24, 20), 10, 255, -1)
            picture[mask > 0] = np.array(disc) + rng.normal(0, 8, (int((mask > 0).sum()), 3))
            for kind, content in (("photos", picture.clip(0, 255).astype(np.uint8)), ("masks", mask)):
                (folder / kind / name).mkdir(parents=True, exist_ok=True)
                (folder / kind / name / f"{number:02d}.png").write_bytes(cv2.imencode(".png", content)[1].tobytes())


def test_scikit_learn_and_a_rule_are_audited_without_a_framework(tmp_path):
    draw(tmp_path)
    photo = "photos/frog/00.png"
    regression, r_gate, rule, rule_gate, breaks, inspected, explained, occluded = without(
        FRAMEWORKS,
        [
            ["audit", "mine:regression", "photos", "--masks", "masks", "--out", "a"],
            ["gate", "a"],
            ["audit", "mine:rule", "photos", "--masks", "masks", "--out", "b"],
            ["gate", "b"],
            ["audit", "mine:breaks", "photos", "--masks", "masks", "--out", "c"],
            ["inspect", "mine:rule"],
            ["explain", "mine:rule", photo, "--out", "d"],
            ["explain", "mine:rule", photo, "--out", "d", "--method", "occlusion"],
        ],
        tmp_path,
    )
    for audit in (regression, rule):
        assert audit[0] == 0, audit[2]
    assert (r_gate[0], rule_gate[0]) == (1, 1)
    for run, name in (("a", "regression"), ("b", "rule")):
        assert (tmp_path / run / "report.html").is_file()
        kept = load(tmp_path / run)
        assert kept.info.model == f"mine:{name}"
        rows = {row.subject: row for row in kept.outcomes if row.code == "BA201"}
        assert set(rows) == {"frog", "swan"}
        for row in rows.values():
            assert row.found or row.status == "passed"
            assert row.n == PHOTOS
            assert row.low is not None
            assert row.high is not None
        if name == "rule":
            assert {row.level for row in rows.values()} == {"SUSPICIOUS"}
    assert "'mine:breaks' failed: RuntimeError: no GPU" in breaks[2]
    assert (breaks[0], len(breaks[2].strip().splitlines())) == (2, 1)
    assert inspected[0] == 0
    for words in ("not shown by the model", "no heatmaps", "for predictions, without reading files"):
        assert words in " ".join(inspected[1].split())
    assert (explained[0], "--method occlusion or rise" in explained[2]) == (2, True)
    assert occluded[0] == 0, occluded[2]


LENT = """
import functools
from pathlib import Path

calls = []


def wrap(function):
    @functools.wraps(function)
    def called(images):
        calls.append(1)
        if Path("stop").exists() and len(calls) > 20:
            raise MemoryError("no GPU memory")
        return function(images)

    return called
"""


def test_a_run_is_resumed_with_the_same_module_alone(tmp_path):
    """The module that was named, also where a decorator lies in a file that stays as it is."""
    draw(tmp_path)
    (tmp_path / "lent_decorator.py").write_text(LENT)
    text = f"{MODULE}\n\nfrom lent_decorator import wrap\n\nrule = wrap(rule)\nrule.input_size = (48, 48, 3)\n"
    (tmp_path / "mine.py").write_text(text)
    (tmp_path / "stop").write_text("")
    audit = ["audit", "mine:rule", "photos", "--masks", "masks", "--out", "run", "--resume"]
    ((code, _, err),) = without(FRAMEWORKS, [audit], tmp_path)
    assert (code, "no GPU memory" in err) == (2, True), err
    assert (tmp_path / "run" / "started.json").is_file()
    (tmp_path / "stop").unlink()
    (tmp_path / "mine.py").write_text(text.replace("/ 10)", "/ 50)"))
    ((code, _, err),) = without(FRAMEWORKS, [audit], tmp_path)
    assert (code, "model changed since" in err) == (2, True), err
    (tmp_path / "mine.py").write_text(text)
    ((code, _, err),) = without(FRAMEWORKS, [audit], tmp_path)
    assert code == 0, err


def test_what_the_outputs_are_is_said_on_the_command_line(tmp_path, monkeypatch, capsys):
    from bias_audit.cli import main

    (tmp_path / "raw_scores.py").write_text("def raw(images):\n    return [[3.0, -1.0]] * len(images)\n")
    monkeypatch.syspath_prepend(tmp_path)
    given = ["inspect", "raw_scores:raw", "--image-size", "8x8", "--json"]
    assert main(given) == 2
    assert "--head" in capsys.readouterr().err
    assert main([*given, "--head", "logits"]) == 0
    assert '"head": "logits"' in capsys.readouterr().out
