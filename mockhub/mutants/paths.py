"""Defects of paths: those that there are not, and those that should be there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import House, around
from mockhub.mutants.registry import mutant
from mockhub.mutants.replies import with_body, with_content
from mockhub.web import wire
from mockhub.web.asgi import Scope
from mockhub.web.visit import Visit


def unrouted(house: House, status: int) -> Callable[[Callable[[wire.Answer], wire.Answer]], None]:
    """Let a function change the answer to what finds no operation."""

    def put(change: Callable[[wire.Answer], wire.Answer]) -> None:
        @house.on_answer(status=status)
        def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
            return change(answer) if visit.operation is None else answer

    return put


@mutant("END-5", tolerable=True)
def unknown_path_in_html(house: House) -> None:
    """An unknown path is answered by a page of HTML."""
    page = b"<!DOCTYPE html><title>404</title>"
    unrouted(house, 404)(lambda answer: with_body(answer, page, "text/html"))


@mutant("END-5", tolerable=True)
def unknown_path_in_detail(house: House) -> None:
    """An unknown path is answered {detail: Not Found}."""
    unrouted(house, 404)(lambda answer: with_content(answer, {"detail": "Not Found"}))


@mutant("END-5", tolerable=True)
def unknown_path_coded_otherwise(house: House) -> None:
    """An unknown path's code is routeNotFound."""
    error = {"error": {"message": "No such route", "code": "routeNotFound"}}
    unrouted(house, 404)(lambda answer: with_content(answer, error))


@mutant("END-5", tolerable=True)
def unknown_path_is_200(house: House) -> None:
    """An unknown path is answered 200 and nothing, as by a page that routes itself."""
    unrouted(house, 404)(lambda answer: with_content(answer, {})._replace(status=200))


@mutant("END-5", tolerable=True)
def unknown_path_crashes(house: House) -> None:
    """An unknown path is answered 500."""
    unrouted(house, 404)(lambda answer: answer._replace(status=500))


@mutant("END-6", tolerable=True)
def other_methods_crash(house: House) -> None:
    """A method that a path does not have is answered 500."""
    unrouted(house, 405)(lambda answer: answer._replace(status=500))


@mutant("END-6", tolerable=True)
def other_methods_without_allow(house: House) -> None:
    """A 405 does not tell which methods there are."""
    unrouted(house, 405)(
        lambda answer: answer._replace(
            headers=tuple(header for header in answer.headers if header[0] != b"allow")
        )
    )


@mutant("END-6", tolerable=True)
def other_methods_in_html(house: House) -> None:
    """A 405 is a page of HTML."""
    unrouted(house, 405)(lambda answer: with_body(answer, b"<h1>405</h1>", "text/html"))


@mutant("END-6")
def every_method_reads(house: House) -> None:
    """PUT, PATCH and DELETE read what GET reads."""

    @house.on_request
    def read(headers: dict[bytes, bytes], scope: Scope) -> None:
        if scope["method"] in ("PUT", "PATCH", "DELETE"):
            scope["method"] = "GET"


@mutant("END-6")
def put_generates(house: House) -> None:
    """PUT generates as POST does, and is charged."""

    @house.on_request
    def write(headers: dict[bytes, bytes], scope: Scope) -> None:
        if scope["method"] == "PUT":
            scope["method"] = "POST"


@mutant("END-6")
def delete_deletes(house: House) -> None:
    """DELETE makes a generation unreadable, and answers 204."""
    gone: set[str] = set()

    @around(house.pipeline, "_answer")
    async def answered(original: Any, visit: Visit) -> wire.Answer:
        id = visit.path.rpartition("/")[2]
        answer: wire.Answer = await original(visit)
        if visit.method == "DELETE" and id in house.hub.generations:
            gone.add(id)
            return answer._replace(status=204, body=b"", headers=())
        return wire.refusal(house.error("notFound")) if id in gone else answer


def lost(name: str, clause: str, says: str, path: str, method: str = "GET") -> None:
    """Register a mutant whose endpoint is not where the documentation says."""

    def put(house: House) -> None:
        @house.on_request
        def move(headers: dict[bytes, bytes], scope: Scope) -> None:
            if scope["method"] == method and scope["path"].startswith(path):
                scope["path"] = "/nowhere"

    mutant(clause, name=name, says=says)(put)


lost("no-models", "END-1", "There is no model list.", "/api/v1/models")
lost("no-credits", "END-2", "There is no /credits.", "/api/v1/credits")
lost("no-generating", "END-3", "There is no way to generate.", "/api/v1/images", "POST")
lost("no-reading", "END-4", "There is no way to read a generation.", "/api/v1/generations")
