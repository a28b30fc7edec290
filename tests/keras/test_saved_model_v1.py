"""SavedModels in the form of TensorFlow 1: predictions by the signature, maps from its graph, nothing else run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from networks import BATCH, SIZE, class_names, make_images

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.doors import load_model
from bias_audit.models.tensorflow.framework import saved_model_pb2

old = tf.compat.v1
KERNEL = np.random.default_rng(0).normal(0, 0.5, (3, 3, 3, 4)).astype(np.float32)
DENSE = np.random.default_rng(1).normal(0, 3, (4, 3)).astype(np.float32)
LABELS = np.arange(BATCH) % 3

Head = Callable[[Any], dict[str, Any]]


def _softmax(logits: Any) -> dict[str, Any]:
    return {"Prediction": tf.nn.softmax(logits)}


def _saved(
    folder: Path,
    head: Head = _softmax,
    *,
    resource: bool = True,
    dtype: Any = tf.float32,
    keys: dict[str, str] | None = None,
    before: Callable[[], Any] | None = None,
    signature: str = "serving_default",
    tags: tuple[str, ...] = ("serve",),
) -> Path:
    """Saved in a session of TensorFlow 1: convolution, ReLU, mean, matrix, and what `head` makes of the logits.

    Args:
        folder: where it is saved.
        head: logits -> name -> output of the signature.
        resource: variables of the new kind, else of the old one, whose operations hold the values.
        dtype: type of the images.
        keys: name in the checkpoint -> "kernel" or "dense"; None = saved under their own names.
        before: makes the operation that TensorFlow would run when it loads the folder.
        signature, tags: of the graph.
    """
    graph = tf.Graph()
    with graph.as_default(), old.Session() as session:
        images = old.placeholder(dtype, (None, *SIZE), name="image")
        made = {
            name: old.get_variable(name, initializer=values, use_resource=resource)
            for name, values in (("kernel", KERNEL), ("dense", DENSE))
        }
        maps = tf.nn.relu(tf.nn.conv2d(tf.cast(images, tf.float32), made["kernel"], 2, "SAME"), name="maps")
        outputs = head(tf.matmul(tf.reduce_mean(maps, [1, 2]), made["dense"]))
        session.run(old.global_variables_initializer())
        builder = old.saved_model.Builder(str(folder))
        given = old.saved_model.build_signature_def(
            {"Image": old.saved_model.build_tensor_info(images)},
            {name: old.saved_model.build_tensor_info(each) for name, each in outputs.items()},
        )
        saver = None if keys is None else old.train.Saver({key: made[name] for key, name in keys.items()})
        builder.add_meta_graph_and_variables(
            session, list(tags), {signature: given}, main_op=None if before is None else before(), saver=saver
        )
        builder.save()
    return folder


def _expected(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, 6, 8, 4) and logits (N, 3)."""
    features = tf.nn.relu(tf.nn.conv2d(images, KERNEL, 2, "SAME")).numpy()
    return features, features.mean(axis=(1, 2)).astype(np.float64) @ DENSE


def _load(folder: Path, **config: Any) -> Any:
    return load_model(folder, AuditConfig(**{"batch_size": BATCH, **config}), class_names(3))


def _check(folder: Path, **config: Any) -> Any:
    """The model, after comparing its predictions, values and gradients with those by hand."""
    model = _load(folder, **config)
    features, logits = _expected(make_images())
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.ptp(p, axis=0).max() > 0.05  # exchanged images would be noticed
    active = model.activations(make_images(), LABELS)
    for predictions in (model.predict(make_images()), active.predictions):
        np.testing.assert_allclose(predictions.probabilities, p, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(active.values, features, rtol=1e-5, atol=1e-6)
    for i, c in enumerate(LABELS):
        others = np.where(np.arange(3) == c, 0, p[i]) / (1 - p[i, c])
        expected = DENSE @ (np.eye(3)[c] - others) / (6 * 8)
        np.testing.assert_allclose(
            active.gradients_label[i], np.broadcast_to(expected, (6, 8, 4)), rtol=1e-3, atol=1e-6
        )
    return model


@pytest.mark.parametrize("resource", [True, False])
def test_predictions_and_maps_are_those_of_the_graph(tmp_path: Path, resource: bool) -> None:
    model = _check(_saved(tmp_path / "m", resource=resource))
    assert (model.layer, model.grid, model.head, model.input_size) == ("maps", (6, 8), "softmax", SIZE)
    assert (model.parameters, model.notes) == (KERNEL.size + DENSE.size, ())


def test_names_in_the_checkpoint_are_those_that_the_graph_restores(tmp_path: Path) -> None:
    """As Keras 1 and 2 exported models: the checkpoint has other names than the graph, here those of each other."""
    _check(_saved(tmp_path / "m", keys={"dense": "kernel", "layer-1/kernel/.ATTRIBUTES/VARIABLE_VALUE": "dense"}))


def test_a_single_signature_of_any_name_and_images_of_integers(tmp_path: Path) -> None:
    model = _load(_saved(tmp_path / "m", dtype=tf.uint8, signature="predict"))
    images = np.round(make_images() * 60 + 128)
    logits = _expected(images.astype(np.float32))[1]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    said = model.predict(images).probabilities
    np.testing.assert_allclose(said, p / p.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-6)


def test_several_outputs_of_the_signature(tmp_path: Path) -> None:
    def head(logits: Any) -> dict[str, Any]:
        return {"class": tf.argmax(logits, 1), "logits": tf.identity(logits), "probabilities": tf.nn.softmax(logits)}

    saved = _saved(tmp_path / "m", head)
    assert _check(saved, output="probabilities").head == "softmax"
    assert _check(saved, output="logits").head == "logits"
    with pytest.raises(ModelError, match=r"3 outputs, 'class' \(N\), 'logits' \(N, 3\), 'probabilities' \(N, 3\)"):
        _load(saved)


def test_the_graph_for_serving_among_several(tmp_path: Path) -> None:
    saved = _saved(tmp_path / "m", tags=("serve",))
    content = _content(saved)
    training = content.meta_graphs.add()
    training.CopyFrom(content.meta_graphs[0])
    training.meta_info_def.tags[:] = ["train"]
    training.signature_def.clear()
    content.meta_graphs.reverse()
    _write(saved, content)
    _check(saved)
    for graph in content.meta_graphs:
        graph.meta_info_def.tags[:] = ["train"]
    _write(saved, content)
    _refused(saved, "2 graphs, not one for serving: train; train")


def test_without_a_grid_it_predicts(tmp_path: Path) -> None:
    graph = tf.Graph()
    with graph.as_default(), old.Session() as session:
        images = old.placeholder(tf.float32, (None, *SIZE))
        made = old.get_variable("dense", (int(np.prod(SIZE)), 3))
        outputs = tf.nn.softmax(tf.reshape(images, (-1, int(np.prod(SIZE)))) @ made)
        session.run(old.global_variables_initializer())
        weights = session.run(made)
        old.saved_model.simple_save(session, str(tmp_path / "m"), {"x": images}, {"y": outputs})
    model = _load(tmp_path / "m")
    assert (model.layer, model.differentiable) == ("", False)
    logits = make_images().reshape(BATCH, -1) @ weights
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(make_images()).probabilities, p, rtol=1e-4)


class TestRefused:
    def test_what_the_outputs_depend_on_may_not_reach_out(self, tmp_path: Path) -> None:
        def head(logits: Any) -> dict[str, Any]:
            read = tf.strings.length(tf.io.read_file(str(tmp_path / "secret")))
            return {"y": tf.nn.softmax(logits + tf.cast(read, tf.float32))}

        _refused(_saved(tmp_path / "m", head), "its graph can reach beyond the model, with ReadFile")

    def test_nor_a_function_that_they_call(self, tmp_path: Path) -> None:
        @tf.function
        def inner(logits: Any) -> Any:
            return logits + tf.cast(tf.strings.length(tf.io.read_file("secret")), tf.float32)

        saved = _saved(tmp_path / "m", lambda logits: {"y": tf.nn.softmax(inner(logits))})
        _refused(saved, "its graph can reach beyond the model, with ReadFile")

    @pytest.mark.parametrize("beside", [False, True])
    def test_what_tensorflow_would_run_on_loading_never_runs(self, tmp_path: Path, beside: bool) -> None:
        """TensorFlow's own loader runs it, or this test would show nothing."""
        written = tmp_path / "written"
        saved = _saved(tmp_path / "m", before=lambda: tf.io.write_file(str(written), "x"))
        if beside:  # the same in an operation that the outputs wait for
            content = _content(saved)
            graph = content.meta_graphs[0]
            writing = next(node.name for node in graph.graph_def.node if node.op == "WriteFile")
            next(node for node in graph.graph_def.node if node.op == "Relu").input.append(f"^{writing}")
            _write(saved, content)
        _check(saved)
        assert not written.exists()
        tf.saved_model.load(str(saved))
        assert written.exists()

    def test_another_checkpoint_is_not_read(self, tmp_path: Path) -> None:
        """The graph may name any file for its weights: none but the one beside it is opened."""
        saved = _saved(tmp_path / "m")
        content = _content(saved)
        for node in content.meta_graphs[0].graph_def.node:
            if node.op in ("RestoreV2", "SaveV2"):
                node.input[0] = "elsewhere"
        constant = content.meta_graphs[0].graph_def.node.add(name="elsewhere", op="Const")
        constant.attr["dtype"].type = tf.string.as_datatype_enum
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(str(tmp_path / "other")))
        _write(saved, content)
        _check(saved)

    def test_weights(self, tmp_path: Path) -> None:
        saved = _saved(tmp_path / "shape")
        content = _content(saved)
        variable = next(node for node in content.meta_graphs[0].graph_def.node if node.name == "dense")
        variable.attr["shape"].shape.dim[0].size = 5
        _write(saved, content)
        _refused(saved, "its checkpoint has the weights 'dense' in another shape")
        _refused(_saved(tmp_path / "lacks", keys={"kernel": "kernel"}), "the weights 'dense' not at all")
        saved = _saved(tmp_path / "none")
        (saved / "variables" / "variables.index").unlink()
        _refused(saved, "cannot load the model")
        saved = _saved(tmp_path / "damaged")
        data = saved / "variables" / "variables.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:100])
        _refused(saved, "cannot load the model")
        _refused(_saved(tmp_path / "large"), "would take", limits={"weights_bytes": KERNEL.nbytes})

    def test_inputs(self, tmp_path: Path) -> None:
        def dropped(logits: Any) -> dict[str, Any]:
            return {"y": tf.nn.softmax(logits * old.placeholder(tf.float32, (), name="keep"))}

        _refused(_saved(tmp_path / "keep", dropped), "needs more than images: its graph asks for 'keep'")
        saved = _saved(tmp_path / "two")
        content = _content(saved)
        inputs = content.meta_graphs[0].signature_def["serving_default"].inputs
        inputs["other"].CopyFrom(inputs["Image"])
        _write(saved, content)
        _refused(saved, "takes 2 inputs (Image, other); one image input is needed")
        del inputs["other"]
        inputs["Image"].dtype = tf.string.as_datatype_enum
        _write(saved, content)
        _refused(saved, "takes no images: its input is of type string")

    def test_signatures(self, tmp_path: Path) -> None:
        saved = _saved(tmp_path / "m")
        content = _content(saved)
        named = content.meta_graphs[0].signature_def
        named["one"].CopyFrom(named["serving_default"])
        named["two"].CopyFrom(named["serving_default"])
        del named["serving_default"]
        _write(saved, content)
        _refused(saved, "signatures one, two and no serving_default")
        named.clear()
        _write(saved, content)
        _refused(saved, "has no signature")

    def test_a_damaged_graph(self, tmp_path: Path) -> None:
        saved = _saved(tmp_path / "m")
        content = _content(saved)
        graph = content.meta_graphs[0].graph_def
        graph.node.remove(next(node for node in graph.node if node.op == "Mean"))
        _write(saved, content)
        _refused(saved, "it lacks the node 'Mean'")


def _content(folder: Path) -> Any:
    return saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())


def _write(folder: Path, content: Any) -> None:
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())


def _refused(folder: Path, says: str, **config: Any) -> None:
    with pytest.raises(ModelError) as caught:
        _load(folder, **config)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
