"""A browser in front of a page; a word in its console fails the test."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextlib.contextmanager
def opened(address: str) -> Iterator[Page]:
    """The page in a laptop's window; skips loudly without a browser."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        reason = "NO BROWSER: install chromium to run the browser tests"
        (pytest.fail if os.environ.get("XINQIAO_BROWSER_REQUIRED") else pytest.skip)(reason)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 1440, "height": 900})
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("console", lambda word: complaints.append(word.text) if word.type in {"error", "warning"} else None)
        shown.goto(address)
        yield shown
        browser.close()
    assert complaints == []
