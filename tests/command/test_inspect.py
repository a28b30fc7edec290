"""`bias-audit inspect`: what a model is, without any data."""

from __future__ import annotations

import json

import pytest

import bias_audit


def test_json_says_what_the_model_is(tiny, command):
    code, out, err = command("inspect", tiny.follows_object, "--json", "--batch-size", 4)
    assert code == 0, err
    facts = json.loads(out)
    layers = {layer["path"]: layer for layer in facts["layers"]}
    assert (layers["colours"]["grid"], layers["colours"]["channels"]) == ([48, 48], 2)
    assert (layers["cells"]["grid"], layers["cells"]["channels"]) == ([12, 12], 2)
    assert [path for path, layer in layers.items() if layer["chosen"]] == ["cells"]
    assert (facts["head"], facts["outputs"], facts["class_names"]) == ("softmax", 2, ["output 0", "output 1"])
    assert facts["input"] == {"height": 48, "width": 48, "channels": 3}
    assert facts["parameters"] == 3 * 2 + 2 + 2 * 2 + 2  # the convolution and the head, with their biases
    assert [step.partition(": ")[2] for step in facts["inside"]] == ["x / 255"]
    assert facts["preprocess_hint"].startswith("none:")
    assert facts["timed_images"] == 12
    assert facts["seconds_per_1000_images"] > 0


def test_the_table_marks_the_asked_layer_and_names_classes_of_the_map(tiny, command, tmp_path):
    names = tmp_path / "names.json"
    names.write_text('{"snow": [1], "grass": [0]}')
    code, out, err = command("inspect", tiny.follows_object, "--layer", "colours", "--class-map", names)
    assert code == 0, err
    assert "snow, grass" in out
    (marked,) = (line for line in out.splitlines() if "48x48" in line and line.endswith("  explained"))
    assert "colours" in marked
    assert "hires_cam at colours, maps of 48x48" in out
    assert "measured here on 96 images" in out


@pytest.mark.heavy
def test_what_cannot_be_explained_says_why(tmp_path, command):
    import keras

    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    model.save(tmp_path / "flat.keras")
    code, out, err = command("inspect", tmp_path / "flat.keras")
    assert code == 0, err
    assert "No layer of the model keeps a spatial grid" in " ".join(out.split())
    code, _, err = command("inspect", tmp_path / "flat.keras", "--layer", "flatten")
    assert code == 2
    assert "no layer of the model keeps a spatial grid" in err


@pytest.mark.heavy
def test_one_sigmoid_unit_has_two_classes():
    import keras

    layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1), keras.layers.GlobalAveragePooling2D()]
    facts = bias_audit.inspect(keras.Sequential([*layers, keras.layers.Dense(1, "sigmoid")]), batch_size=2)
    assert (facts["outputs"], facts["class_count"]) == (1, 2)
    assert facts["preprocess_hint"].startswith("unit or signed,")


@pytest.mark.parametrize(
    ("inside", "name", "expected"),
    [
        (("scale: x / 127.5 - 1",), "mobilenetv2_1.00_224", "none: the model scales"),
        (("scale: x * 2 - 1",), "", "unit: the model itself does scale: x * 2 - 1"),
        (("norm: (x - 114) / 57.3",), "", "none: the model scales"),
        (("size: resized to 32x32", "flip: augmentation, in training only"), "vgg16", "caffe:"),
        ((), "mobilenetv2_1.00_224", "signed:"),
        ((), "MobileNetV3Small", "none: networks called"),
        ((), "resnet50v2", "signed:"),
        ((), "resnet50", "caffe:"),
        ((), "densenet121", "imagenet:"),
        ((), "my_net", "unit, signed, caffe or imagenet, whichever"),
    ],
)
def test_the_hint_follows_what_is_inside_then_the_name(inside, name, expected):
    from bias_audit.heatmaps.inspection import preprocess_hint

    assert preprocess_hint(inside, name, 3).startswith(expected)


@pytest.mark.heavy
def test_the_names_are_those_of_keras_applications():
    """The table against Keras itself: the mode of each `preprocess_input` on a pixel of (255, 0, 0)."""
    import keras
    import numpy as np

    from bias_audit.data.preprocess import PREPROCESS
    from bias_audit.heatmaps.inspection import BY_NAME

    homes = {
        "mobilenet_v3": "mobilenet_v3", "efficientnet": "efficientnet", "convnext": "convnext",
        "mobilenet": "mobilenet", "xception": "xception", "inception": "inception_v3", "nasnet": "nasnet",
        "resnet50v2": "resnet_v2", "resnet": "resnet", "vgg": "vgg16", "densenet": "densenet",
    }  # fmt: skip
    known = dict(BY_NAME)
    pixel = np.array([[[[255.0, 0.0, 64.0]]]], np.float32)
    for start, home in homes.items():
        theirs = getattr(keras.applications, home).preprocess_input(pixel.copy())
        np.testing.assert_allclose(PREPROCESS[known[start]](pixel), theirs, rtol=1e-5, err_msg=start)
