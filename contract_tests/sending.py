"""Sending a recipe: its prompt, its body, and the size that is offered."""

from __future__ import annotations

from . import oracle, recipes
from .exchange import Exchange
from .forms import as_text
from .made import Made
from .recipes import PUBLISHED, RECIPES, Recipe
from .target import Target
from .verdicts import NotAsked


def send(target: Target, name: str) -> Made:
    """The generation of a recipe as it was answered; a size that is not offered is replaced."""
    recipe = RECIPES[name]
    exchange = _post(target, recipe, recipe.size)
    size = recipe.size
    replaceable = recipe.asynchronous or recipe.trigger or recipe.files
    if exchange.status == 400 and size not in PUBLISHED and replaceable:
        size = "1024x1024"
        exchange = _post(target, recipe, size)
    return Made(name, recipe, _prompt(target, recipe)[1], size or "auto", exchange)


def _post(target: Target, recipe: Recipe, size: str | None) -> Exchange:
    prompt, n = _prompt(target, recipe)
    fields = recipe.fields(prompt) | ({"size": size} if size else {})
    if recipe.n is not None:
        fields["n"] = n
    cost = oracle.price(size or "auto", n)
    if recipe.form:
        text = {key: as_text(value) for key, value in fields.items()}
        return target.post(form=text, files=recipes.files(recipe.files), cost=cost)
    return target.post(json=fields, cost=cost)


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
