"""One build whose pages are looked at, and one browser that looks at them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.pages import build_with_pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "there is no chromium: as root, `make system` installs Debian's"


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """The folder of a built model: summary.html, and a folder for each of two targets."""
    return build_with_pages(tmp_path_factory.mktemp("pages"), shared_cache)


@pytest.fixture(scope="module")  # its event loop is in the way of builds in this process
def browser() -> Iterator[Any]:
    """Headless Chromium. In CI its absence is a failure, elsewhere a reason to skip."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as whom CI runs; the pages are ours.
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()
