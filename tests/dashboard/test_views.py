"""Gallery, Generations, Accounts, Faults and Report: their buttons and hostile text."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import mockhub.dashboard.page
from mockhub.cli.ctl.group import ctl
from mockhub.domain.keys import key_digest
from mockhub.faults.grammar import parse_directives
from tests.support.live_server import KEY, LOW, LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.xdist_group("browser")

expect.set_options(timeout=20_000)

HOSTILE = (
    "</p><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> \u202eabc "
    + ("long" * 60)
)
STATIC = Path(mockhub.dashboard.page.__file__).with_name("static")
JAVASCRIPT = {"content_type": "text/javascript"}
LOOKS: list[list[Any]] = [[(360, "light"), (2560, "dark")], [(360, "dark"), (2560, "light")]]
VIOLATIONS = """axe.run(document, { resultTypes: ["violations"] })
    .then(({ violations }) => violations.map(({ id }) => id))"""
TOO_WIDE = """[...document.querySelectorAll(".detail, .card, fieldset")]
    .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"""
# The link to a view, what is clicked in it, and what appears.
PICTURES = [
    ("Requests", "", ".row"),
    ("Requests", ".row", ".detail h2"),
    ("Generations", "", "td"),
    ("Accounts", "", ".plot"),
    ("Faults", "", "td"),
    ("Clock", "", "dd"),
    ("Report", "", "td"),
    ("Contract", "", ".card"),
    ("Gallery", "", ".thumbnail img"),
    ("Gallery", ".thumbnail", "dialog img"),
]


def open_view(page: Page, hub: LiveHub, view: str = "requests", **params: Any) -> None:
    origin = str(hub.client.base_url.copy_with(path="/_mockhub/"))
    page.goto(str(httpx.URL(origin, params={"hub": hub.backend.name, "view": view, **params})))
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator(".view > *").first).to_be_visible()


def control(hub: LiveHub, method: str, path: str, json: Any = None) -> Any:
    """Call the control plane for this hub."""
    url = hub.client.base_url.copy_with(path=f"/_mockhub/hubs/{hub.backend.name}{path}")
    response = hub.client.request(method, url, json=json)
    assert response.is_success, response.text
    return response.json()


def row(page: Page, text: str) -> Locator:
    return page.locator("tbody tr", has_text=text)


def test_empty_views_say_what_to_do(page: Page, hub: LiveHub) -> None:
    """Where there is nothing, the view has the command that leads to something."""
    hub.server.call(hub.backend.generations.clear)
    for view, command in (
        ("gallery", f"curl {hub.url}/api/v1/images/generations"),
        ("generations", "[[never]]"),
        ("faults", f"--hub {hub.backend.name} arm-fault"),
        ("report", f"curl {hub.url}/api/v1/images/generations"),
    ):
        open_view(page, hub, view)
        expect(page.locator(".empty pre")).to_contain_text(command)
    hub.server.call(lambda: hub.backend.keys.revoke(key_digest(KEY.encode())))
    open_view(page, hub, "gallery")
    expect(page.locator(".empty pre")).to_contain_text("Bearer $MOCKHUB_KEY")


# -- gallery -------------------------------------------------------------------------------------


def test_image_appears_and_can_be_downloaded(page: Page, hub: LiveHub) -> None:
    """Siblings are together; a click shows one whole; the file is the one of the public URL."""
    open_view(page, hub, "gallery")
    made = hub.generate({"prompt": "A red apple", "n": 3, "size": "1536x1024"}).json()
    card = page.locator("article", has_text="A red apple")
    expect(card.get_by_role("button")).to_have_count(3)
    expect(card).to_contain_text("1536x1024 · 1K · 24 credits · documentation")
    image = card.locator("img").first
    image.scroll_into_view_if_needed()
    expect(image).to_have_js_property("naturalWidth", 320)
    card.get_by_role("button", name="Image 2 of 3").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img")).to_have_js_property("naturalWidth", 1536)
    expect(dialog).to_contain_text("1536 × 1024, image/png")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"{made['id']}-2.png"
    data = Path(download.value.path()).read_bytes()
    assert data == hub.client.get(made["images"][1]["url"]).content
    dialog.get_by_role("button", name="Next image").click()
    expect(dialog).to_contain_text("3 of 3")
    page.reload()
    expect(page.get_by_role("dialog")).to_contain_text("3 of 3")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_gallery_leaves_no_trace(page: Page, hub: LiveHub) -> None:
    """Images of the page add nothing to the journal, and no fault fires."""
    hub.generate({})
    hub.server.call(lambda: hub.backend.arm(parse_directives("status=404 on=get_image")))
    total = hub.backend.journal.total
    open_view(page, hub, "gallery")
    expect(page.locator(".thumbnail img").first).to_have_js_property("naturalWidth", 320)
    assert hub.backend.journal.total == total


# -- generations ---------------------------------------------------------------------------------


def test_running_generation_is_completed_by_hand(page: Page, hub: LiveHub) -> None:
    """Complete delivers and charges, Fail refunds; progress follows the hub's clock."""
    control(hub, "PUT", "/provider", {"script": ["never", "never", "duration=40s"]})
    kept, failed, timed = (hub.generate({"async": True}).json()["id"] for _ in range(3))
    open_view(page, hub, "generations")
    row(page, kept).get_by_role("button", name="Complete").click()
    expect(row(page, kept)).to_contain_text("succeeded")
    row(page, failed).get_by_role("button", name="Fail").click()
    expect(row(page, failed)).to_contain_text("failed")
    control(hub, "POST", "/clock/advance", {"by": "10s"})
    expect(row(page, timed)).to_contain_text("25 %")
    assert hub.get(f"generations/{kept}").json()["status"] == "succeeded"
    assert hub.get(f"generations/{failed}").json()["status"] == "failed"
    page.get_by_label("Status").select_option("failed")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "status=failed" in page.url


def test_older_generations_are_read_on_demand(page: Page, hub: LiveHub) -> None:
    """Each click doubles the list; what one call cannot return is read page by page."""
    for _ in range(60):
        hub.generate({"size": "256x256"}, key="gih_live_" + 8 * "rich")
    page.route("**/live.js", lambda route: route.fulfill(body=_with_max_limit(30), **JAVASCRIPT))
    for view, item, shown, total in (
        ("generations", "tbody tr", 50, 61),
        ("gallery", "article", 24, 61),
        ("accounts", "[aria-label=Ledger] tbody tr", 61, 61),
    ):
        open_view(page, hub, view, account="rich")
        expect(page.locator(item)).to_have_count(shown)
        older = page.get_by_role("button", name="Show older")
        while page.locator(item).count() < total:
            before = page.locator(item).count()
            older.click()
            expect(page.locator(item)).to_have_count(min(total, 2 * before))
        expect(older).to_be_hidden()
        expect(page.locator("main")).to_contain_text("61 of 61")


def _with_max_limit(limit: int) -> str:
    return (STATIC / "live.js").read_text().replace("MAX_LIMIT = 1000", f"MAX_LIMIT = {limit}")


# -- accounts ------------------------------------------------------------------------------------


def test_balance_is_plotted_and_explained(page: Page, hub: LiveHub) -> None:
    """The arrow keys walk through the steps, and each is the entry of the ledger."""
    control(hub, "PUT", "/provider", {"script": ["fail"]})
    hub.generate({})
    open_view(page, hub, "accounts", account="documentation")
    chart, tip = page.get_by_role("slider"), page.locator(".tip")
    expect(tip).to_contain_text("refund +8, balance 120")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(tip).to_contain_text("charge −8, balance 112")
    assert "charge −8" in (chart.get_attribute("aria-valuetext") or "")
    chart.hover(position={"x": 1, "y": 20})
    expect(tip).to_contain_text("#1 grant")
    expect(page.get_by_label("Ledger").locator("tbody tr").first).to_contain_text("refund")
    hub.server.call(lambda: hub.backend.provider.__init__())  # type: ignore[misc]
    hub.generate({})
    expect(tip).to_contain_text("charge −8, balance 112")


def test_credits_are_granted(page: Page, hub: LiveHub) -> None:
    """The lot appears with its expiry; a wrong duration is explained and grants nothing."""
    open_view(page, hub, "accounts", account="low")
    page.get_by_label("Credits").fill("7")
    page.get_by_label("expire after").fill("soon")
    page.get_by_role("button", name="Grant credits").click()
    expect(page.locator("#messages")).to_contain_text("expires_in")
    assert hub.credits(LOW) == 24
    page.get_by_label("expire after").fill("1h")
    page.get_by_role("button", name="Grant credits").click()
    expect(page.get_by_label("Lots").locator("tbody tr").last).to_contain_text("09:00:00")
    assert hub.credits(LOW) == 31


def test_keys_are_created_expired_and_revoked(page: Page, hub: LiveHub) -> None:
    """A new key is shown once, and works until it is expired or revoked."""
    open_view(page, hub, "accounts", account="low")
    page.get_by_label("Name").fill("second")
    page.get_by_role("button", name="Create a key").click()
    raw = page.get_by_label("New key").text_content() or ""
    auth = {"headers": {"Authorization": f"Bearer {raw}"}}
    assert hub.get("credits", None, **auth).json()["credits"] == 24
    second = row(page, "second")
    second.get_by_role("button", name="Expire now").click()
    expect(second).to_contain_text("expired")
    assert hub.get("credits", None, **auth).json()["error"]["code"] == "expiredApiKey"
    second.get_by_role("button", name="Never expire").click()
    expect(second).to_contain_text("valid")
    assert hub.get("credits", None, **auth).status_code == 200
    second.get_by_role("button", name="Revoke").click()
    expect(second).to_contain_text("revoked")
    assert hub.get("credits", None, **auth).json()["error"]["code"] == "invalidApiKey"
    page.reload()
    expect(second).to_be_visible()
    assert raw not in page.content()


# -- faults --------------------------------------------------------------------------------------


def test_command_of_the_page_is_for_its_server(page: Page, hub: LiveHub) -> None:
    """The command that is shown arms the fault here, wherever the server listens."""
    open_view(page, hub, "faults")
    (_, *words) = shlex.split(page.locator(".empty pre").inner_text())
    subprocess.run([sys.executable, "-m", "mockhub", *words], check=True, capture_output=True)
    expect(row(page, "reset@after")).to_contain_text("once")


def test_command_of_the_page_names_no_default_address(page: Page, hub: LiveHub) -> None:
    """At the address that ctl uses by default, the command is short."""
    url = next(option for option in ctl.params if option.name == "url").default
    script, origin = (STATIC / "app.js").read_text("utf-8"), str(hub.client.base_url.join("/"))
    assert script.count(f'"{url}"') == 1
    script = script.replace(url, origin.rstrip("/"))
    page.route("**/app.js", lambda route: route.fulfill(body=script, **JAVASCRIPT))
    open_view(page, hub, "faults")
    command = f'mockhub ctl --hub {hub.backend.name} arm-fault "reset@after x1"'
    expect(page.locator(".empty pre")).to_have_text(command)


def test_scenes_arm_faults(page: Page, hub: LiveHub) -> None:
    """Each button arms the fault that it shows."""
    open_view(page, hub, "faults")
    for scene, fault, times in (
        ("Next request fails", "status=503@before", 1),
        ("Lose the response after the charge", "reset@after", 1),
        ("503 for 30 s", "status=503@before", None),
        ("Deliver 3 of 4", "deliver=3", 1),
    ):
        page.get_by_role("button", name=scene, exact=True).click()
        expect(row(page, fault)).to_be_visible()
        (armed,) = control(hub, "GET", "/faults")["faults"]
        assert (armed["fault"], armed["times"]) == (fault, times)
        assert (armed["expires_at"] is None) == (times is not None)
        page.get_by_role("button", name="Disarm all").click()
        expect(row(page, fault)).to_have_count(0)


def test_lost_response_is_found_in_the_report(page: Page, hub: LiveHub) -> None:
    """From the page alone: arm the scene, send twice, see why 8 credits were lost."""
    open_view(page, hub, "faults")
    page.get_by_role("button", name="Lose the response after the charge").click()
    expect(row(page, "reset@after")).to_be_visible()
    with pytest.raises(httpx.TransportError):
        hub.generate({})
    hub.generate({})
    expect(row(page, "reset@after").locator("strong")).to_have_text("1")
    expect(row(page, "reset@after")).to_contain_text("once, used up")
    open_view(page, hub, "report")
    finding = page.locator("article", has_text="double_charge")
    expect(finding).to_contain_text("8 credits lost")
    matrix = page.get_by_label("Operations and statuses")
    expect(matrix.locator("tr", has_text="create_generation")).to_contain_text("met 1×")
    outcomes = page.get_by_label("Error codes and states")
    expect(outcomes.locator("tr", has_text="insufficientCredits")).to_have_text(
        "insufficientCreditsnever met····"
    )
    succeeded = outcomes.locator("tbody tr").first.locator("td").nth(4)
    expect(succeeded).to_have_text("met 1×")
    finding.get_by_role("link", name="#1").click()
    expect(page.locator(".detail h2")).to_contain_text("1: POST")


def test_key_expires_at_once(page: Page, hub: LiveHub) -> None:
    open_view(page, hub, "faults")
    page.get_by_label("of the key").select_option("documentation")
    page.get_by_role("button", name="Key expires now").click()
    expect(page.locator("#toast")).to_contain_text("documentation has expired")
    assert hub.get("credits", KEY).json()["error"]["code"] == "expiredApiKey"


def test_fault_is_built_and_disarmed(page: Page, hub: LiveHub) -> None:
    """The drop-downs write the directive; the table counts, and disarms one or all."""
    open_view(page, hub, "faults")
    form = page.locator("form", has=page.locator("#fault"))
    for label, value in (("Fault", "status"), ("When", "after"), ("On", "get_credits")):
        form.get_by_label(label, exact=True).select_option(value)
    for label, value in (("Value", "429"), ("Times", "2"), ("Probability", "0.5"), ("For", "1h")):
        form.get_by_label(label, exact=True).fill(value)
    directive = "status=429@after x2 p=0.5 on=get_credits for=1h"
    expect(page.locator(".directive")).to_have_text(directive)
    form.get_by_role("button", name="Arm").click()
    expect(row(page, "status=429@after")).to_contain_text("2 times, p=0.5, until 2026-04-30 09:00")
    form.get_by_label("Fault", exact=True).select_option("fail")
    expect(form.get_by_label("When")).to_be_hidden()
    form.get_by_label("Prompt contains").fill(HOSTILE)
    form.get_by_role("button", name="Arm").click()
    expect(row(page, "window.hacked")).to_contain_text("fail")
    page.get_by_role("button", name="Disarm status=429@after").click()
    expect(page.get_by_label("Armed faults").locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Disarm all").click()
    expect(page.locator(".empty")).to_contain_text("No fault is armed")
    assert control(hub, "GET", "/faults")["faults"] == []


def test_button_that_is_pressed_while_the_view_changes_is_clicked(page: Page, hub: LiveHub) -> None:
    open_view(page, hub, "faults")
    control(hub, "POST", "/faults", {"fault": "fail"})
    page.get_by_role("button", name="Disarm all").hover()
    page.mouse.down()
    control(hub, "PUT", "/provider", {"script": ["fail"]})
    control(hub, "POST", "/faults", {"fault": "status=503"})
    expect(page.locator("#script")).to_have_value("fail")  # the view has been loaded again
    page.mouse.up()
    expect(page.locator(".empty")).to_contain_text("No fault is armed")
    assert control(hub, "GET", "/faults")["faults"] == []


def test_script_of_the_provider_is_set(page: Page, hub: LiveHub) -> None:
    """One outcome a line; a wrong one is explained with its place."""
    open_view(page, hub, "faults")
    page.locator("#script").fill("fail\n\ndeliver=1 duration=2s\n")
    page.get_by_role("button", name="Set the script").click()
    expect(page.locator("#script")).to_have_value("fail\ndeliver=1 duration=2000ms")
    page.locator("#script").fill("fial")
    page.get_by_role("button", name="Set the script").click()
    expect(page.locator("#messages")).to_contain_text("script[0]: unknown directive 'fial'")
    assert control(hub, "GET", "/provider")["script"] == ["fail", "deliver=1 duration=2000ms"]


# -- all -----------------------------------------------------------------------------------------


def test_views_are_accessible(page: Page, hub: LiveHub) -> None:
    """axe finds nothing, no view scrolls sideways, text stays text; each is saved as a picture."""
    axe = Axe()
    folder = Path(__file__).resolve().parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    fill_with_hostile_text(hub)
    open_view(page, hub)
    for number, (view, opened, expected) in enumerate(PICTURES):
        page.get_by_role("link", name=view, exact=True).click()
        if opened:
            page.locator(opened).first.click()
        expect(page.locator(expected).first).to_be_visible()
        for width, theme in LOOKS[number % 2]:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=theme)
            name = f"{view.lower()}{'-opened' if opened else ''}-{width}-{theme}.png"
            page.screenshot(path=folder / name)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(TOO_WIDE) == []
        page.evaluate(axe.axe_script)
        assert (view, page.evaluate(VIOLATIONS)) == (view, [])
        assert page.locator("main script, main img[src=x]").count() == 0
        assert page.evaluate("window.hacked") is None


def fill_with_hostile_text(hub: LiveHub) -> None:
    hub.generate({"prompt": HOSTILE, "n": 4})
    hub.generate({"prompt": "एक बिल्ली", "size": "1024x1536"})
    hub.generate({"prompt": "A wide harbour at dawn", "size": "3840x2160"})
    hub.generate({"prompt": "A lost one", "[[x]]": 1})
    hub.generate({"prompt": "It fails [[fail]]"})
    hub.generate({"prompt": "It runs [[duration=2m]]", "async": True})
    for _ in range(2):
        hub.generate({}, key="gih_live_" + 8 * "poor")
    hub.server.call(lambda: hub.backend.add_key("documentation", name=HOSTILE[:64]))
    for fault in ("status=503 x2 for=1h on=get_credits", "deliver=3 x1"):
        control(
            hub,
            "POST",
            "/faults",
            {"fault": fault, "prompt": HOSTILE} if "=3" in fault else {"fault": fault},
        )
