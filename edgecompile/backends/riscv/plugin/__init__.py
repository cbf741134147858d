"""A plugin for QEMU that counts instructions."""

from __future__ import annotations

from importlib.resources import files


def source() -> bytes:
    """Its C."""
    return files(__name__).joinpath("count.c").read_bytes()
