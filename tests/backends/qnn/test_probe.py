"""Is Qualcomm's library here, and if not, would installing it help?"""

from __future__ import annotations

import importlib.metadata
import platform
import sys

import pytest

from edgecompile.backends.qnn.backend import QnnBackend


@pytest.fixture
def without_package(monkeypatch):
    """As on a machine where onnxruntime-qnn was never installed, else a Debian 12 of x86_64."""
    version = importlib.metadata.version

    def known(name):
        if name == "onnxruntime-qnn":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", known)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(sys, "platform", "linux")


def test_a_missing_wheel_is_one_command_away(edgecompile, tiny, without_package):
    result = edgecompile("build", "tiny", "-t", "snapdragon-8-gen-3")
    assert (result.exit_code, result.stdout, result.stderr) == (
        5,
        "",
        "error: the toolchain of the backend 'qnn' is missing: onnxruntime-qnn is not installed\n"
        "help: pip install onnxruntime-qnn\n",
    )


@pytest.mark.parametrize(
    ("module", "name", "value", "reason"),
    [
        (
            platform,
            "libc_ver",
            ("glibc", "2.31"),
            "needs glibc 2.35, and this system has glibc 2.31",
        ),
        (platform, "libc_ver", ("", ""), "needs glibc 2.35, and this system has"),
        (
            platform,
            "machine",
            "aarch64",
            "is made for Linux on x86_64, and this is Linux on aarch64",
        ),
    ],
)
def test_a_machine_that_cannot_have_it_is_told_so(
    without_package, monkeypatch, module, name, value, reason
):
    monkeypatch.setattr(module, name, lambda: value)
    probe = QnnBackend().probe()
    assert not probe.available
    assert probe.reason == f"onnxruntime-qnn {reason}"
    assert "Debian 12" in probe.remedy


def test_the_rest_of_edgecompile_works_without_it(edgecompile, tiny, without_package):
    assert edgecompile("build", "tiny", "-q").exit_code == 0
    assert edgecompile("targets", "show", "snapdragon-8-gen-3").exit_code == 0
    result = edgecompile("doctor")
    assert result.exit_code == 0
    assert "pip install onnxruntime-qnn" in result.stdout
