"""Keep in a hub what the exchanges show: accounts, balances, charges, refunds, generations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import FINAL_STATUSES, STATUSES, Changes, Generation, Status
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import ApiKey
from mockhub.domain.ledger import Entry
from mockhub.domain.provider import SUCCESS, Outcome
from mockhub.exceptions import ValidationError
from mockhub.faults.grammar import Directive
from mockhub.faults.types import PROVIDER_FAULTS, TRANSPORT_FAULTS
from mockhub.proxy.observation import Observation
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.catalog import Quote
from mockhub.spec.generation_request import GenerationRequest

_RUNNING = Outcome(never=True)  # the upstream decides when it ends
_LOT = 1


class ObservedGeneration(Generation, frozen=True):
    """A generation of the service, which alone knows its status."""

    def status_at(self, now: int) -> Status:
        """Return the status that a response has shown last."""
        return self.status


class ProxyHub(HubBackend):
    """The hub of a proxy, which has no provider: ``[[...]]`` in a prompt is for the service."""

    has_provider = False

    def __init__(self, name: str, spec: ApiSpec, **options: Any) -> None:
        super().__init__(name, spec, **options)
        self.prompt_faults = False

    def arm(self, directives: Iterable[Directive]) -> None:
        """Arm transport faults; raises MockhubError for an outcome of the provider."""
        faults = tuple(directives)
        require_transport_faults(faults)
        super().arm(faults)


def require_transport_faults(faults: Iterable[Directive]) -> None:
    """Raise ValidationError if one is an outcome of the provider."""
    for fault in faults:
        if fault.name in PROVIDER_FAULTS:
            raise ValidationError(
                f"{fault.name}: the service decides the outcome of a generation, not the proxy; "
                f"expected one of {', '.join(sorted(TRANSPORT_FAULTS))}"
            )


class Mirror:
    """The hub of a proxy.

    There is one account for each API key, since nothing shows which keys belong together. The
    ledger begins when the balance is seen first. Later differences that no exchange explains, such
    as a purchase or another client, are a ``grant`` or an ``expiry``.
    """

    def __init__(self, hub: HubBackend) -> None:
        self.hub = hub

    def account(self, digest: bytes) -> Account:
        """Return the account of a key, which is added if it is new."""
        if key := self.hub.keys.get(digest):
            return self.hub.accounts[key.account]
        name = f"key-{digest.hex()[:8]}"
        account = self.hub.add_account(name, account_type="unknown")
        account.add_lot(None)
        self.hub.keys[digest] = ApiKey(digest, name, name)
        return account

    def observe(
        self, account: Account, seen: Observation, request: GenerationRequest | None
    ) -> None:
        """Follow a successful response.

        Args:
            account: The account of its key.
            seen: The response.
            request: The valid generation request, if it was one.
        """
        if seen.account_type is not None:
            account.account_type = seen.account_type
        if seen.id is not None and seen.status is not None:
            self._observe_generation(account, seen.id, seen, request)
        if seen.balance is not None:
            self._book(account, seen.balance - account.balance)

    def _observe_generation(
        self, account: Account, id: str, seen: Observation, request: GenerationRequest | None
    ) -> None:
        known = self.hub.generations.get(id)
        quote = known.quote if known else self._quote(seen, request)
        if quote is None or (known is not None and known.ended):
            return
        now, ended = self.hub.clock.now(), seen.status in FINAL_STATUSES
        generation = known or self._new_generation(account, id, seen, request, quote, now)
        entries: tuple[Entry, ...] = ()
        if known is None and request is not None:
            charge = seen.credits_requested or seen.credits or 0
            self._book(account, max(0, charge - account.balance))
            entries += (Entry(now, "charge", -charge, _LOT, id),) if charge else ()
            generation = replace(generation, allocations=((_LOT, charge),))
        if seen.status in STATUSES:
            generation = replace(generation, status=seen.status)
        if ended:
            generation = replace(
                generation,
                outcome=SUCCESS,
                delivered=len(seen.images),
                ended_at=now,
            )
            charged = sum(credits for _, credits in generation.allocations)
            refund = charged - generation.credits if charged else 0
            entries += (Entry(now, "refund", refund, _LOT, id),) if refund > 0 else ()
        elif known is not None:
            generation = replace(generation, polls=generation.polls + 1)
        self.hub.commit(self.hub.accounts[generation.account], Changes(entries, generation))
        self.hub.evict_generations()

    def _new_generation(
        self,
        account: Account,
        id: str,
        seen: Observation,
        request: GenerationRequest | None,
        quote: Quote,
        now: int,
    ) -> Generation:
        if request is None:  # it was created before the proxy started
            n = max(
                1,
                len(seen.images),
                (seen.credits_requested or 0) // max(1, quote.credits_per_image),
            )
            request = GenerationRequest(quote.model, "", "auto", "auto", n, True)
        return ObservedGeneration(
            id=id,
            account=account.id,
            request=request,
            quote=quote,
            outcome=_RUNNING,
            allocations=(),
            seed=0,
            created_at=now,
            due_at=None,
        )

    def _quote(self, seen: Observation, request: GenerationRequest | None) -> Quote | None:
        """Return the quote of a new generation; None if the spec has not its model or tier."""
        catalog = self.hub.spec.catalog
        if request is not None:
            return catalog.quote(request.model, request.size)
        model, tier = catalog.models.get(seen.model or ""), seen.quality or ""
        if model is None or tier not in model.prices:
            return None
        size = catalog.size_rules.auto
        return Quote(model.id, seen.aspect_ratio or "auto", tier, model.prices[tier], size)

    def _book(self, account: Account, credits: int) -> None:
        """Book a difference of the balance that no generation explains."""
        if credits:
            kind: Literal["grant", "expiry"] = "grant" if credits > 0 else "expiry"
            account.apply(Entry(self.hub.clock.now(), kind, credits, _LOT, None))
            self.hub.evict_entries(account)
