"""Write the ML-BOM of each target beside its manifest."""

from __future__ import annotations

from pathlib import Path

from edgecompile.build.package import sole_writer, write_whole
from edgecompile.errors import UserError
from edgecompile.release.bom import bom_bytes
from edgecompile.release.manifest import BOM, read_manifest, target_folders
from edgecompile.release.verify import verify


def write_boms(path: Path) -> list[Path]:
    """Write `bom.cdx.json` into each target's folder that `path` is or holds; returns the files.

    Raises:
        UserError: a folder is not what its manifest says, so that the BOM would be wrong as well.
    """
    folders = target_folders(path)
    for folder in folders:
        for found in verify(folder):
            # An older BOM is about to be replaced: what it says does not matter.
            wrong = [words for words in found.problems if not words.startswith(f"{BOM} ")]
            if wrong:
                raise UserError(
                    f"{folder}: {wrong[0]}", remedy="build it again: `edgecompile verify` says more"
                )
    for folder in folders:
        with sole_writer(folder):
            write_whole(folder / BOM, bom_bytes(read_manifest(folder)))
    return [folder / BOM for folder in folders]
