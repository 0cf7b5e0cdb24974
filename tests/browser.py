"""
A real Chromium for tests of the page; where none is installed these tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def executable() -> str | None:
    """The browser that ``STORE_CONFORMANCE_CHROMIUM`` names, or one on PATH."""
    return os.environ.get("STORE_CONFORMANCE_CHROMIUM") or next(
        (found for name in NAMES if (found := shutil.which(name))), None
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; skips the test where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="unverified: playwright is not installed"
    )
    program = executable()
    if program is None:
        pytest.skip("unverified: no Chromium on PATH (STORE_CONFORMANCE_CHROMIUM may name one)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that is open, with everything that it complained of."""

    def __init__(
        self,
        browser: Browser,
        path: Path,
        *,
        width: int = 1280,
        height: int = 800,
        place: str = "",
        scheme: str = "light",
        script: bool = True,
    ) -> None:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=script,
        )
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._asked)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + (f"#{place}" if place else ""))
        if script:
            self.page.wait_for_selector("html[data-ready=yes]")

    def _asked(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()  # the page would wait for an answer

    def nodes(self) -> int:
        return int(self.page.evaluate("document.querySelectorAll('*').length"))

    def wide(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def focused(self) -> str:
        return str(
            self.page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )

    def close(self) -> None:
        self.page.context.close()
