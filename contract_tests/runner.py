"""Judging an implementation: the deck, then what is random, within one budget."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mockhub.spec.errors import MockhubError

from . import oracle
from .chance import CHANCE
from .checks import Check
from .clauses import DOCUMENTED, INFERRED, LEVELS
from .deck import DECK
from .meter import Meter
from .profile import Profile
from .report import CheckResult, Report, by_clause, seen
from .stage import SLOW_SECONDS, Stage
from .target import Target
from .verdicts import BROKEN, INCONCLUSIVE, NOT_ASKED, PASSED, Verdict

BUDGET = 310  # credits, unless told otherwise
BUDGETS = {DOCUMENTED: BUDGET, INFERRED: 400}

Progress = Callable[[Check, CheckResult], None]


class Unreachable(MockhubError):
    """Nothing that can be judged answers at the profile's address."""


def judge(
    profile: Profile,
    *,
    level: str = DOCUMENTED,
    seed: int = 0,
    budget: int | None = None,
    quick: bool = False,
    only: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
    meter: Meter | None = None,
) -> Report:
    """Judge the implementation of *profile*.

    Args:
        level: `documented` holds it to what the page says, `inferred` to the natural readings too.
        budget: credits that are never passed; by default the level's, or the profile's less.
        quick: the deck alone, nothing random.
        only: an expression over names of clauses and checks, such as ``AUTH and not AUTH-9``.
        safe: send nothing but GETs.
        progress: called after each check.
        meter: another meter, which then knows the budget.

    Raises:
        MockhubError: if nothing answers there, or *level*, *only* or the budget cannot be used.
    """
    if level not in LEVELS:
        raise MockhubError(f"level {level!r} is not known; known are {', '.join(LEVELS)}")
    checks = selected(level, only)
    limit = limited(profile, budget, level)
    if not safe and limit < oracle.unit() and any(check.uses for check in checks):
        raise MockhubError(
            f"a budget of {limit} credits pays for no image; expected {oracle.unit()} or more, "
            "--safe, or -k with checks that pay for nothing"
        )
    target = Target(profile, meter or Meter(limit), safe=safe)
    run = Run(target, Stage(target, level, seed), progress or (lambda check, result: None))
    begun = time.perf_counter()
    try:
        run.begin()
        run.deal(checks)
        if not quick and not safe and run.sound:
            run.deal(chosen(CHANCE, level, only))
    except KeyboardInterrupt:
        run.interrupted = True
    finally:
        run.end()
        target.close()
    return Report(
        target=profile.base_url,
        level=level,
        seed=seed,
        clauses=by_clause(run.results, level),
        credits_spent=target.meter.spent,
        budget=target.meter.budget,
        requests=target.requests,
        seconds=time.perf_counter() - begun,
        interrupted=run.interrupted,
        seen=seen(target.exchanges),
    )


def limited(profile: Profile, budget: int | None, level: str) -> int:
    """The credits that a run may spend: *budget* or the level's, within the profile's limit."""
    return min(BUDGETS[level] if budget is None else budget, profile.max_credits)


def selected(level: str, only: str | None = None) -> list[Check]:
    """The checks of *level* that *only* lets through, in the order in which they are dealt."""
    return chosen(DECK, level, only)


def chosen(checks: Sequence[Check], level: str, only: str | None) -> list[Check]:
    """Those of *checks* that belong to *level* and that *only* lets through."""
    wanted = expression(only)
    return [
        check
        for check in checks
        if check.level in (DOCUMENTED, level) and wanted({check.name, *check.clauses})
    ]


@dataclass
class Run:
    """One run over a stage."""

    target: Target
    stage: Stage
    progress: Progress
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.results: list[CheckResult] = []
        self._warm = False

    @property
    def sound(self) -> bool:
        """Whether nothing is broken so far; chance would only pay to find it again."""
        return not any(result.verdict == BROKEN for result in self.results)

    def begin(self) -> None:
        """See that something answers, and read what each account has."""
        for _ in range(2):
            exchange = self.target.get("models", key=None)
            if not exchange.lost:
                break
        else:
            raise Unreachable(f"{self.target.profile.base_url}: {exchange.came()}")
        for role in ("valid", "other", "low", "broke"):
            if role in self.target.profile.keys:
                credits = self.stage.credits_or_none(role)
                if credits is not None:
                    self.stage.starts[role] = credits
        self.target.meter.read_balances = self.stage.lost

    def deal(self, checks: Sequence[Check]) -> None:
        """Ask each check in its turn."""
        uses = list(dict.fromkeys(name for check in checks for name in check.uses))
        for check in checks:
            self.one(check, uses)

    def one(self, check: Check, uses: Sequence[str]) -> CheckResult:
        """Ask one check; *uses* are the generations that the whole run is going to need."""
        if check.uses and not self._warm:
            self._warm_up(uses)
        result = ask(check, self.stage)
        self.results.append(result)
        self.progress(check, result)
        return result

    def _warm_up(self, uses: Sequence[str]) -> None:
        """Make the first generation; if that is slow, make the others side by side."""
        self._warm = True
        for first, kind in (("page", False), ("page_async", True)):
            if first not in uses:
                continue
            begun = time.perf_counter()
            try:
                self.stage.made(first)
            except Verdict:
                continue
            if time.perf_counter() - begun > SLOW_SECONDS:
                self.stage.prefetch(uses, tasks=kind)

    def end(self) -> None:
        """Read what has been spent."""
        try:
            lost = self.stage.lost()
        except Verdict:
            lost = None
        self.target.meter.note(lost)


def ask(check: Check, stage: Stage) -> CheckResult:
    """The result of one check; whatever it meets, it ends with a verdict."""
    lacking = [need for need in check.needs if not stage.profile.offers(need)]
    told = {"says": check.says, "clauses": check.clauses}
    if lacking:
        where = {"provider_failure": "triggers.", "partial": "triggers.", "provision": ""}
        names = ", ".join(where.get(need, "keys.") + need for need in lacking)
        return CheckResult(check.name, NOT_ASKED, f"the profile has no {names}", **told)  # type: ignore[arg-type]
    try:
        check.run(stage)
    except Verdict as verdict:
        return CheckResult(
            check.name,
            verdict.word,
            verdict.message,
            verdict.exchanges,
            verdict.expected,
            **told,  # type: ignore[arg-type]
        )
    except Exception as error:  # an answer that no check foresaw
        last = tuple(stage.target.exchanges[-1:])
        message = f"the check could not read an answer: {type(error).__name__}: {error}"
        return CheckResult(check.name, INCONCLUSIVE, message, last, **told)  # type: ignore[arg-type]
    return CheckResult(check.name, PASSED, **told)  # type: ignore[arg-type]


_TOKEN = re.compile(r"\s*(\(|\)|[\w.\-]+)")


def expression(text: str | None) -> Callable[[set[str]], bool]:
    """A test of names: parts of them, joined by and, or, not and brackets, in any case.

    Raises:
        MockhubError: if *text* is no such expression.
    """
    if not text:
        return lambda names: True
    words: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if not match:
            raise MockhubError(f"-k {text!r}: {text[at:]!r} is not understood")
        word = match[1]
        is_name = word not in ("and", "or", "not", "(", ")")
        words.append(f"has({word.lower()!r})" if is_name else word)
        at = match.end()
    try:
        code = compile(" ".join(words), "-k", "eval")
    except SyntaxError:
        raise MockhubError(
            f"-k {text!r} is no expression; expected e.g. AUTH and not AUTH-9"
        ) from None

    def test(names: set[str]) -> bool:
        lowered = [name.lower() for name in names]
        return bool(eval(code, {"has": lambda part: any(part in name for name in lowered)}))

    return test
