"""The page under a proxy: it shows what the exchanges show, and offers what the proxy allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.proxy.support import LiveProxy, start_proxy
from tests.support.live_server import KEY, LiveHub, serve_hub

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.xdist_group("browser")

FOLDER = Path(__file__).resolve().parents[2] / "build" / "screenshots"
# The buttons of each view, apart from those that copy and those of the list of requests.
BUTTONS = {
    "generations": [],
    "accounts": [],
    "clock": [],
    "contract": [],
    "faults": ["Next request fails", "Lose the response after the charge", "503 for 30 s", "Arm"],
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[LiveHub]:
    with serve_hub() as served:
        yield served


@pytest.fixture(scope="module")
def proxy(upstream: LiveHub) -> Iterator[LiveProxy]:
    with start_proxy(upstream.url + "/api/v1", control=True) as proxy:
        proxy.generate({"async": True, "prompt": "[[never]]"})
        proxy.generate({"prompt": "A red apple"})
        yield proxy


def open_view(page: Page, proxy: LiveProxy, view: str, query: str = "") -> None:
    page.goto(f"{proxy.url}/_mockhub/?view={view}{query}")
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#target")).to_have_text(f"Proxy of {proxy.api.target}")
    expect(page.locator(".view > *").first).to_be_visible()


def test_views_offer_what_the_proxy_allows(page: Page, proxy: LiveProxy) -> None:
    """No button leads to a refusal, and no text is left of one that is missing."""
    for view, buttons in BUTTONS.items():
        open_view(page, proxy, view)
        expect(page.locator("main td, main dd, main .empty").first).to_be_attached()
        labels = page.locator("main button:not(.copy)").all_text_contents()
        assert [label for label in labels if label != "Show older"] == buttons
        content = page.locator("main").inner_text()
        assert "false" not in content
        assert "Next event" not in content
        assert "undefined" not in content
        assert KEY not in content
        page.screenshot(path=FOLDER / f"proxy-{view}.png")


def test_page_shows_no_outcome_of_the_service(page: Page, proxy: LiveProxy) -> None:
    """A running generation has the status of its response, and nothing says how it ends."""
    open_view(page, proxy, "generations")
    expect(page.locator("tbody tr").last).to_contain_text("queued")
    expect(page.locator("main")).not_to_contain_text("Outcome")
    open_view(page, proxy, "requests", "&exchange=1")
    expect(page.locator(".detail")).to_contain_text("Generation")
    expect(page.locator(".detail")).not_to_contain_text("Outcome")
    expect(page.get_by_role("button", name="Resend")).to_have_count(0)


def test_contract_names_the_target(page: Page, proxy: LiveProxy) -> None:
    open_view(page, proxy, "contract")
    expect(page.locator("main .hint").first).to_contain_text(f"is this proxy of {proxy.api.target}")


def test_faults_of_a_proxy_can_be_armed(page: Page, proxy: LiveProxy) -> None:
    """The faults that are offered are those of the exchange."""
    open_view(page, proxy, "faults")
    page.get_by_role("button", name="Next request fails").click()
    expect(page.locator("tbody tr")).to_contain_text("status=503@before")
    assert page.locator("#fault optgroup").count() == 1
