"""The plugin that counts instructions, compiled for this machine once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from edgecompile.backends.isolation import run_isolated
from edgecompile.backends.riscv.compiler import TOOL, zig_cache
from edgecompile.backends.riscv.plugin import source
from edgecompile.backends.riscv.tools import run_zig
from edgecompile.cache_root import default_cache_root
from edgecompile.digest import digest_bytes

_LIBRARY = "libcount.so"
TIME_LIMIT_SECONDS = 120


def plugin() -> Path:
    """The compiled plugin in edgecompile's cache.

    Raises:
        ToolchainFailed: zig refuses its source.
    """
    text = source()
    folder = default_cache_root() / "toolchains" / "qemu" / digest_bytes(text)[:16]
    library = folder.resolve() / _LIBRARY
    if not library.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="edgecompile-", dir=folder) as name:
            _compile(text, Path(name))
            (Path(name) / _LIBRARY).replace(library)  # two builds at once: the last one stays
    return library


def _compile(text: bytes, folder: Path) -> None:
    (folder / "count.c").write_bytes(text)
    flags = ["-shared", "-fPIC", "-O2", "-nostdlib", "-fno-builtin", "-fno-sanitize=undefined"]
    # What it calls, QEMU itself brings when it loads the library.
    words = ["cc", *flags, "-Wl,-z,undefs", "count.c", "-o", _LIBRARY]
    ended = run_isolated(
        run_zig,
        str(zig_cache().resolve()),
        json.dumps([words]),
        tool=TOOL,
        seconds=TIME_LIMIT_SECONDS,
        folder=folder,
    )
    if not ended.succeeded:
        raise ended.failure()
