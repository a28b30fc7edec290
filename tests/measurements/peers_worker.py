"""One task of `peers.py` in one environment: warms up, times a pass, prints JSON. Imports only what the task needs."""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE, BATCH = 224, 32
PREPARED = {"MobileNetV2": "signed", "ResNet50": "caffe"}
LAYER = {"MobileNetV2": "out_relu", "ResNet50": "conv5_block3_out"}


def main() -> None:
    task, model, data, masks, class_map, count, work = sys.argv[1:]
    files = linked(Path(data), int(count), Path(work))
    run, package = TASKS[task](model, files, Path(masks), Path(class_map), Path(work))
    run()  # traces, compiles, warms the file cache
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "version": f"{package} {importlib.metadata.version(package)}",
            }
        )
    )


def linked(data: Path, count: int, work: Path) -> Path:
    """The first `count` pictures, the classes in turn, as a folder of links per class."""
    folder = work / f"{data.name}-{count}"
    classes = sorted(each for each in data.iterdir() if each.is_dir())
    for each in classes:
        (folder / each.name).mkdir(parents=True, exist_ok=True)
        for file in sorted(each.iterdir())[: count // len(classes)]:
            link = folder / each.name / file.name
            if not link.exists():
                link.symlink_to(file.resolve())
    return folder


def in_memory(model: str, files: Path) -> np.ndarray:
    """(N, 224, 224, 3) float32, prepared as the model wants it."""
    pixels = [np.asarray(Image.open(file).convert("RGB").resize((SIDE, SIDE))) for file in sorted(files.rglob("*.*"))]
    images = np.stack(pixels).astype(np.float32)
    if PREPARED[model] == "signed":
        return images / np.float32(127.5) - np.float32(1)
    return images[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)


def keras_model(model: str) -> Any:
    import tensorflow as tf

    return getattr(tf.keras.applications, model)(weights=None)


def predict(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    import keras

    net = keras_model(model)
    offset = np.array([103.939, 116.779, 123.68], np.float32)

    def prepared(images: Any, _: Any) -> Any:
        return images / 127.5 - 1 if PREPARED[model] == "signed" else images[..., ::-1] - offset

    def run() -> None:
        batches = keras.utils.image_dataset_from_directory(
            files, image_size=(SIDE, SIDE), batch_size=BATCH, shuffle=False, verbose=False
        )
        net.predict(batches.map(prepared), verbose=0)

    return run, "keras"


def predict_in_memory(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    net, images = keras_model(model), in_memory(model, files)
    return lambda: net.predict(images, batch_size=BATCH, verbose=0), "keras"


def bias_audit(model: str, files: Path, masks: Path, class_map: Path, _: Path) -> tuple[Callable[[], None], str]:
    from bias_audit.config import AuditConfig, read_class_map
    from bias_audit.data.preprocess import find_preprocess
    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.attach import attach_masks
    from bias_audit.heatmaps.attention import attend
    from bias_audit.heatmaps.methods import Explainer
    from bias_audit.models.decoding import geometry_of
    from bias_audit.models.doors import load_model
    from bias_audit.run.folder import Run

    groups = read_class_map(class_map)
    config = AuditConfig(preprocess=PREPARED[model], class_map=groups)
    names = tuple(name for name, _ in groups)
    loaded = load_model(keras_model(model), config, names)
    explainer = Explainer(loaded, config.method, find_preprocess(config.preprocess, 3))

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            shards = Run(Path(folder) / "run")
            shards.start({}, resume=False, overwrite=False)
            dataset = attach_masks(open_dataset(files, names), masks)
            attend(
                dataset, explainer, geometry_of(config, loaded.input_size), loaded.batch_size, shards, lambda _: None
            )

    return run, "bias-audit"


def textbook(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    """As the Grad-CAM example of keras.io: a second model to the last layer, an image at a time, predict first."""
    import keras
    import tensorflow as tf

    net = keras_model(model)
    both = keras.Model(net.inputs, [net.get_layer(LAYER[model]).output, net.output])
    paths = sorted(files.rglob("*.*"))

    def run() -> None:
        for path in paths:
            pixels = keras.utils.img_to_array(keras.utils.load_img(path, target_size=(SIDE, SIDE)))[None]
            images = pixels / 127.5 - 1
            net.predict(images, verbose=0)
            with tf.GradientTape() as tape:
                values, output = both(images)
                target = output[:, tf.argmax(output[0])]
            weights = tf.reduce_mean(tape.gradient(target, values), axis=(0, 1, 2))
            tf.nn.relu(tf.squeeze(values[0] @ weights[..., None])).numpy()

    return run, "keras"


def tf_keras_vis(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    net, images = keras_model(model), in_memory(model, files)
    method = Gradcam(net, model_modifier=ReplaceToLinear(), clone=True)

    def run() -> None:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            method(CategoricalScore([0] * len(batch)), batch, penultimate_layer=LAYER[model])

    return run, "tf-keras-vis"


def tf_explain(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    from tf_explain.core.grad_cam import GradCAM

    net, images = keras_model(model), in_memory(model, files)

    def run() -> None:
        for start in range(0, len(images), BATCH):
            GradCAM.get_gradients_and_filters(net, images[start : start + BATCH], LAYER[model], 0, False)

    return run, "tf-explain"


def xplique(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    from xplique.attributions import GradCAM

    net, images = keras_model(model), in_memory(model, files)
    method = GradCAM(net, batch_size=BATCH, conv_layer=LAYER[model])
    targets = np.eye(1000, dtype=np.float32)[np.zeros(len(images), int)]

    def run() -> None:
        method.explain(images, targets)

    return run, "xplique"


def torch_net(model: str, files: Path) -> tuple[Any, Any]:
    import torch
    import torchvision

    net = getattr(torchvision.models, {"MobileNetV2": "mobilenet_v2", "ResNet50": "resnet50"}[model])(weights=None)
    return net.eval(), torch.from_numpy(np.ascontiguousarray(in_memory(model, files).transpose(0, 3, 1, 2)))


def torch_forward(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    import torch

    net, images = torch_net(model, files)

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                net(images[start : start + BATCH])

    return run, "torch"


def pytorch_grad_cam(model: str, files: Path, *_: Path) -> tuple[Callable[[], None], str]:
    from pytorch_grad_cam import GradCAM

    net, images = torch_net(model, files)
    layer = net.features[-1] if model == "MobileNetV2" else net.layer4[-1]

    def run() -> None:
        with GradCAM(model=net, target_layers=[layer]) as method:
            for start in range(0, len(images), BATCH):
                method(input_tensor=images[start : start + BATCH], targets=None)

    return run, "grad-cam"


TASKS: dict[str, Callable[..., tuple[Callable[[], None], str]]] = {
    "predict": predict,
    "predict, in memory": predict_in_memory,
    "bias-audit": bias_audit,
    "textbook loop": textbook,
    "tf-keras-vis": tf_keras_vis,
    "tf-explain": tf_explain,
    "xplique": xplique,
    "torch forward": torch_forward,
    "pytorch-grad-cam": pytorch_grad_cam,
}


if __name__ == "__main__":
    main()
