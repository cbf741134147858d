"""How many cores one process may keep busy: several work side by side in a large build."""

from __future__ import annotations

import os

_SHARE = "EDGECOMPILE_CORES"
"""In the environment, so that a toolchain in a process of its own keeps to it too."""


def share_cores(count: int) -> None:
    """Let this process and its children use `count` cores, not all of the machine's."""
    os.environ[_SHARE] = str(count)


def quiet_cores(count: int) -> list[int]:
    """The numbers of at most `count` cores, those that are least busy just now first."""
    import psutil

    busy: list[float] = psutil.cpu_percent(interval=0.2, percpu=True)
    usable: list[int] = psutil.Process().cpu_affinity()
    return sorted(usable, key=lambda core: busy[core])[:count]


def cores() -> int:
    """Cores for this process; all of the machine's unless it was given a share."""
    share = os.environ.get(_SHARE, "")
    return int(share) if share.isdecimal() and int(share) else os.cpu_count() or 1
