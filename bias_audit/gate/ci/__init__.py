"""Ready files for services of continuous integration, printed by `bias-audit gate --ci NAME` for a user to edit."""

from __future__ import annotations

from importlib import resources

READY = {
    "github": ".github/workflows/background-bias.yml",
    "gitlab": ".gitlab-ci.yml",
    "pre-commit": ".pre-commit-config.yaml",
}
"""Service -> where its file belongs in a repository."""


def ready_file(service: str) -> str:
    """YAML text of the file for a service in READY; its first lines say where to save the file and what to fill in."""
    return resources.files(__name__).joinpath(f"{service}.yml").read_text(encoding="utf-8")
