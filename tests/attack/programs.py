"""Programs of PyTorch, whole and damaged, under any name: none is run by its file's name alone."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from .changing import changed_bytes
from .trying import EXECUTED, HARMLESS, Attempt, Kind, sentence


def programs_by_name(attempt: Attempt) -> str:
    """A program, as it is or with changed bytes, opened as a model: a sentence, and never a model."""
    from bias_audit.config import AuditConfig
    from bias_audit.models.doors import load_model

    rng = attempt.rng
    name = rng.choice(("program.pt", "program.pt2", "weights.pth"))
    path = attempt.folder / f"model{rng.choice(('.pt', '.pth', '.pt2', '.ts', '.bin', '.keras', '.h5', '.onnx', ''))}"
    shutil.copy(attempt.world / name, path)
    attempt.what = f"{name} as {path.name}"
    if rng.random() < 0.3:
        data, done = changed_bytes(path.read_bytes(), rng)
        path.write_bytes(data)
        attempt.what += f": {done}"
    elif rng.random() < 0.5:
        with zipfile.ZipFile(attempt.world / name) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        member = rng.choice(sorted(members))
        members[member], done = changed_bytes(members[member], rng)
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in members.items():
                archive.writestr(each, content)
        attempt.what += f": {member}: {done}"
    answer = sentence(lambda: load_model(path, AuditConfig(), None))
    if answer == HARMLESS:
        attempt.bad(EXECUTED, "the file was opened")
    return answer


def prepare(folder: Path) -> None:
    """A program of either kind, and weights alone."""
    import torch

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten())
    torch.jit.script(net).save(str(folder / "program.pt"))
    torch.export.save(torch.export.export(net, (torch.zeros(1, 3, 4, 4),)), folder / "program.pt2")
    torch.save(net.state_dict(), folder / "weights.pth")


KINDS = {"programs of PyTorch: by name": Kind(programs_by_name, prepare, 20, 0, heavy=True)}
