"""The mutants: each has the defect of its description, and only its own server has it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from mockhub._resources import resource_path
from mockhub.cli.main import main
from mockhub.mutants.catalog import find, mutants, variants
from mockhub.mutants.listing import format_list
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.serving import api_spec, combine, default_scenario, running
from mockhub.mutants.state_handlers import state
from mockhub.scenarios.loader import bundled_scenarios, load_scenario
from mockhub.verify.clauses import clauses
from tests.support.live_server import BODY, auth_headers

ALL = {**variants(), **mutants()}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def generate(server: PatchedServer, key: str = "rich", **fields: Any) -> httpx.Response:
    return httpx.post(
        f"{server.url}/api/v1/images/generations",
        json={**BODY, **fields},
        headers=auth_headers(server.keys[key], {}),
    )


def credits(server: PatchedServer, key: str = "rich") -> int:
    url = f"{server.url}/api/v1/credits"
    balance: int = httpx.get(url, headers=auth_headers(server.keys[key], {})).json()["credits"]
    return balance


def test_every_clause_has_a_mutant() -> None:
    """Each statement of the documentation has at least one mutant that breaks it."""
    assert set(clauses()) == {mutant.clause for mutant in mutants().values()}


def test_documentation_states_the_counts() -> None:
    """The README has the numbers of mutants and of conforming variants."""
    readme = (resource_path("docs").parent / "README.md").read_text("utf-8")
    stated = re.search(r"([0-9]+) mutants,.* ([0-9]+) conforming variants", readme)
    assert stated is not None
    assert tuple(map(int, stated.groups())) == (len(mutants()), len(variants()))


def test_description_is_a_sentence() -> None:
    """The description of a mutant ends with a full stop."""
    assert [each.name for each in ALL.values() if not each.description.endswith(".")] == []


@pytest.mark.parametrize("scenario", bundled_scenarios())
def test_every_mutant_fits_every_scenario(scenario: str) -> None:
    """A mutant does not depend on the accounts and keys of one scenario."""
    for mutant in ALL.values():
        server = PatchedServer(
            api_spec(), load_scenario(bundled_scenarios()[scenario]), "http://127.0.0.1:1"
        )
        mutant.change(server)
        assert server.app.api is server.api


def test_mutant_changes_only_its_own_server() -> None:
    """A mutant does not change another server that shares its API spec."""
    with running(find("overpriced-1k").change) as server:
        assert generate(server).json()["usage"]["credits"] == 9
    with running(lambda server: None) as server:
        assert generate(server).json()["usage"]["credits"] == 8


def test_failure_fee_keeps_one_credit() -> None:
    """failure-fee refunds a failed generation except for one credit."""
    with running(find("failure-fee").change) as server:
        before = credits(server)
        assert generate(server, prompt="[[fail]] A storm").status_code == 500
        assert credits(server) == before - 1


def test_mutant_of_forms_leaves_json_alone() -> None:
    """n-5-accepted-in-form accepts n=5 in a form and rejects it in JSON."""
    with running(find("n-5-accepted-in-form").change) as server:
        assert generate(server, n=5).status_code == 400
        form = {name: (None, value) for name, value in {**BODY, "n": "5"}.items()}
        url = f"{server.url}/api/v1/images/generations"
        response = httpx.post(url, files=form, headers=auth_headers(server.keys["rich"], {}))
        assert len(response.json()["images"]) == 5


def test_race_condition_needs_two_requests() -> None:
    """lost-update charges a single request, and of concurrent ones only one."""
    server = PatchedServer(api_spec(), default_scenario(), "http://127.0.0.1:1")
    find("lost-update").change(server)
    account, key = server.hub.accounts["rich"], auth_headers(server.keys["rich"], {})

    async def generate_at_once(times: int) -> int:
        before = account.balance
        transport = httpx.ASGITransport(server.app)
        async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
            path = "/api/v1/images/generations"
            requests = [client.post(path, json=BODY, headers=key) for _ in range(times)]
            assert {response.status_code for response in await asyncio.gather(*requests)} == {200}
        return before - account.balance

    assert asyncio.run(generate_at_once(1)) == 8
    assert asyncio.run(generate_at_once(3)) == 8


def test_middleware_changes_what_is_sent() -> None:
    """gzipped compresses responses if the client accepts gzip."""
    with running(find("gzipped").change) as server:
        url = f"{server.url}/api/v1/models"
        assert httpx.get(url).headers["content-encoding"] == "gzip"
        plain = httpx.get(url, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert httpx.get(url).json() == plain.json()


def test_state_handlers_create_keys_and_accounts() -> None:
    """The state handlers return a second key of an account, and a new account with credits."""
    with running(lambda server: None) as server:
        server.keys["second"] = state("second_key", account="valid")["key"]
        assert credits(server) == credits(server, "second")
        server.keys["fresh"] = state("fresh_account", credits=7)["key"]
        assert credits(server, "fresh") == 7
        with pytest.raises(LookupError):
            state("slow_generation", seconds=6)


def test_slow_generations_need_permission() -> None:
    """The state handlers offer a slow generation only if slow ones are allowed."""
    with running(lambda server: None, allow_slow=True):
        assert "[[duration=6s]]" in state("slow_generation", seconds=6)["prompt"]


@pytest.mark.parametrize(
    ("name", "hint"), [("failure-fees", "; did you mean 'failure-fee'?"), ("", "")]
)
def test_unknown_mutant_suggests_the_closest_name(name: str, hint: str) -> None:
    """`mockhub serve --mutant` suggests the closest name in one line and exits with 2."""
    result = run("serve", "--port", "0", "--mutant", name)
    assert result.exit_code == 2
    assert (
        result.stderr == f"mockhub: unknown mutant {name!r}{hint}; `mockhub mutants` lists them\n"
    )


def test_words_filter_the_list() -> None:
    """`mockhub mutants` lists the mutants that have all words, by clause."""
    listed = run("mutants", "LED-2", "fee").stdout
    assert "LED-2  (documented)\n" in listed
    assert "  failure-fee  A failed generation is refunded except for one credit.\n" in listed
    assert "failure-not-refunded" not in listed
    assert run("mutants", "nothing", "like", "this").exit_code == 2


@pytest.mark.parametrize("conforming", [False, True])
def test_documentation_lists_all_mutants(conforming: bool) -> None:
    """docs/mutants.md has the tables that `mockhub mutants --markdown` prints."""
    page = (resource_path("docs") / "mutants.md").read_text("utf-8")
    assert format_list((), conforming=conforming, markdown=True) in page


@pytest.mark.parametrize("body_first", [True, False])
def test_combined_mutants_read_a_body_once(body_first: bool) -> None:
    """A mutant that reads the body early and one that changes it work in either order."""
    names = ["body-before-key", "n-true-accepted"]
    changes = [find(name).change for name in (names if body_first else reversed(names))]
    with running(combine(changes)) as server:
        response = httpx.post(
            f"{server.url}/api/v1/images/generations",
            headers=auth_headers(server.keys["rich"], {}),
            json={**BODY, "n": True},
            timeout=10,
        )
    assert response.status_code == 200
