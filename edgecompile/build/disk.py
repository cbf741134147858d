"""What a disk that cannot be written to means for a person."""

from __future__ import annotations

import errno
from pathlib import Path

from edgecompile.errors import UserError

_REASONS = {
    errno.EACCES: "permission denied",
    errno.EDQUOT: "the disk quota is used up",
    errno.EEXIST: "a file is in the way",
    errno.EFBIG: "the file is larger than the system allows",
    errno.ENOSPC: "no space is left on the disk",
    errno.ENOTDIR: "a file is in the way",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
}


def disk_error(error: OSError, folder: Path, remedy: str) -> UserError | None:
    """The error to show when writing to `folder` failed; None when the disk is not the reason."""
    if error.errno not in _REASONS:
        return None
    return UserError(f"cannot write to {folder}: {_REASONS[error.errno]}", remedy=remedy)
