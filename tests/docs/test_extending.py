"""The code of the pages on writing a heatmap method, a data source and a model door, run as it stands there."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from discs import QUICK, by_ground, make_discs

import bias_audit
from bias_audit.config import AuditConfig
from bias_audit.data import sources
from bias_audit.data.pictures import decode
from bias_audit.data.sources import Source, open_dataset
from bias_audit.errors import ConfigError, DataError, ModelError
from bias_audit.heatmaps.methods import find_method
from bias_audit.models import doors
from bias_audit.models.base import Predictor
from bias_audit.models.doors import load_model

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page: str) -> dict[str, str]:
    """File in the first line of a block of Python -> its code."""
    text = (HOW_TO / f"{page}.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^```python\n# ([\w/.]+)(?::[^\n]*)?\n(.*?)^```", text, re.M | re.S))


@pytest.fixture
def module(monkeypatch):
    """Makes a module of a block, which can be imported until the test ends."""

    def made(page: str, file: str) -> types.ModuleType:
        name = Path(file).stem
        result = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, result)
        exec(compile(blocks(page)[file], file, "exec"), result.__dict__)
        return result

    return made


class TestHeatmapMethod:
    PAGE = "write-a-heatmap-method"

    def test_one_that_weighs_activations(self, module):
        module(self.PAGE, "my_maps.py")
        method = find_method("my_maps:positive")
        assert (method.weighs, method.traced, method.inside) == (True, True, True)
        values, gradients = np.array([[[[1.0, 2.0], [-1.0, 3.0]]]]), np.array([[[[3.0, -1.0], [-2.0, 1.0]]]])
        assert method.function([values], [gradients], np).tolist() == [[[3.0, 5.0]]]

    def test_one_that_changes_the_picture_explains_a_whole_audit(self, module, tmp_path, monkeypatch):
        module(self.PAGE, "my_quarters.py")
        monkeypatch.chdir(tmp_path)
        discs = make_discs(4)
        given = {"masks": discs.masks, "ids": discs.ids, "interventions": 0, **QUICK}
        run = bias_audit.audit(
            by_ground, (discs.images, discs.labels), method="my_quarters:quarters", out="run", **given
        )
        assert run.info.method == "my_quarters:quarters"
        assert tuple(run.info.grid) == (4, 4)
        assert (run.images["attention_status"] == "ok").all()
        # `by_ground` looks at the upper left corner of 8 by 8 pixels, which lies in the first field of 12 by 12.
        assert (run.images["background_share"] > 0.99).all()


class TestDataSource:
    PAGE = "write-a-data-source"

    @pytest.fixture
    def listed(self, module, monkeypatch, tmp_path):
        """A folder with discs, whose .photos file is read by the source of the page."""
        code = module(self.PAGE, "bias_audit/data/sources/photo_list.py")
        line = blocks(self.PAGE)["bias_audit/data/sources/__init__.py"]
        known = {"Source": Source, "_file": sources._file, "from_photo_list": code.from_photo_list}
        added = eval(f"{{{line}}}", known)
        monkeypatch.setattr(sources, "SOURCES", {**added, **sources.SOURCES})
        folder = make_discs(2).write(tmp_path / "set")
        (folder / "all.photos").write_text(
            "images/green/00.png\tgreen\tmasks/green/00.png\nimages/blue/01.png\tblue\nimages/gone.png\tblue\n"
        )
        return folder

    def test_lists_photos_classes_and_masks(self, listed):
        dataset = open_dataset(listed / "all.photos", None)
        assert [(each.image_id, dataset.class_names[each.label]) for each in dataset.samples] == [
            ("images/blue/01.png", "blue"), ("images/gone.png", "blue"), ("images/green/00.png", "green"),
        ]  # fmt: skip
        assert [each.mask is not None for each in dataset.samples] == [False, False, True]
        assert decode(dataset.samples[2].path, 3)[0].shape == (48, 48, 3)

    def test_takes_the_order_of_a_class_map(self, listed):
        assert open_dataset(listed / "all.photos", ("green", "blue")).class_names == ("green", "blue")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("images/green/00.png", "line 1: no class"),
            ("a.png\tgreen\n../b.png\tblue", "'../b.png' leaves the folder"),
            ("a.png\tred", "classes that the class map does not name: red"),
            (b"\xff\xfe\xff", "cannot be read"),
        ],
    )
    def test_refuses_what_is_wrong_in_one_sentence(self, listed, text, said):
        (listed / "bad.photos").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DataError, match=re.escape(said)):
            open_dataset(listed / "bad.photos", ("green", "blue"))


class TestModelDoor:
    PAGE = "write-a-model-door"

    @pytest.fixture(autouse=True)
    def opened(self, module, monkeypatch):
        code = module(self.PAGE, "bias_audit/models/colours.py")
        added = eval(f"{{{blocks(self.PAGE)['bias_audit/models/doors.py']}}}", {"open_colours": code.open_colours})
        monkeypatch.setattr(doors, "FILES", {**doors.FILES, **added})

    def file(self, folder, **changes):
        """Logits: blue minus green, and green minus blue, in tenths of a grey level."""
        content = {"size": [48, 48], "weights": [[0, -0.1, 0.1], [0, 0.1, -0.1]], "bias": [0, 0], **changes}
        (folder / "net.colours").write_text(json.dumps(content))
        return str(folder / "net.colours")

    def test_predicts(self, tmp_path):
        model = load_model(self.file(tmp_path), AuditConfig(batch_size=2), ("blue", "green"))
        assert isinstance(model, Predictor)
        assert (model.head, model.outputs, model.input_size) == ("logits", 2, (48, 48, 3))
        images = np.zeros((3, 48, 48, 3), np.float32)
        images[0, ..., 2] = images[1, ..., 1] = 100.0  # logits 10 and -10, and the other way round
        predictions = model.predict(images)
        assert predictions.predicted.tolist()[:2] == [0, 1]
        np.testing.assert_allclose(predictions.log_odds[:, 0], [20, -20, 0], atol=1e-4)
        assert predictions.probabilities[2].tolist() == [0.5, 0.5]

    def test_is_audited(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        discs = make_discs(4)
        run = bias_audit.audit(self.file(tmp_path), (discs.images, discs.labels), interventions=0, out="run", **QUICK)
        assert len(run.images) == 8
        assert run.images["correct"].all(), "blue and green ground"

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"weights": [[0, 1], [1, 0]]}, "Expected|weights of"),
            ({"size": 48}, "no classifier by colour"),
            ({"bias": [0, 0, 0]}, "weights of"),
        ],
    )
    def test_refuses_what_is_wrong_in_one_sentence(self, tmp_path, changes, said):
        with pytest.raises(ModelError, match=said):
            load_model(self.file(tmp_path, **changes), AuditConfig(), ("blue", "green"))

    def test_has_no_layers_to_name(self, tmp_path):
        with pytest.raises((ModelError, ConfigError), match="no layers"):
            load_model(self.file(tmp_path), AuditConfig(layer="conv"), ("blue", "green"))
