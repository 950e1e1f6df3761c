"""Hooks: how they register the functions of mutants with a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockhub.mutants.catalog import mutants, variants
from mockhub.mutants.changes import compute, edit, only_if, plus, remove, rename, set_default
from mockhub.mutants.hook import Hook, at_every, replace_at, when
from mockhub.mutants.matching import credits_requested, is_async
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant_table, variant
from mockhub.mutants.serving import api_spec, default_scenario
from mockhub.mutants.types import Generation, Json
from mockhub.spec.generation_request import GenerationRequest


@pytest.fixture
def server() -> PatchedServer:
    return PatchedServer(api_spec(), default_scenario(), "http://127.0.0.1:1")


@pytest.fixture
def functions() -> list[Callable[..., Any]]:
    return []


@pytest.fixture
def hook(functions: list[Callable[..., Any]]) -> Hook[Callable[..., Any]]:
    return Hook(lambda server, function: functions.append(function))


def create(server: PatchedServer, *, run_async: bool = False) -> Generation:
    request = GenerationRequest("gpt-image-2", "A storm", "1024x1024", "auto", 2, run_async)
    return server.hub.create_generation(server.hub.accounts["rich"], request)


def test_hook_registers_a_function_when_the_change_is_applied(
    server: PatchedServer, hook: Hook[Callable[..., Any]], functions: list[Callable[..., Any]]
) -> None:
    """A hook makes a change of a function, which keeps the name of the function."""

    def double(value: int) -> int:
        return 2 * value

    change = hook(double)
    assert functions == []
    assert change.__name__ == "double"
    change(server)
    assert functions == [double]


def test_function_of_the_server_gets_the_server_first(
    server: PatchedServer, hook: Hook[Callable[..., Any]], functions: list[Callable[..., Any]]
) -> None:
    """`with_server` passes the server before the arguments of the hook."""
    hook.with_server(lambda server, *args: (server, *args))(server)
    assert functions[0](1, 2) == (server, 1, 2)


def test_adapted_hook_passes_the_function_of_the_mutant_first(
    server: PatchedServer, hook: Hook[Callable[..., Any]], functions: list[Callable[..., Any]]
) -> None:
    """The function of an adapted hook gets the function of the mutant, then the arguments."""

    @hook.adapted
    def with_sum(change: Callable[[int], int], first: int, second: int) -> int:
        return change(first + second)

    with_sum(lambda total: 10 * total)(server)
    assert functions[0](1, 2) == 30


def test_function_is_called_at_every_third_occasion(
    server: PatchedServer, hook: Hook[Callable[..., Any]], functions: list[Callable[..., Any]]
) -> None:
    """`at_every` returns the first argument unchanged at the other occasions."""
    at_every(3, hook)(lambda value: -value)(server)
    assert [functions[0](value) for value in range(1, 7)] == [1, 2, -3, 4, 5, -6]


def test_function_is_called_for_matching_generations(
    server: PatchedServer, hook: Hook[Callable[..., Any]], functions: list[Callable[..., Any]]
) -> None:
    """`when` returns the value unchanged for generations that do not match."""
    when(is_async, hook)(plus(1))(server)
    assert functions[0](8, create(server)) == 8
    assert functions[0](8, create(server, run_async=True)) == 9


def test_value_at_a_path_is_replaced(
    server: PatchedServer, hook: Hook[Callable[..., Any]], functions: list[Callable[..., Any]]
) -> None:
    """`replace_at` replaces a nested value in place, given the other arguments."""
    replace_at(hook, "usage", "credits")(lambda credits, factor: credits * factor)(server)
    content = {"usage": {"credits": 8}}
    functions[0](content, 3)
    assert content == {"usage": {"credits": 24}}


def test_changes_of_json_are_in_place(server: PatchedServer) -> None:
    """The functions for rows of JSON change fields and ignore the other arguments."""
    generation = create(server)
    content: Json = {"id": "x", "n": 1}
    for change in (
        rename("id", "name"),
        edit("n", str),
        set_default(n=9, m=9),
        compute(price=credits_requested),
        only_if(is_async, remove("name")),
    ):
        change(content, generation)
    assert content == {"name": "x", "n": "1", "m": 9, "price": 16}


def test_names_are_unique() -> None:
    """A second mutant or variant of a name is rejected."""
    assert {*mutants(), *variants()} >= {"failure-fee", "uuids"}
    with pytest.raises(AssertionError, match="duplicate name uuids"):
        variant("A copy.", name="uuids")(lambda server: None)
    unchanged: Hook[int] = Hook(lambda server, value: None)
    with pytest.raises(AssertionError, match="duplicate name failure-fee"):
        mutant_table("LED-2", unchanged)(failure_fee=Row("A copy.", 1))
