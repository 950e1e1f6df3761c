"""The mock in parts, each built at its first use, so that a mutant can change it before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property, partial
from typing import cast

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT
from mockhub.domain.keys import key_digest
from mockhub.domain.ledger import Entry, EntryKind
from mockhub.exceptions import ApiError
from mockhub.mutants.middleware import MiddlewareApp
from mockhub.mutants.request_hook import RequestReader
from mockhub.mutants.types import Json
from mockhub.mutants.wrapping import wrap
from mockhub.scenarios import builder
from mockhub.scenarios.loader import Scenario
from mockhub.spec.api_spec import ApiSpec, build_spec
from mockhub.spec.document import Document
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, JSON
from mockhub.web import serializers
from mockhub.web.api import PublicApi
from mockhub.web.app import App, create_app

_SCHEMAS = {JSON: "GenerationRequest", FORM: "GenerationForm"}


class PatchedServer:
    """One server that a mutant changes before it serves.

    Args:
        spec: The API spec; an edit of `document` changes it for this server only.
        scenario: The initial state.
        url: The public URL.
        build_hub: Builds the default hub, instead of that of the scenario.
        create_app: Creates the application of a spec and a hub.

    Attributes:
        keys: The API keys of the scenario by name.
    """

    def __init__(
        self,
        spec: ApiSpec,
        scenario: Scenario,
        url: str,
        *,
        build_hub: Callable[[ApiSpec], HubBackend] | None = None,
        create_app: Callable[..., App] = create_app,
    ) -> None:
        self._base_spec = spec
        self._build_hub = build_hub or partial(builder.build_hub, scenario, DEFAULT)
        self._create_app = partial(create_app, url=url, validate_responses=False)
        self._edited_document: Json | None = None
        self.url = url
        self.keys = {name: raw for raw, name, _ in scenario.predefined_keys()}

    @property
    def document_edited(self) -> bool:
        return self._edited_document is not None

    @property
    def document(self) -> Json:
        """The OpenAPI document, to be edited before any part that is built from it is used."""
        assert "spec" not in self.__dict__, "edit the document before the spec is built"
        if self._edited_document is None:
            self._edited_document = deepcopy(dict(self._base_spec.document.root))
        return self._edited_document

    @cached_property
    def spec(self) -> ApiSpec:
        if self._edited_document is None:
            return self._base_spec
        return build_spec(Document(self._base_spec.document.path, self._edited_document))

    @cached_property
    def hub(self) -> HubBackend:
        return self._build_hub(self.spec)

    @cached_property
    def app(self) -> MiddlewareApp:
        """The application; it does not validate its responses."""
        return MiddlewareApp(self._create_app(self.spec, self.hub))

    @property
    def api(self) -> PublicApi:
        return self.app.api

    @cached_property
    def request_reader(self) -> RequestReader:
        reader = RequestReader(self.api)
        wrap(self.api, "parse_request")(lambda original, context: reader.read(context))
        return reader

    def field(self, name: str, media_type: str) -> Json:
        """Return the schema of a request field in one media type only, to be edited."""
        fields = self.schema(_SCHEMAS[media_type])["properties"]
        document = Document(self._base_spec.document.path, self.document)
        fields[name] = deepcopy(document.resolve(fields[name]))
        return cast("Json", fields[name])

    def schema(self, name: str) -> Json:
        """Return a schema of the document, to be edited."""
        return cast("Json", self.document["components"]["schemas"][name])

    @property
    def model(self) -> Json:
        """The first entry of the model list, to be edited."""
        listing = self.document["components"]["examples"]["Models"]["value"]
        return cast("Json", listing["data"][0])

    @property
    def prices(self) -> Mapping[str, int]:
        """Credits per image of the first model, by tier."""
        return next(iter(self.spec.catalog.models.values())).prices

    def price(self, request: GenerationRequest) -> int:
        quote = self.spec.catalog.quote(request.model, request.size)
        return quote.price(request.n)

    def error(self, code: str, message: str | None = None) -> ApiError:
        """Return a documented error, to be raised."""
        return self.spec.errors.error(code, message)

    def generation_ids(self, account: Account) -> list[str]:
        """Return the ids of the generations of an account, the oldest first."""
        return [id for id, each in self.hub.generations.items() if each.account == account.id]

    def running_generations(self, account: Account) -> list[Generation]:
        """Return the generations of an account that have not ended, oldest first."""
        generations = self.hub.generations.values()
        return [one for one in generations if one.account == account.id and not one.ended]

    def log_json(self, generation: Generation) -> Json:
        links, now = self.api.links(self.hub.name), self.hub.clock.now()
        return serializers.generation_log(generation, self.hub, links, now=now)

    def image_json(self, generation: Generation, index: int) -> Json:
        """Return an image as it will be in the log when it is delivered."""
        id, url = self.api.links(self.hub.name).images(generation, "png")[index]
        return {
            "id": id,
            "object": "image",
            "url": url,
            "created_at": serializers.timestamp(generation.created_at),
        }

    def adjust_balance(self, account: Account, credits: int) -> None:
        """Grant an account credits, or charge it if *credits* is negative."""
        lot = next(iter(account.lots))
        kind: EntryKind = "grant" if credits > 0 else "charge"
        account.apply(Entry(self.hub.clock.now(), kind, credits, lot, None))

    def richest_account(self) -> Account:
        return max(self.hub.accounts.values(), key=lambda account: account.balance)

    def other_account(self, id: str) -> Account:
        """Return the account of another id; add one if there is none."""
        account = self.hub.accounts[id]
        others = (other for other in self.hub.accounts.values() if other is not account)
        if other := next(others, None):
            return other
        created = self.hub.add_account("other-account")
        self.hub.grant(created, account.balance)
        return created

    def usable_key(self) -> str:
        """Return a key of the scenario that is neither revoked nor expires, or add one."""

        def balance(raw: str) -> int:
            return self.hub.accounts[keys[raw].account].balance

        keys = {raw: self.hub.keys[key_digest(raw.encode())] for raw in self.keys.values()}
        usable = [raw for raw, key in keys.items() if not key.revoked and key.expires_at is None]
        return max(usable, key=balance, default=None) or self.hub.add_key(self.richest_account().id)
