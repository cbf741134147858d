"""Packages with backends: one installed by pip, and such that only look as if they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def install(package: Path, site: Path) -> None:
    """By pip, from a copy: setuptools builds in the folder of the source."""
    words = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *words, "--target", site, package],
        check=True,
    )


def pretend(
    site: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, package: str = "sick"
) -> None:
    """An installed package with one module and one entry point."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    reference = f"{package}_module:Backend"
    (info / "entry_points.txt").write_text(f"[edgecompile.backends]\n{name} = {reference}\n")
    (site / f"{package}_module.py").write_text(module)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, f"{package}_module", raising=False)
