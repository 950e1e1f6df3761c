"""Mutants of requests that the balance cannot pay for (LED-4, LED-5, LED-7, ASY-8, ERR-4)."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.exceptions import ApiError
from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import constant
from mockhub.mutants.hook import Hook, hook_factory
from mockhub.mutants.matching import is_async
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import (
    Account,
    Generation,
    GenerationRequest,
    Json,
    ParsedRequest,
    RequestContext,
    Response,
)
from mockhub.spec.operations import FORM, OperationId

_MANY = 3  # reference images

OverdraftRule = Callable[[Account, int, GenerationRequest], bool]


@hook_factory
def allow_overdraft(
    server: PatchedServer, allowed: OverdraftRule, *, clamped: bool = False
) -> None:
    """Accept some requests that the balance cannot pay for.

    The balance becomes negative, or zero if *clamped*.
    """

    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        account, request, proceed = creation
        price = server.price(request)
        missing = max(0, price - account.balance)
        if not missing or not allowed(account, price, request):
            return proceed()
        server.adjust_balance(account, missing)
        generation = proceed()
        if not clamped:
            server.adjust_balance(account, -missing)
        return generation


mutant_table("LED-4", allow_overdraft())(
    balance_checked_for_one_image=Row(
        "A balance for one image is enough for four, and becomes negative.",
        lambda account, price, request: account.balance >= price // request.n,
    ),
    balance_checked_above_zero=Row(
        "A balance above zero is enough for any request, and becomes negative.",
        lambda account, price, request: account.balance > 0,
    ),
    balance_not_checked=Row("The balance is not checked and becomes negative.", constant(True)),
    balance_checked_at_lowest_price=Row(
        "A balance for images at 1K is enough for any tier, and becomes negative.",
        lambda account, price, request: account.balance >= 8 * request.n,
    ),
    balance_checked_for_one_image_with_references=Row(
        "With references, a balance for one image is enough for four, and becomes negative.",
        lambda account, price, request: (
            bool(request.references) and account.balance >= price // request.n
        ),
    ),
    balance_checked_for_one_image_in_form_tasks=Row(
        "For a task with references, a balance for one image is enough, and becomes negative.",
        lambda account, price, request: (
            bool(request.references) and request.run_async and account.balance >= price // request.n
        ),
    ),
    one_credit_short_accepted_for_several=Row(
        "For several images, a balance of one credit less than the price is enough.",
        lambda account, price, request: request.n > 1 and account.balance == price - 1,
    ),
    balance_not_checked_for_three=Row(
        "The balance is not checked for three images of medium quality.",
        lambda account, price, request: (request.n, request.quality) == (3, "medium"),
    ),
)
mutant_table("ASY-8", allow_overdraft())(
    balance_not_checked_if_async=Row(
        "The balance is not checked for asynchronous requests and becomes negative.",
        lambda account, price, request: request.run_async,
    ),
    balance_checked_for_one_image_if_async=Row(
        "For a task, a balance for one of its images is enough, and becomes negative.",
        lambda account, price, request: request.run_async and account.balance >= price // request.n,
    ),
)
mutant_table("LED-4", allow_overdraft(clamped=True))(
    charge_clamped_to_balance=Row("A balance that is too low is charged to zero.", constant(True))
)


@mutant("LED-4", "Tasks are charged when they are read at their end, and overdraw the balance.")
def tasks_charged_at_first_read(server: PatchedServer) -> None:
    owed: dict[str, int] = {}

    @hooks.after_generation.on(server)
    def postpone(context: RequestContext, account: Account) -> None:
        assert context.parsed_request
        if context.parsed_request.run_async:
            owed[context.generation or ""] = context.current_credit_delta
            server.adjust_balance(account, -context.current_credit_delta)

    @hooks.after_success(OperationId.GET_GENERATION).on(server)
    def charge(context: RequestContext, account: Account) -> None:
        if server.hub.generations[context.path_param or ""].ended:
            server.adjust_balance(account, owed.pop(context.path_param or "", 0))


@mutant("LED-4", "The balance is not checked for forms and becomes negative.")
def balance_not_checked_in_forms(server: PatchedServer) -> None:
    media_types: list[str] = []

    @hooks.on_request_body.on(server)
    def store(request: ParsedRequest) -> None:
        media_types.append(request.media_type)

    allow_overdraft()(lambda account, price, request: media_types.pop() == FORM)(server)


@mutant("LED-4", "A task needs a balance of twice its price.")
def balance_of_twice_the_price_required_for_tasks(server: PatchedServer) -> None:
    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        price = server.price(creation.request)
        if creation.request.run_async and creation.account.balance < 2 * price:
            raise server.error("insufficientCredits")
        return creation.proceed()


@mutant("LED-7", "A balance exactly equal to the price is rejected.")
def exact_balance_rejected(server: PatchedServer) -> None:
    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        if creation.account.balance == server.price(creation.request):
            raise server.error("insufficientCredits")
        return creation.proceed()


@Hook
def charge_rejected(server: PatchedServer, credits: Callable[[Account], int]) -> None:
    @hooks.after_error(OperationId.CREATE_GENERATION).on(server)
    def charge(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            server.adjust_balance(account, -credits(account))


mutant_table("LED-5", charge_rejected)(
    rejection_takes_remaining_credits=Row(
        "A request that returns 402 takes the remaining credits.", lambda account: account.balance
    ),
    rejection_still_charged=Row("A request that returns 402 is charged.", constant(8)),
)


@mutant("LED-4", "A task that fails after a 402 to its account is not refunded.")
def failure_after_402_not_refunded(server: PatchedServer) -> None:
    refused: set[str] = set()

    @hooks.after_error(OperationId.CREATE_GENERATION).on(server)
    def remember(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            refused.add(account.id)

    @hooks.replace_refund.on(server)
    def refund(credits: int, generation: Generation) -> int:
        after_402 = is_async(generation) and generation.account in refused
        refused.discard(generation.account)
        return 0 if after_402 else credits


mutant_table("LED-4", hooks.free_after_error)(
    free_after_insufficient_credits=Row("A generation after a 402 is free.", "insufficientCredits")
)
mutant_table("LED-4", responses.change_error("insufficientCredits"))(
    insufficient_credits_is_403=Row("Insufficient credits return 403.", 403),
    insufficient_credits_is_429=Row(
        "Insufficient credits return 429 with the code of another API.", (429, "insufficient_quota")
    ),
    insufficient_credits_is_500=Row("Insufficient credits return 500.", (500, "generationFailed")),
)
mutant_table("ERR-4", responses.change_error("insufficientCredits"))(
    insufficient_credits_is_400=Row("Insufficient credits return 400.", 400),
    insufficient_credits_with_other_code=Row(
        "A 402 has the code `insufficient_credits`.", "insufficient_credits"
    ),
)


@mutant("ERR-4", "A 402 of a form that asks for a task has the code `insufficient_credits`.")
def insufficient_credits_of_form_task_with_other_code(server: PatchedServer) -> None:
    @responses.mutate_json(OperationId.CREATE_GENERATION, status=402).on(server)
    def change(content: Json, context: RequestContext) -> None:
        is_form = context.headers.get(b"content-type", b"").startswith(FORM.encode())
        if is_form and context.parsed_request and context.parsed_request.run_async:
            content["error"]["code"] = "insufficient_credits"


@mutant("ERR-4", "With more than three references, insufficient credits return 400.")
@responses.on_response(OperationId.CREATE_GENERATION, code="insufficientCredits")
def insufficient_credits_is_400_with_many_references(
    response: Response, context: RequestContext
) -> Response:
    request = context.parsed_request
    is_many = request is not None and len(request.references) > _MANY
    return responses.error_response(context, "invalid_request") if is_many else response


@mutant("LED-4", "A form that the balance cannot pay for returns 400 invalid_request.")
@responses.on_response(OperationId.CREATE_GENERATION, code="insufficientCredits")
def insufficient_credits_is_400_in_forms(response: Response, context: RequestContext) -> Response:
    form = context.headers.get(b"content-type", b"").startswith(b"multipart/")
    return responses.error_response(context, "invalid_request") if form else response
