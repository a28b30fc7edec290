"""What a user's own function or object answers: outputs of every shape, kind and value."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

from .trying import WRONG, Attempt, Kind, sentence

SIDE = 6


class Unreadable:
    """An answer that breaks whoever looks at it."""

    def __array__(self, *arguments: Any, **named: Any) -> Any:
        raise SystemExit(0)

    def __len__(self) -> int:
        raise OverflowError("no length")


def odd_answers(attempt: Attempt) -> str:
    """A function whose answers change from call to call: a sentence, or predictions that are rows of probabilities."""
    import numpy as np

    from bias_audit.config import HEADS, AuditConfig
    from bias_audit.models.doors import load_model

    rng = attempt.rng
    names = tuple("abcdef"[: rng.randint(2, 4)])
    plans = [_plan(rng, len(names)) for _ in range(3)]
    calls: list[int] = []

    def predict(images: Any) -> Any:
        calls.append(1)
        _, make = plans[0] if rng.random() < 0.8 else rng.choice(plans)
        if rng.random() < 0.1:
            images[:] = math.nan
        return make(len(images))

    if rng.random() < 0.2:
        predict.input_size = rng.choice(((SIDE, SIDE, 3), (0, 1, 3), "large", (SIDE,), (10**9, 10**9, 3), None))  # type: ignore[attr-defined]
    given: Any = (lambda: predict) if rng.random() < 0.5 else predict
    head = rng.choice((None, None, *HEADS))
    attempt.what = f"{'made' if given is not predict else 'plain'}, --head {head}: {', '.join(k for k, _ in plans)}"
    size = None if hasattr(predict, "input_size") else (SIDE, SIDE)

    def audit() -> None:
        model = load_model(given, AuditConfig(image_size=size, batch_size=4, head=head), names)
        pixels = np.zeros((7, *model.input_size), np.float32)
        said = model.predict(pixels)
        if pixels.any():
            attempt.bad(WRONG, "the caller's images were changed")
        shapes = [each.shape for each in (said.probabilities, said.log_odds, said.other)]
        if shapes != [(7, len(names)), (7, len(names)), (7,)]:
            attempt.bad(WRONG, f"shapes {shapes}")
        valid = said.probabilities[said.valid]
        if ((valid < -0.01) | (valid > 1.01)).any() or not np.isfinite(said.log_odds[said.valid]).all():
            attempt.bad(WRONG, f"probabilities {valid.tolist()}")

    return sentence(audit)


def _plan(rng: Random, classes: int) -> tuple[str, Any]:
    """(what it is, number of images -> answer)."""
    import numpy as np

    numbers = np.random.default_rng(rng.randrange(2**32))
    width = classes if rng.random() < 0.8 else rng.choice((0, 1, 2, 3, 7, 1000))

    def rows(count: int) -> Any:
        return numbers.normal(0, rng.choice((1e-3, 1, 30, 1e30)), (count, width))

    def probabilities(count: int) -> Any:
        return numbers.dirichlet(np.ones(max(width, 1)), count)

    def spoiled(count: int) -> Any:
        values = probabilities(count).astype(rng.choice((np.float16, np.float32, np.float64)))
        values[rng.randrange(count), rng.randrange(values.shape[1])] = rng.choice((np.nan, np.inf, -np.inf, 2, -1))
        return values

    answers: dict[str, Any] = {
        "logits": rows, "probabilities": probabilities, "spoiled": spoiled,
        "bool": lambda count: rows(count) > 0,
        "integers": lambda count: numbers.integers(-(2**62), 2**62, (count, width)),
        "complex": lambda count: rows(count) + 1j,
        "lists": lambda count: probabilities(count).tolist(),
        "ragged": lambda count: [[0.5] * (i + 1) for i in range(count)],
        "texts": lambda count: [["cat"] * width] * count,
        "objects": lambda count: np.full((count, width), None),
        "fewer": lambda count: probabilities(max(count - 1, 0)),
        "more": lambda count: probabilities(count + 1),
        "flat": lambda count: probabilities(count).ravel(),
        "deeper": lambda count: probabilities(count)[..., None],
        "nothing": lambda count: None,
        "unreadable": lambda count: Unreadable(),
        "generator": lambda count: (row for row in probabilities(count)),
        "raises": lambda count: (_ for _ in ()).throw(rng.choice((ValueError, SystemExit, KeyboardInterrupt))("no")),
    }  # fmt: skip
    name = rng.choice((*answers, "logits", "probabilities", "probabilities", "spoiled"))
    return name, answers[name]


def odd_objects(attempt: Attempt) -> str:
    """An object with odd attributes that predicts oddly, with layers or without: a sentence, or sound arrays."""
    import numpy as np

    from bias_audit.config import AuditConfig
    from bias_audit.models.base import Activations, Explanation, Predictions
    from bias_audit.models.doors import load_model

    rng = attempt.rng
    plans = [_plan(rng, 2) for _ in range(4)]

    odd = rng.choice((0, 0, 0.1, 0.5))

    def any_of(count: int) -> Any:
        return rng.choice(plans)[1](count) if rng.random() < odd else np.full((count, 2), 0.5)

    class Odd:
        input_size, batch_size, sha256, notes, inside, head, outputs = (
            (SIDE, SIDE, 3),
            4,
            "0" * 64,
            (),
            (),
            "softmax",
            2,
        )

        def predict(self, images: Any) -> Any:
            rest = np.zeros(len(images)) if rng.random() > odd else any_of(len(images))
            outdone = rng.choice((None, None, np.zeros(len(images), bool), [1.0] * len(images)))
            return Predictions(any_of(len(images)), any_of(len(images)), rest, outdone)

    class Whole(Odd):
        layer, grid, layers, differentiable = "one", (2, 2), (("one", (2, 2)), ("two", (1, 1))), True

        def explain(self, images: Any, labels: Any, weigh: Any) -> Any:
            maps = np.zeros((len(images), 2, 2)) if rng.random() > odd else any_of(len(images))
            return Explanation(self.predict(images), maps, np.zeros((len(images), 2, 2)))

        def activations(self, images: Any, labels: Any) -> Any:
            values = np.zeros((len(images), 2, 2, 3)) if rng.random() > odd else any_of(len(images))
            return Activations(self.predict(images), values, values, values)

        def input_gradients(self, images: Any, targets: Any) -> Any:
            return images if rng.random() > odd else any_of(len(images))

        def at_layer(self, path: str) -> Any:
            return self if rng.random() > odd else any_of(1)

        def randomised(self, seed: int) -> Any:
            return any_of(1)

    given: Any = rng.choice((Odd, Whole))()
    attempt.what = f"{type(given).__name__}: {', '.join(name for name, _ in plans)}"
    if rng.random() < 0.3:
        names = [name for name in dir(given) if not name.startswith("_")]
        name, value = (
            rng.choice(names),
            rng.choice((None, -1, "x", (), (0, 0, 0), Unreadable(), math.nan, 10**30, [[]])),
        )
        attempt.what += f", {name} = {value!r}"
        setattr(given, name, value)
    layer = rng.choice(("auto", "auto", "two"))
    labels = np.zeros(3, np.intp)

    def audit() -> None:
        model = load_model(given, AuditConfig(layer=layer), ("a", "b"))
        pixels = np.zeros((3, *model.input_size), np.float32)
        said = [model.predict(pixels)]
        if model.differentiable:
            way = rng.randrange(4)
            if way == 0:
                explained = model.explain(pixels, labels, lambda values, gradients, xp: values[0])
                said.append(explained.predictions)
                if explained.maps.ndim != 3 or explained.maps.dtype != np.float32:
                    attempt.bad(WRONG, f"maps {explained.maps.shape}")
            elif way == 1:
                said.append(model.activations(pixels, labels).predictions)
            elif way == 2 and model.input_gradients(pixels, labels).shape != pixels.shape:
                attempt.bad(WRONG, "gradients of another shape")
            elif way == 3:
                with model.randomised(0):
                    pass
        for each in said:
            if each.probabilities.shape != (3, 2) or each.log_odds.shape != (3, 2) or each.other.shape != (3,):
                attempt.bad(WRONG, f"shapes {each.probabilities.shape}, {each.log_odds.shape}, {each.other.shape}")
            valid = each.probabilities[each.valid]
            if ((valid < -0.01) | (valid > 1.01)).any() or len(each.predicted) != 3 or len(each.probability) != 3:
                attempt.bad(WRONG, f"probabilities {valid.tolist()}")

    return sentence(audit)


def odd_modules(attempt: Attempt) -> str:
    """A module of PyTorch that returns odd things, or changes what it is given: a sentence, or sound arrays."""
    import numpy as np
    import torch
    from torch import nn

    from bias_audit.config import AuditConfig
    from bias_audit.models.doors import load_model

    rng = attempt.rng
    torch.manual_seed(rng.randrange(1000))

    def answer(outputs: Any) -> Any:
        answers = {
            "outputs": lambda: outputs,
            "packed": lambda: (outputs,),
            "named": lambda: {"logits": outputs},
            "two": lambda: [outputs, outputs],
            "nothing": lambda: None,
            "array": lambda: outputs.detach().numpy(),
            "turned": lambda: outputs.T,
            "fewer": lambda: outputs[:1],
            "none": lambda: outputs[:, :0],
            "integers": lambda: outputs.long(),
            "not finite": lambda: outputs / 0,
            "in place": lambda: outputs.mul_(2),
            "detached": lambda: outputs.detach(),
            "complex": lambda: outputs + 1j,
            "half": lambda: outputs.half(),
            "raises": lambda: (_ for _ in ()).throw(rng.choice((ValueError, SystemExit, KeyboardInterrupt))("no")),
        }
        return answers[kinds[0] if rng.random() < 0.97 else rng.choice(list(answers))]()

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, rng.choice((1, 1, 3, 3, 3, 9)))
            self.head = nn.Linear(4, 2)

        def forward(self, images: Any) -> Any:
            if rng.random() < 0.1:
                images[:] = math.nan
            with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
                values = nn.functional.relu(self.first(images), inplace=True)
            return answer(self.head(values.mean(dim=(2, 3))))

    frozen = rng.random() < 0.2
    kinds = ["outputs", "outputs", "packed", "named", "two", "nothing", "array", "turned", "raises", "detached", "half"]
    kinds = [rng.choice(kinds)]
    given: nn.Module = rng.choice((Odd, Odd, Odd, lambda: nn.Sequential(Odd(), nn.Softmax(1))))()
    if rng.random() < 0.2:
        given.input_size = rng.choice(((SIDE, SIDE, 3), (0, 1, 3), "large", (SIDE,), (10**9, 10**9, 3), None))  # type: ignore[assignment]
    attempt.what = f"{kinds[0]}{', a frozen backbone' if frozen else ''}, {given}"
    size = None if hasattr(given, "input_size") else (SIDE, SIDE)
    labels = np.zeros(3, np.intp)

    def audit() -> None:
        model = load_model(given, AuditConfig(image_size=size, batch_size=4), ("a", "b"))
        pixels = np.zeros((3, *model.input_size), np.float32)
        said = model.predict(pixels)
        if model.differentiable:
            model.input_gradients(pixels, labels)
            with model.randomised(0):
                said = model.explain(
                    pixels, labels, lambda values, gradients, xp: xp.sum(values[0], axis=3)
                ).predictions
        if pixels.any():
            attempt.bad(WRONG, "the caller's images were changed")
        if said.probabilities.shape != (3, 2) or said.log_odds.shape != (3, 2):
            attempt.bad(WRONG, f"shapes {said.probabilities.shape}, {said.log_odds.shape}")

    told = sentence(audit)
    if any(module._forward_hooks or module._forward_pre_hooks for module in given.modules()):
        attempt.bad(WRONG, "a hook was left")
    return told


def nothing(folder: Path) -> None:
    """No material is needed."""


KINDS = {
    "predict functions: answers": Kind(odd_answers, nothing, 40, 20),
    "modules of PyTorch: answers": Kind(odd_modules, nothing, 40, 20, heavy=True),
    "models in memory: attributes and answers": Kind(odd_objects, nothing, 40, 20),
}
