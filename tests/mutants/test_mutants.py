"""The mutants: each is wrong in the way that it says, and alone in it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from mockhub._resources import resource_path
from mockhub.cli.main import main
from mockhub.mutants.catalog import find, mutants, variants
from mockhub.mutants.listing import format_list
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import levels
from mockhub.mutants.serving import api_spec, default_scenario, running
from mockhub.mutants.state_handlers import state
from mockhub.scenarios.loader import bundled_scenarios, load_scenario
from tests.support.live_server import BODY, auth_headers

EVERY = {**variants(), **mutants()}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def generate(house: PatchedServer, key: str = "rich", **fields: Any) -> httpx.Response:
    return httpx.post(
        f"{house.url}/api/v1/images/generations",
        json={**BODY, **fields},
        headers=auth_headers(house.keys[key], {}),
    )


def credits(house: PatchedServer, key: str = "rich") -> int:
    url = f"{house.url}/api/v1/credits"
    balance: int = httpx.get(url, headers=auth_headers(house.keys[key], {})).json()["credits"]
    return balance


def test_every_clause_has_a_mutant() -> None:
    """Each statement of the documentation has at least one mutant that breaks it."""
    assert set(levels()) == {mutant.clause for mutant in mutants().values()}


def test_there_are_many() -> None:
    """There are more than 120 mutants and more than 20 variants."""
    assert len(mutants()) > 120
    assert len(variants()) > 20


def test_each_is_told_in_a_sentence() -> None:
    """What is wrong with a mutant is a sentence."""
    assert [one.name for one in EVERY.values() if not one.description.endswith(".")] == []


@pytest.mark.parametrize("world", bundled_scenarios())
def test_each_can_be_made_in_any_world(world: str) -> None:
    """A mutant does not depend on the accounts and keys of one world."""
    chosen = load_scenario(bundled_scenarios()[world])
    for one in EVERY.values():
        house = PatchedServer(api_spec(), chosen, "http://127.0.0.1:1")
        one.change(house)
        assert house.app.api is house.api


def test_one_is_wrong_and_the_next_is_not() -> None:
    """What a mutant changes stays in its own server, though they share the parsed law."""
    with running(find("overpriced-1k").change) as house:
        assert generate(house).json()["usage"]["credits"] == 9
    with running(lambda house: None) as house:
        assert generate(house).json()["usage"]["credits"] == 8


def test_a_fee_is_kept() -> None:
    """failure-fee gives a failed generation's charge back but for a credit."""
    with running(find("failure-fee").change) as house:
        before = credits(house)
        assert generate(house, prompt="[[fail]] A storm").status_code == 500
        assert before - 1 == credits(house)


def test_a_defect_in_forms_only() -> None:
    """n-5-accepted-in-form takes n=5 in a form and refuses it in JSON."""
    with running(find("n-5-accepted-in-form").change) as house:
        assert generate(house, n=5).status_code == 400
        form = {name: (None, value) for name, value in {**BODY, "n": "5"}.items()}
        url = f"{house.url}/api/v1/images/generations"
        answer = httpx.post(url, files=form, headers=auth_headers(house.keys["rich"], {}))
        assert len(answer.json()["images"]) == 5


def test_a_race_needs_two() -> None:
    """lost-update charges one request right, and of several at once only one."""
    house = PatchedServer(api_spec(), default_scenario(), "http://127.0.0.1:1")
    find("lost-update").change(house)
    account, key = house.hub.accounts["rich"], auth_headers(house.keys["rich"], {})

    async def generate_at_once(times: int) -> int:
        before = account.balance
        transport = httpx.ASGITransport(house.app)
        async with httpx.AsyncClient(transport=transport, base_url=house.url) as client:
            where = "/api/v1/images/generations"
            asked = [client.post(where, json=BODY, headers=key) for _ in range(times)]
            assert {200} == {answer.status_code for answer in await asyncio.gather(*asked)}
        return before - account.balance

    assert asyncio.run(generate_at_once(1)) == 8
    assert asyncio.run(generate_at_once(3)) == 8


def test_a_layer_sees_what_is_sent() -> None:
    """gzipped compresses answers where the client takes gzip, and says so."""
    with running(find("gzipped").change) as house:
        url = f"{house.url}/api/v1/models"
        assert httpx.get(url).headers["content-encoding"] == "gzip"
        plain = httpx.get(url, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert httpx.get(url).json() == plain.json()


def test_states_are_made_on_demand() -> None:
    """The provision gives a second key of an account, and accounts with what is asked for."""
    with running(lambda house: None) as house:
        house.keys["second"] = state("second_key", account="valid")["key"]
        assert credits(house) == credits(house, "second")
        house.keys["fresh"] = state("fresh_account", credits=7)["key"]
        assert credits(house, "fresh") == 7
        with pytest.raises(LookupError):
            state("slow_generation", seconds=6)


def test_slow_generations_are_for_the_patient() -> None:
    """A slow generation is offered where there is time for it."""
    with running(lambda house: None, allow_slow=True):
        assert "[[duration=6s]]" in state("slow_generation", seconds=6)["prompt"]


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    """`mockhub serve --mutant` tells the closest name, in one line, and exits 2."""
    done = run("serve", "--port", "0", "--mutant", "failure-fees")
    assert done.exit_code == 2
    assert (
        done.stderr == "mockhub: unknown mutant 'failure-fees'; did you mean 'failure-fee'?; "
        "`mockhub mutants` lists them\n"
    )


def test_words_choose_among_them() -> None:
    """`mockhub mutants` lists those that have all words, by clause."""
    told = run("mutants", "LED-2", "fee").stdout
    assert "LED-2  (documented)\n" in told
    assert "  failure-fee  A failed generation is refunded except for one credit.\n" in told
    assert "failure-not-refunded" not in told
    assert run("mutants", "nothing", "like", "this").exit_code == 2


@pytest.mark.parametrize("conforming", [False, True])
def test_the_page_lists_them_all(conforming: bool) -> None:
    """docs/mutants.md has the tables that `mockhub mutants --markdown` prints."""
    page = (resource_path("docs") / "mutants.md").read_text("utf-8")
    assert format_list((), conforming=conforming, markdown=True) in page
