"""Every module of mutants and variants; importing this one registers them all."""

from mockhub.mutants import (  # noqa: F401
    answers,
    bounds,
    charges,
    codes,
    dress,
    encodings,
    keys,
    lifecycle,
    models,
    moods,
    owners,
    pictures,
    purse,
    races,
    readings,
    references,
    refunds,
)
