"""A browser for the tests of the page, and a hub on a server with a control plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.control.conftest import controlled, hub  # noqa: F401
from tests.support.tools import require

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


# Playwright's event loop runs in this thread until the browser is closed, and other packages
# call `asyncio.run`.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium; skip where it is not installed."""
    from playwright.sync_api import sync_playwright

    chromium = require("chromium")
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = driver.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """Open a window for all tests, which is quicker than one for each."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """Open a tab; fail the test if a script of the page failed or broke the policy."""
    page = window.new_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: _collect_violation(message, errors))
    yield page
    page.close()
    assert errors == []


def _collect_violation(message: Any, errors: list[str]) -> None:
    if "Content Security Policy" in message.text:
        errors.append(message.text)
