"""The page in a browser: its views, their buttons and their effects, and hostile text."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from mockhub.faults.grammar import parse_directives
from tests.support.live_server import KEY, PNG, LiveHub, serve_hub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect.set_options(timeout=20_000)

HOSTILE = "</pre><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
TABBABLE = """() => {
    const tags = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    const tabbable = [...document.querySelectorAll(tags)].filter((one) =>
        !one.disabled && one.tabIndex >= 0 && one.checkVisibility());
    window.reached = [];
    document.activeElement.blur();
    document.addEventListener("focusin", ({ target }) => window.reached.push([
        tabbable.indexOf(target), getComputedStyle(target).outlineStyle !== "none"]));
    return tabbable.length;
}"""


def open_view(page: Page, hub: LiveHub, view: str = "requests", **params: Any) -> None:
    origin = str(hub.client.base_url.copy_with(path="/_mockhub/"))
    page.goto(str(httpx.URL(origin, params={"hub": hub.backend.name, "view": view, **params})))
    expect(page.locator("#connection")).to_have_text("live")


def rows(page: Page) -> Any:
    return page.locator(".row")


def lose_a_response(hub: LiveHub) -> None:
    with pytest.raises(httpx.TransportError):
        hub.generate({}, headers={"X-Mockhub": "reset@after"})


def test_request_appears_live(page: Page, hub: LiveHub) -> None:
    """An empty hub shows a command; what it leads to appears without a reload."""
    open_view(page, hub)
    expect(page.get_by_text(f"curl {hub.url}/api/v1/images/generations")).to_be_visible()
    page.get_by_role("button", name="Or send it from here").click()
    expect(rows(page)).to_contain_text(["200 succeeded"])
    assert hub.credits() == 112
    expect(rows(page).first).to_contain_text("GET/credits")
    expect(page).to_have_title(re.compile(f"^Requests · {hub.backend.name} · mockhub$"))


def test_lost_response_is_explained(page: Page, hub: LiveHub) -> None:
    """The page alone says that credits were paid for a response that was lost, and why."""
    lose_a_response(hub)
    open_view(page, hub)
    rows(page).first.click()
    explanation = page.locator(".detail .money").first
    expect(explanation).to_contain_text("8 credits were paid")
    expect(explanation).to_contain_text("reset@after acted after the charge")
    expect(page.locator(".detail")).to_contain_text("charge−8")
    assert "exchange=1" in page.url


def test_armed_fault_that_did_not_fire_is_explained(page: Page, hub: LiveHub) -> None:
    """An exchange shows the faults that are armed, and why they did not fire in it."""
    faults = (
        ("status=503 on=get_credits", None, "only for get_credits"),
        ("status=502", "castle", 'only for prompts with "castle"'),
        ("status=500 nth=9", None, "only for request 9 of 1 so far"),
    )
    for fault, prompt, _ in faults:
        path = f"/_mockhub/hubs/{hub.backend.name}/faults"
        body = {"fault": fault, **({"prompt": prompt} if prompt else {})}
        hub.client.post(hub.client.base_url.copy_with(path=path), json=body).raise_for_status()
    hub.generate({})
    open_view(page, hub, exchange=1)
    for _, _, reason in faults:
        expect(page.locator(".detail li")).to_contain_text([reason])


def test_fault_that_fired_or_was_armed_later_is_no_near_miss(page: Page, hub: LiveHub) -> None:
    """A provider outcome is among the faults of its exchange, and nothing armed later is listed."""
    arm = f"/_mockhub/hubs/{hub.backend.name}/faults"
    for fault in ("fail x1", "status=502 nth=9"):
        hub.client.post(hub.client.base_url.copy_with(path=arm), json={"fault": fault})
    hub.generate({})
    hub.client.post(hub.client.base_url.copy_with(path=arm), json={"fault": "reset on=get_credits"})
    hub.generate({})
    open_view(page, hub, exchange=1)
    expect(rows(page).nth(1).locator(".notes")).to_have_text("fail")
    expect(page.locator(".detail .facts").first).to_contain_text("Faultsfail")
    expect(page.locator(".detail li")).to_have_text(
        ["status=502@before: only for request 9 of 2 so far"]
    )
    rows(page).first.click()
    expect(page.locator(".detail h2")).to_contain_text("2: POST")
    used_up = "fail: used up by now, or another fault or an error came first"
    expect(page.locator(".detail li").filter(has_text="fail")).to_have_text(used_up)


def test_fault_is_armed_and_its_loss_understood(page: Page, hub: LiveHub) -> None:
    """One click arms the loss of a response; the list leads to what it cost."""
    open_view(page, hub, "faults")
    page.get_by_role("button", name="Lose the response after the charge").click()
    expect(page.locator(".view")).to_contain_text("reset@after x1")
    page.get_by_role("link", name="Requests").click()
    with pytest.raises(httpx.TransportError):
        hub.generate({})
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("none −8")
    expect(page.locator(".head")).to_contain_text("StatusCreditsDurationFaults")
    rows(page).first.click()
    expect(page.locator(".detail .money").first).to_contain_text("8 credits were paid")


def test_filters_are_in_the_address(page: Page, hub: LiveHub) -> None:
    """Each filter narrows the list, and a reload keeps it."""
    hub.get("models")
    hub.generate({"n": 99})
    lose_a_response(hub)
    hub.get("credits", key=None)
    open_view(page, hub)
    for control, value, expected in (
        ("Filter", "missingapikey", "4"),
        ("Any status", "no response", "3"),
        ("Any operation", "list_models", "1"),
        ("Filter", "reset@after", "3"),
        ("Filter", "documentation 400", "2"),
    ):
        field = page.get_by_label(control, exact=True)
        field.select_option(value) if control.startswith("Any") else field.fill(value)
        expect(rows(page)).to_have_count(1)
        page.reload()
        expect(rows(page)).to_have_count(1)
        expect(rows(page).locator(".number").first).to_have_text(expected)
        page.get_by_role("button", name="Show all").click()
        expect(rows(page)).to_have_count(4)


def test_keyboard_is_enough(page: Page, hub: LiveHub) -> None:
    """j, k, Enter, Esc, p and c walk, open, close, pin and clear; clearing can be undone."""
    for _ in range(3):
        hub.get("models")
    open_view(page, hub)
    expect(rows(page)).to_have_count(3)
    for key in ("j", "j", "k", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".detail h2")).to_contain_text("3: GET → 200")
    page.keyboard.press("j")
    expect(page.locator(".detail h2")).to_contain_text("2: GET → 200")
    page.keyboard.press("p")
    expect(rows(page).first).to_contain_text("📌 2")
    page.keyboard.press("Escape")
    expect(page.locator(".detail")).to_be_hidden()
    page.keyboard.press("c")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_count(3)
    page.keyboard.press("c")
    expect(rows(page)).to_have_count(1)
    page.reload()
    page.get_by_role("button", name="Show all").click()
    expect(rows(page)).to_have_count(3)
    expect(page.get_by_role("button", name="Show all")).to_be_hidden()


def test_pause_holds_new_rows_back(page: Page, hub: LiveHub) -> None:
    """A paused list changes only when it is resumed."""
    hub.get("models")
    open_view(page, hub)
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    hub.get("models")
    expect(page.locator(".count")).to_contain_text("paused")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Resume").click()
    expect(rows(page)).to_have_count(2)


def test_exchange_is_sent_again(page: Page, hub: LiveHub) -> None:
    """Resend sends the request of the exchange with its key, and opens the new exchange."""
    hub.generate({})
    open_view(page, hub, exchange=1)
    page.get_by_role("button", name="Resend").click()
    expect(page.locator(".detail h2")).to_contain_text("2: POST → 200")
    assert hub.credits() == 104


def test_copied_commands_send_the_same_request(
    page: Page, hub: LiveHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands repeat a form with a file, and a body that is too long for the journal."""
    (tmp_path / "reference-1.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOCKHUB_KEY", KEY)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form = {"model": "gpt-image-2", "prompt": 'It\'s "a" <b>&\n', "n": "2"}
    files = {"reference_image": ("a.png", PNG)}
    hub.client.post(
        "api/v1/images/generations",
        data=form,
        files=files,
        headers={"Authorization": f"Bearer {KEY}"},
    )
    hub.generate({"prompt": "long " * 1000})
    for number, fields in ((1, form), (2, {"prompt": "long " * 1000})):
        open_view(page, hub, exchange=number)
        for language in ("curl", "httpx", "fetch"):
            page.get_by_role("button", name=f"Copy as {language}").click()
            expect(page.locator("#toast")).to_contain_text(f"Copied as {language}")
            command = page.evaluate("navigator.clipboard.readText()")
            if language == "fetch":
                assert ('"reference-1.png"' in command) == (number == 1)
                continue
            if language == "curl":
                subprocess.run(["sh", "-c", command], check=True, capture_output=True)
            else:
                exec(command, {})
            repeated = hub.backend.journal.newest(1)[0]
            assert (repeated.number, repeated.status) == (hub.backend.journal.total, 200)
            assert repeated.parsed_request is not None
            assert repeated.parsed_request.prompt == fields["prompt"]
            assert len(repeated.parsed_request.references) == (number == 1)


@pytest.mark.parametrize("label", ["Download", "HAR"])
def test_journal_is_saved_and_loaded(page: Page, hub: LiveHub, tmp_path: Path, label: str) -> None:
    """A file of a colleague is shown like the hub's own exchanges, and leads back to them."""
    hub.generate({"prompt": HOSTILE})
    open_view(page, hub)
    with page.expect_download() as download:
        page.get_by_role("button", name=label, exact=True).click()
    file = tmp_path / "journal.json"
    download.value.save_as(file)
    hub.get("models")
    expect(rows(page)).to_have_count(2)
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("1 exchanges of a file")).to_be_visible()
    rows(page).first.click()
    expect(page.locator(".detail")).to_contain_text("<script>")
    page.get_by_role("button", name="Back to the hub").click()
    expect(rows(page)).to_have_count(2)


BODY = {"headers": {}, "body": {"length": 0, "text": None, "sha256": None}}
EXCHANGE = {
    **{"number": 1, "method": "GET", "target": "/x", "status": 200, "faults": []},
    **{"request": BODY, "response": BODY},
}
REQUEST = {"method": "GET", "url": "http://host/x", "headers": []}


WRONG_FILES: list[tuple[Any, str]] = [
    (None, "it has neither a list `exchanges` nor `log.entries`"),
    ({"exchanges": [None]}, "exchanges[0] is null; expected an object with number, method,"),
    (
        {"exchanges": [EXCHANGE, {"number": 1}]},
        "exchanges[1].method is missing; expected a text",
    ),
    (
        {"exchanges": [{**EXCHANGE, "faults": [None]}]},
        "faults is [null]; expected a list of texts",
    ),
    (
        {"exchanges": [{**EXCHANGE, "request": {"body": {}}}]},
        "an object with headers and a body",
    ),
    (
        {"exchanges": [{**EXCHANGE, "milliseconds": "9"}]},
        'milliseconds is "9"; expected a number',
    ),
    (
        {"log": {"entries": [None]}},
        "log.entries[0] is null; expected an object with request, resp",
    ),
    (
        {"log": {"entries": [{"request": REQUEST}]}},
        "log.entries[0].response is missing; expected",
    ),
    (
        {"log": {"entries": [{"request": {**REQUEST, "url": "x"}}]}},
        "log.entries[0].request is {",
    ),
]


def test_wrong_file_is_explained(page: Page, hub: LiveHub, tmp_path: Path) -> None:
    """The message names the place, shows the value and says what is expected."""
    open_view(page, hub)
    file = tmp_path / "journal.json"
    for content, message in WRONG_FILES:
        file.write_text(json.dumps(content))
        page.locator("input[type=file]").set_input_files(file)
        expect(page.locator("#messages")).to_contain_text(message)


def test_hostile_text_stays_text(page: Page, hub: LiveHub) -> None:
    """A prompt, a path, a header and a fault with markup are shown as they are."""
    hub.generate({"prompt": HOSTILE}, headers={"X-Test": HOSTILE})
    hub.client.get("/api/v1/<img src=x onerror=alert(1)>")
    hub.server.call(lambda: hub.backend.create_account(HOSTILE))
    open_view(page, hub)
    for number in (1, 0):
        rows(page).nth(number).click()
        expect(page.locator(".detail h2")).to_contain_text(f"{2 - number}: ")
        page.locator(".detail summary").first.click()
        expect(page.locator(".detail img, .detail script")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_many_exchanges_do_not_choke_the_page(page: Page, hub: LiveHub, tmp_path: Path) -> None:
    """Of 10,000 exchanges only the rows in sight are in the document, and filters find all."""
    body = {"headers": {}, "body": {"length": 0, "text": None, "sha256": None}}
    exchange = {"method": "GET", "target": "/x", "status": 200, "request": body, "response": body}
    exchanges = [{**exchange, "number": number, "faults": []} for number in range(1, 10_001)]
    file = tmp_path / "journal.json"
    file.write_text(json.dumps({"exchanges": exchanges}))
    open_view(page, hub)
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator(".count")).to_have_text("10,000 of 10,000")
    assert 10 < rows(page).count() < 60
    page.locator(".list").evaluate("list => { list.scrollTop = list.scrollHeight }")
    expect(rows(page).last.locator(".number").first).to_have_text("1")
    page.get_by_label("Filter").fill("9999")
    expect(page.locator(".count")).to_have_text("1 of 10,000")


def test_hub_is_switched_by_a_part_of_its_name(
    page: Page, controlled: LiveHub, hub: LiveHub
) -> None:
    """The switcher lists the hubs and finds one by a part of its name."""
    with controlled.new_hub() as other:
        open_view(page, hub)
        page.locator("#hub").fill(other.backend.name)
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile(re.escape(other.backend.name)))
        other.get("models")
        expect(rows(page)).to_have_count(1)
        page.locator("#hub").fill("no such hub")
        page.keyboard.press("Enter")
        expect(page.locator("#messages")).to_contain_text("There is no hub")


def test_unknown_hub_leads_to_the_default_hub(page: Page, hub: LiveHub) -> None:
    """A bookmark of a hub that is gone says so, and has a link that works."""
    page.goto(str(hub.client.base_url.copy_with(path="/_mockhub/", query=b"hub=gone&view=clock")))
    expect(page.locator("#messages")).to_contain_text("there is no hub 'gone'")
    page.get_by_role("link", name="default").click()
    expect(page.locator("main h2")).to_have_text("Clock")


def test_one_of_a_thousand_hubs_is_found(page: Page, controlled: LiveHub, hub: LiveHub) -> None:
    """The switcher lists all hubs of the server, and a part of a name is enough."""
    registry = controlled.app.api.hub_registry
    names = [f"many-{number:04}-hub" for number in range(1000)]
    controlled.server.call(lambda: [registry.add(hub.backend.fork(name)) for name in names])
    try:
        open_view(page, hub)
        page.locator("#hub").click()
        expect(page.locator("#hubs option[value^=many-]")).to_have_count(1000)
        page.locator("#hub").fill("0777")
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("many-0777-hub"))
    finally:
        controlled.server.call(lambda: [registry.delete(name) for name in names])


def test_tab_reaches_every_control(page: Page, hub: LiveHub) -> None:
    """Tab goes through all controls in the order of the page, and shows where it is."""
    hub.generate({"n": 2})
    for view in ("requests", "gallery", "accounts", "faults"):
        open_view(page, hub, view, **({"exchange": 1} if view == "requests" else {}))
        expect(page.locator(".detail pre, .thumbnail, td, .faults .empty").first).to_be_visible()
        count = page.evaluate(TABBABLE)
        for _ in range(count):
            page.keyboard.press("Tab")
        assert page.evaluate("window.reached") == [[index, True] for index in range(count)]


def test_mouse_is_not_needed(page: Page, hub: LiveHub) -> None:
    """The keyboard alone arms a fault, finds the lost response and reads why credits were paid."""
    open_view(page, hub)
    walk_to(page, "Faults")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Next request fails")).to_be_visible()
    walk_to(page, "Lose the response after the charge")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Armed")
    walk_to(page, "Requests", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".empty").first).to_be_visible()
    with pytest.raises(httpx.TransportError):
        hub.generate({})
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".detail .money").first).to_contain_text("8 credits were paid")


def walk_to(page: Page, name: str, key: str = "Tab") -> None:
    for _ in range(100):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement.textContent") == name:
            return
    pytest.fail(f"{key} does not reach {name!r}")


def test_clock_is_moved(page: Page, hub: LiveHub) -> None:
    """The buttons of the clock move it, and show what another client did."""
    open_view(page, hub, "clock")
    before = hub.server.call(hub.backend.clock.now)
    page.get_by_role("button", name="Advance").click()
    expect(page.locator("#toast")).to_contain_text("It is ")
    assert hub.server.call(hub.backend.clock.now) == before + 600_000
    page.get_by_role("button", name="Manual, hold").click()
    expect(page.get_by_role("button", name="Manual, hold")).to_have_attribute(
        "aria-pressed", "true"
    )
    hub.server.call(lambda: hub.backend.manual_clock().advance(3_600_000))
    expect(page.locator(".facts")).to_contain_text("T09:10:00.000Z")


def test_contract_is_tried(page: Page, hub: LiveHub) -> None:
    """The reference has every operation, and its form sends a request to this hub."""
    open_view(page, hub, "contract")
    expect(page.locator(".card h3 code")).to_have_count(4)
    page.get_by_label("Filter").fill("insufficientCredits")
    card = page.locator(".card:visible", has_text="POST /api/v1/images/generations")
    card.locator("summary", has_text="Try it").click()
    card.get_by_role("button", name="Send").click()
    expect(card.get_by_role("status")).to_contain_text("200")
    assert hub.credits() < 120
    card.locator("summary", has_text="LED-1").first.click()
    expect(card).to_contain_text("(documented)")
    expect(card).to_contain_text("images[].url")
    page.get_by_label("Filter").fill("Retrieve a generation")
    card = page.locator(".card:visible", has_text="/{generationId}")
    expect(card.get_by_label("Path")).to_have_value(re.compile("/clx[^{]*$"))
    assert "`" not in page.locator("main").inner_text()


def test_token_is_requested_until_it_is_right(browser: Browser) -> None:
    """The page asks for the token until it is right, and keeps it in the session only."""
    with serve_hub(token="open sesame") as hub:
        page = browser.new_page()
        page.goto(f"{hub.url}/_mockhub/")
        for token in ("wrong", "open sesame"):
            page.get_by_label("Token", exact=True).fill(token)
            page.get_by_role("button", name="Continue").click()
        expect(page.locator("#connection")).to_have_text("live")
        page.reload()
        expect(page.locator("#connection")).to_have_text("live")
        stored = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
        assert stored == [0, 1, ""]
        page.close()


def test_page_reconnects(page: Page) -> None:
    """A page whose server has gone says so in its title."""
    with serve_hub(control=True) as hub:
        open_view(page, hub)
    expect(page.locator("#connection")).to_have_text("offline")
    expect(page).to_have_title(re.compile("^offline · "))


@pytest.mark.parametrize(
    ("view", "place", "before", "after"),
    [
        ("accounts", ".facts", "112 credits", "120 credits"),
        ("gallery", ".pictures", "The former hub", "No image yet"),
        ("generations", ".view", "The former hub", "No generation yet"),
        ("faults", ".view", "Disarm all", "No fault is armed"),
        ("report", ".facts", "Requests1", "Requests0"),
        ("contract", "select[name=key] >> nth=0", "rich", "only here"),
    ],
)
def test_view_shows_the_hub_that_took_the_place_of_another(
    page: Page, hub: LiveHub, view: str, place: str, before: str, after: str
) -> None:
    """Without a request to the new hub, each view shows its state."""
    new = hub.server.call(lambda: hub.backend.fork(hub.backend.name))
    hub.generate({"prompt": "The former hub"})
    hub.server.call(lambda: hub.backend.arm(parse_directives("status=503 nth=9")))
    hub.server.call(new.generations.clear)
    hub.server.call(lambda: new.add_key("documentation", name="only here"))
    open_view(page, hub, view)
    expect(page.locator(place)).to_contain_text(before)
    hub.server.call(lambda: hub.app.api.hub_registry.add(new))
    expect(page.locator(place)).to_contain_text(after)


def test_list_forgets_the_hub_that_was_replaced(page: Page, hub: LiveHub) -> None:
    """Its rows, pins and open exchange go; the numbers of the new hub begin at 1."""
    new = hub.server.call(lambda: hub.backend.fork(hub.backend.name))
    for _ in range(2):
        hub.get("models")
    open_view(page, hub, exchange=2, pins="2", since=1)
    expect(page.locator(".detail h2")).to_contain_text("2: GET")
    hub.server.call(lambda: hub.app.api.hub_registry.add(new))
    expect(rows(page)).to_have_count(0)
    expect(page.locator(".detail")).to_be_hidden()
    for path in ("credits", "models"):
        hub.get(path)
    expect(rows(page)).to_have_count(2)
    expect(page.locator(".rows")).not_to_contain_text("📌")
    expect(rows(page)).to_contain_text(["/models", "/credits"])


def test_first_image_is_sent_with_a_key_of_the_new_hub(page: Page, hub: LiveHub) -> None:
    """The button of an empty list has a key of the hub that is there now."""
    open_view(page, hub)
    expect(page.locator(".empty")).to_contain_text("with the key documentation")
    url = hub.client.base_url.copy_with(path="/_mockhub/hubs")
    body = {"name": hub.backend.name, "replace": True}
    hub.client.post(url, json=body).raise_for_status()
    expect(page.locator(".empty")).to_contain_text("with the key tester")
    page.get_by_role("button", name="Or send it from here").click()
    expect(rows(page)).to_contain_text(["200 succeeded"])


def test_page_shows_the_server_that_was_started_again(page: Page) -> None:
    """After a restart on the same port, nothing of the former process is left."""
    with serve_hub(control=True) as hub:
        open_view(page, hub)
        hub.get("models")
        expect(rows(page)).to_have_count(1)
        port = httpx.URL(hub.url).port
    expect(page.locator("#connection")).to_have_text("offline")
    with serve_hub(control=True, port=port) as hub:
        expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator(".empty")).to_contain_text("No request yet")
        hub.get("credits")
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("/credits")


def test_deleted_hub_is_named_and_watched_again(page: Page, hub: LiveHub) -> None:
    """The page says that its hub was deleted, and shows the next one of this name."""
    registry, name = hub.app.api.hub_registry, hub.backend.name
    new = hub.server.call(lambda: hub.backend.fork(name))
    hub.get("models")
    open_view(page, hub)
    expect(rows(page)).to_have_count(1)
    hub.server.call(lambda: registry.delete(name))
    expect(page.locator("#connection")).to_have_text("deleted")
    expect(page.locator("#messages")).to_contain_text("was deleted")
    hub.server.call(lambda: registry.add(new))
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#messages")).to_be_empty()
    expect(rows(page)).to_have_count(0)
    hub.get("credits")
    expect(rows(page)).to_have_count(1)


def test_page_of_a_hub_that_does_not_exist_waits_for_it(page: Page, controlled: LiveHub) -> None:
    """A bookmark of a hub that a test creates later shows it once it exists."""
    registry = controlled.app.api.hub_registry
    page.goto(str(controlled.client.base_url.copy_with(path="/_mockhub/", query=b"hub=later")))
    expect(page.locator("#connection")).to_have_text("missing")
    new = controlled.server.call(lambda: controlled.backend.fork("later"))
    controlled.server.call(lambda: registry.add(new))
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator(".empty")).to_contain_text("No request yet")
    controlled.server.call(lambda: registry.delete("later"))
