"""Defects that come and go: every third time, after something else, or once there were many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import CREDITS, GET, POST, House, Proceed, around
from mockhub.mutants.pictures import on_images
from mockhub.mutants.polling import at_read
from mockhub.mutants.registry import mutant
from mockhub.mutants.replies import broken, too_many
from mockhub.spec.errors import ApiError
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.generations import Generation


def every(count: int) -> Callable[[], bool]:
    """A function that says yes every so many times."""
    asked = 0

    def now() -> bool:
        nonlocal asked
        asked += 1
        return asked % count == 0

    return now


@mutant("END-3")
def third_crashes(house: House) -> None:
    """Every third generation answers 500 and is charged."""
    third = every(3)
    house.on_answer(POST, status=200)(lambda answer, visit: broken() if third() else answer)


@mutant("LED-1")
def third_charged_twice(house: House) -> None:
    """Every third generation is charged twice."""
    third = every(3)
    house.after(POST)(lambda visit, account: third() and house.move(account, visit.credits))


@mutant("LED-1")
def fifth_free(house: House) -> None:
    """Every fifth generation is free."""
    fifth = every(5)
    house.after(POST)(lambda visit, account: fifth() and house.move(account, -visit.credits))


@mutant("GEN-7")
def third_balance_stale(house: House) -> None:
    """In every third answer the balance is the one before the charge."""
    third = every(3)

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if third():
            content["balance"]["credits"] -= visit.credits


@mutant("GEN-2")
def fourth_without_balance(house: House) -> None:
    """Every fourth answer has no balance."""
    fourth = every(4)
    house.on_content(POST, status=200)(
        lambda content, visit: fourth() and content.pop("balance") and None
    )


@mutant("CRD-1")
def third_reading_stale(house: House) -> None:
    """Every third time, /credits shows what it showed the last time."""
    third = every(3)
    last: dict[str, int] = {}

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        assert visit.account
        if third():
            content["credits"] = last.get(visit.account.id, content["credits"])
        last[visit.account.id] = content["credits"]


@mutant("ASY-6")
def third_poll_queued(house: House) -> None:
    """Every third poll shows a task as queued, whatever it was."""
    third = every(3)
    at_read(
        house,
        lambda content, made, reads: third() and content.update(status="queued", images=[]) or None,
    )


@mutant("RET-1")
def fourth_read_fails(house: House) -> None:
    """Every fourth read answers 404 for a generation that there is."""
    fourth = every(4)
    house.on_answer(GET, status=200)(
        lambda answer, visit: wire.refusal(house.error("notFound")) if fourth() else answer
    )


@mutant("AUTH-3")
def second_refusal_differs(house: House) -> None:
    """Every second request without a key is answered invalidApiKey."""
    second = every(2)

    @house.on_content(code="missingApiKey")
    def rewrite(content: Any, visit: Visit) -> None:
        if second():
            content["error"]["code"] = "invalidApiKey"


@mutant("RET-2")
def third_stranger_reads(house: House) -> None:
    """Every third time, a stranger is shown another user's generation."""
    third = every(3)

    @around(house.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        made = house.hub.generations.get(id)
        if made and made.account != account.id and third():
            account = house.hub.accounts[made.account]
        return original(account, id)


@mutant("GEN-10")
def third_image_dead(house: House) -> None:
    """Every third image leads nowhere."""
    third = every(3)
    on_images(
        house,
        lambda image, index: third() and image.update(url=image["url"].replace(".png", ".tif")),
    )


@mutant("LIM-2")
def too_many_requests(house: House) -> None:
    """Every tenth authenticated request is answered 429."""
    tenth = every(10)
    house.on_answer(POST, GET, CREDITS)(lambda answer, visit: too_many() if tenth() else answer)


@mutant("LIM-2")
def too_many_generations(house: House) -> None:
    """From the fifth generation within a minute on, the answer is 429."""
    made: dict[str, int] = {}

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        if made.get(account.id, 0) > 4:  # noqa: PLR2004
            return too_many()
        answer = await proceed(visit, account)
        made[account.id] = made.get(account.id, 0) + 1
        return answer


def free_after(house: House, code: str) -> None:
    """Charge nothing for the generation that follows a refusal with *code*."""
    owed: set[str] = set()

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        try:
            answer = await proceed(visit, account)
        except ApiError as error:
            if error.code == code:
                owed.add(account.id)
            raise
        if account.id in owed:
            owed.discard(account.id)
            house.move(account, -visit.credits)
        return answer


@mutant("LED-4")
def free_after_poverty(house: House) -> None:
    """After a 402 the account's next generation is not charged."""
    free_after(house, "insufficientCredits")


@mutant("LED-2")
def free_after_a_failure(house: House) -> None:
    """The generation after one that failed is not charged."""
    free_after(house, "generationFailed")


@mutant("LED-2")
def second_failure_kept(house: House) -> None:
    """The first failure of an account is refunded, the later ones are not."""
    forgiven: set[str] = set()

    @house.on_entry("refund")
    def refund(entry: Any, account: Account, made: Generation) -> Any:
        if made.delivered or account.id not in forgiven:
            forgiven.add(account.id)
            return [entry]
        return ()


@mutant("LED-1")
def charged_after_the_first(house: House) -> None:
    """An account's first generation costs what it should, each later one a credit more."""
    known: set[str] = set()

    @house.on_entry("charge")
    def charge(entry: Any, account: Account, made: Generation) -> Any:
        more = account.id in known
        known.add(account.id)
        return [entry._replace(credits=entry.credits - more)]


@mutant("GEN-5")
def ratio_of_the_last_one(house: House) -> None:
    """The answer's ratio is that of the generation before."""
    last: list[str] = []

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        last.append(content["aspect_ratio"])
        content["aspect_ratio"] = last[0] if len(last) == 1 else last.pop(0)


@mutant("GEN-6")
def usage_adds_up(house: House) -> None:
    """usage.credits is what the account has spent so far."""
    spent: dict[str, int] = {}

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        assert visit.account
        total = spent.get(visit.account.id, 0) + content["usage"]["credits"]
        spent[visit.account.id] = content["usage"]["credits"] = total


@mutant("REQ-5")
def bounds_by_turns(house: House) -> None:
    """Every second time, n=5 is taken and gives four images."""
    second = every(2)

    @house.on_asked
    def clamp(asked: Any) -> None:
        if asked.values.get("n") == 5 and second():  # noqa: PLR2004
            asked.values["n"] = 4
