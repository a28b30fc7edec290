"""An audit of a sample: it says so wherever a number stands, and is opened again whatever happens to other photos."""

from __future__ import annotations

import json
import shutil

import pytest

SAMPLE = "sample of 20 of 24 photos"


@pytest.fixture(scope="module")
def world(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampled")
    shutil.copytree(tiny.images, folder / "images")
    shutil.copytree(tiny.masks, folder / "masks")
    return folder


def test_a_sample_is_said_wherever_a_number_stands(tiny, command, world):
    run, data = world / "run", world / "images"
    asked = (tiny.follows_object, data, "--masks", world / "masks", "--sample", "20", "--method", "none", "--out", run)
    code, out, err = command("audit", *asked)
    assert code == 0, err
    assert err.index(f"Data: a {SAMPLE}") < err.index("At best, 8 of 10 audits")
    assert out.startswith(f"Audited a {SAMPLE} of 2 classes in ")
    audit = json.loads((run / "audit.json").read_text())
    assert audit["info"]["data_options"] == {"sample": 20}
    assert audit["info"]["counts"]["images"] == 20
    assert audit["info"]["counts"]["sampled_from"] == 24
    assert SAMPLE in audit["verdict"]
    assert any(SAMPLE in note for note in audit["info"]["notes"])
    page = (run / "report.html").read_text()
    assert f'<span class="sample">a {SAMPLE}</span>' in page
    assert "sampled from 24" in page

    _, out, _ = command("gate", run, "--format", "markdown")
    assert f"Only a {SAMPLE} was judged." in out
    assert SAMPLE in json.loads((run / "gate.json").read_text())["summary"]

    # The sample is the same when it is drawn again, and that of a run needs not be drawn at all.
    code, _, err = command("audit", *asked, "--resume")
    assert code == 2
    assert "finished" in err
    ids = (run / "images.csv").read_text()
    taken = next(line.split(",")[0] for line in ids.splitlines() if line.startswith("a/"))
    for name in ("new_1.png", "new_2.png"):
        shutil.copy(data / taken, data / "a" / name)
    code, _, err = command("rescore", run, "--out", world / "again")
    assert code == 0, err
    again = json.loads((world / "again" / "audit.json").read_text())
    assert [row["n"] for row in again["classes"]] == [10, 10]
    assert SAMPLE in again["verdict"]
    assert sum(SAMPLE in note for note in again["info"]["notes"]) == 1


def test_all_of_them_are_no_sample(tiny, command, tmp_path):
    run = tmp_path / "run"
    code, out, err = command(
        "audit", tiny.follows_object, tiny.images, "--masks", tiny.masks, "--sample", "999", "--method", "none",
        "--interventions", "0", "--out", run,
    )  # fmt: skip
    assert code == 0, err
    assert "Data: 24 photos" in err
    assert "sample of" not in err + out
    assert "sampled_from" not in json.loads((run / "audit.json").read_text())["info"]["counts"]
    assert 'class="sample"' not in (run / "report.html").read_text()
    assert "Judged was" not in command("gate", run)[1]
