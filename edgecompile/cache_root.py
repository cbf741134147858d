"""Where lies what can be made again: finished steps, and what toolchains keep for themselves."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "EDGECOMPILE_CACHE"


def default_cache_root() -> Path:
    """$EDGECOMPILE_CACHE, else the user's cache folder of this platform."""
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        return Path(configured)
    import platformdirs

    return platformdirs.user_cache_path("edgecompile")
