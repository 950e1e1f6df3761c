"""Mutants of requests that the balance cannot pay for (LED-4, LED-5, LED-7, ASY-8, ERR-4)."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.exceptions import ApiError
from mockhub.mutants.hooks import change_error, free_after_error, hook, on_response
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import error_response
from mockhub.mutants.wrapping import wrap
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

OverdraftRule = Callable[[Account, int, GenerationRequest], bool]


@hook
def allow_overdraft(server: PatchedServer, allowed: OverdraftRule) -> None:
    """Accept some requests that the balance cannot pay for, and let it become negative."""
    _allow_overdraft(server, allowed, record_debt=True)


def _allow_overdraft(server: PatchedServer, allowed: OverdraftRule, *, record_debt: bool) -> None:
    @wrap(server.hub, "create_generation")
    def create(
        original: Callable[..., Generation],
        account: Account,
        request: GenerationRequest,
        *rest: object,
    ) -> Generation:
        price = server.price(request)
        missing = max(0, price - account.balance)
        if not missing or not allowed(account, price, request):
            return original(account, request, *rest)
        server.adjust_balance(account, missing)
        generation = original(account, request, *rest)
        if record_debt:
            server.adjust_balance(account, -missing)
        return generation


# -- the check -----------------------------------------------------------------------------------

mutant_table("LED-4", allow_overdraft)(
    balance_checked_for_one_image=(
        "A balance for one image is enough for four, and becomes negative.",
        lambda account, price, request: account.balance >= price // request.n,
    ),
    balance_checked_above_zero=(
        "A balance above zero is enough for any request, and becomes negative.",
        lambda account, price, request: account.balance > 0,
    ),
    balance_not_checked=(
        "The balance is not checked and becomes negative.",
        lambda account, price, request: True,
    ),
)
mutant_table("ASY-8", allow_overdraft)(
    balance_not_checked_if_async=(
        "The balance is not checked for asynchronous requests and becomes negative.",
        lambda account, price, request: request.run_async,
    ),
    balance_checked_for_one_image_if_async=(
        "For a task, a balance for one of its images is enough, and becomes negative.",
        lambda account, price, request: request.run_async and account.balance >= price // request.n,
    ),
)


@mutant("LED-4", "A balance that is too low is charged to zero, and the request is accepted.")
def charge_clamped_to_balance(server: PatchedServer) -> None:
    _allow_overdraft(server, lambda account, price, request: True, record_debt=False)


@mutant("LED-4", "The balance is not checked for forms and becomes negative.")
def balance_not_checked_in_forms(server: PatchedServer) -> None:
    media_types: list[str] = []

    @server.on_request_body
    def store(request: ParsedRequest) -> None:
        media_types.append(request.media_type)

    allow_overdraft(lambda account, price, request: media_types.pop() == FORM)(server)


@mutant("LED-7", "A balance exactly equal to the price is rejected.")
def exact_balance_rejected(server: PatchedServer) -> None:
    @wrap(server.hub, "create_generation")
    def create(
        original: Callable[..., Generation],
        account: Account,
        request: GenerationRequest,
        *rest: object,
    ) -> Generation:
        if account.balance == server.price(request):
            raise server.error("insufficientCredits")
        return original(account, request, *rest)


# -- what a rejection costs ----------------------------------------------------------------------


@hook
def charge_rejected(server: PatchedServer, credits: Callable[[Account], int]) -> None:
    """Charge a request that the balance cannot pay for."""

    @server.after_error(OperationId.CREATE_GENERATION)
    def charge(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            server.adjust_balance(account, -credits(account))


mutant_table("LED-5", charge_rejected)(
    rejection_takes_remaining_credits=(
        "A request that the balance cannot pay for is rejected and takes the remaining credits.",
        lambda account: account.balance,
    ),
    rejection_still_charged=(
        "A request that the balance cannot pay for is rejected and charged.",
        lambda account: 8,
    ),
)
mutant_table("LED-4", free_after_error)(
    free_after_insufficient_credits=(
        "The next generation of an account after a 402 is free.",
        "insufficientCredits",
    ),
)

# -- the error -----------------------------------------------------------------------------------

mutant_table("LED-4", change_error("insufficientCredits"))(
    insufficient_credits_is_403=("Insufficient credits return 403.", (403, "insufficientCredits")),
    insufficient_credits_is_429=(
        "Insufficient credits return 429 with the code of another API.",
        (429, "insufficient_quota"),
    ),
    insufficient_credits_is_500=("Insufficient credits return 500.", (500, "generationFailed")),
)
mutant_table("ERR-4", change_error("insufficientCredits"))(
    insufficient_credits_is_400=("Insufficient credits return 400.", (400, "insufficientCredits")),
    insufficient_credits_with_other_code=(
        "A 402 has the code `insufficient_credits`.",
        (402, "insufficient_credits"),
    ),
)


@mutant("LED-4", "A form that the balance cannot pay for returns 400 invalid_request.")
@on_response(OperationId.CREATE_GENERATION, code="insufficientCredits")
def insufficient_credits_is_400_in_forms(response: Response, context: RequestContext) -> Response:
    form = context.headers.get(b"content-type", b"").startswith(b"multipart/")
    return error_response(context, "invalid_request") if form else response
