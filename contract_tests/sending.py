"""Sending a recipe: its prompt, its body, and the size that is offered."""

from __future__ import annotations

from . import oracle, recipes
from .exchange import Exchange
from .forms import as_text
from .made import Made
from .recipes import CHARSET, FILES_FIRST, PUBLISHED, RECIPES, Recipe
from .target import Target
from .verdicts import NotAsked

_REFUSED = (400, 415, 422)


def send(target: Target, name: str) -> Made:
    """The generation of a recipe as it was answered; a size that is not offered is replaced."""
    recipe = RECIPES[name]
    size, refusal = recipe.size, None
    exchange = _post(target, recipe, size, recipe.manner)
    if recipe.manner and exchange.status in _REFUSED:
        refusal, exchange = exchange, _post(target, recipe, size)
    replaceable = recipe.asynchronous or recipe.trigger or recipe.files
    if exchange.status == 400 and size not in PUBLISHED and replaceable:
        size = "1024x1024"
        exchange = _post(target, recipe, size)
    n = _prompt(target, recipe)[1]
    return Made(name, recipe, n, size or "auto", exchange, refusal=refusal)


def _post(target: Target, recipe: Recipe, size: str | None, manner: str = "") -> Exchange:
    prompt, n = _prompt(target, recipe)
    fields = recipe.fields(prompt) | ({"size": size} if size else {})
    if recipe.n is not None:
        fields["n"] = n
    cost = oracle.price(size or "auto", n)
    if recipe.form:
        text = {key: as_text(value) for key, value in fields.items()}
        files = recipes.files(recipe.files)
        return target.post(form=text, files=files, files_first=manner == FILES_FIRST, cost=cost)
    headers = {"Content-Type": "application/json; charset=utf-8"} if manner == CHARSET else {}
    return target.post(json=fields, headers=headers, cost=cost)


def _prompt(target: Target, recipe: Recipe) -> tuple[str, int]:
    profile = target.profile
    if recipe.trigger == "provider_failure":
        if not profile.provider_failure:
            raise NotAsked("the profile has no triggers.provider_failure")
        return profile.provider_failure, recipe.count
    if recipe.trigger == "partial":
        if not profile.partial:
            raise NotAsked("the profile has no triggers.partial")
        return profile.partial.prompt, profile.partial.n
    return recipe.prompt, recipe.count
