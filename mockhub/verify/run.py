"""One run of the checks: in which order, what is confirmed, and how each of them ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from mockhub.exceptions import MockhubError
from mockhub.verify import oracle
from mockhub.verify.check import Check
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import SLOW_SECONDS, CheckContext
from mockhub.verify.exchange import concurrent_labels
from mockhub.verify.fixtures import FAILURE_FIXTURES
from mockhub.verify.generation import ObservedGeneration, create_generation, poll_status
from mockhub.verify.outcomes import CheckOutcome, Inconclusive, Outcome, Skipped
from mockhub.verify.polling import ended_late
from mockhub.verify.rejections import explain_again
from mockhub.verify.report import Report, observed_values
from mockhub.verify.results import CheckResult, group_by_clause
from mockhub.verify.run_check import run_check, run_in_order, to_result
from mockhub.verify.threads import parallel
from mockhub.verify.transient import is_transient

_MAX_SIDE_BY_SIDE = 24  # checks that run at the same time
_MAX_RUNS = 3  # of a check that fails with a transient failure
_FIRST_FIXTURES = {"example", "example_async", "failure", "failure_async", *FAILURE_FIXTURES}
_BESIDE_TASK = "auto"  # the generation that is created while a task is in progress
_PASSED = (Outcome.PASSED, Outcome.SKIPPED)
_LOW_IMAGES = 3  # that a fresh account for keys.low pays for

ProgressCallback = Callable[[Check, CheckResult], None]


class UnreachableError(MockhubError):
    """No response comes from the base URL of the profile."""


@dataclass
class Run:
    """The state of one run."""

    client: BudgetedClient
    context: CheckContext
    progress: ProgressCallback
    fail_fast: bool = False
    interrupted: bool = False

    def __post_init__(self) -> None:
        self._results: dict[str, CheckResult] = {}
        self._warmed_up = False
        self._slow_modes: list[bool] = []  # that are asynchronous or not, still to be prefetched

    @property
    def no_failures(self) -> bool:
        """Whether no check has failed so far."""
        return not any(result.outcome == Outcome.FAILED for result in self._results.values())

    def execute(self, checks: Sequence[Check], generated: Sequence[Check]) -> None:
        """Run *checks*, and *generated* before those that are last; then close the client.

        Raises:
            UnreachableError: if the implementation does not respond.
        """
        try:
            self.start()
            broke = self.context.starting_balances.get("broke", oracle.min_price())
            is_free = broke < oracle.min_price()  # generated bodies are sent with its key
            free = [check for check in generated if check.pays_nothing and is_free]
            self.run_all([check for check in checks if not check.last], free)
            self.run_all(generated)
            self.run_all([check for check in checks if check.last])
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self.finish()
            self.client.close()

    def start(self) -> None:
        """Read the balances of all accounts.

        Raises:
            UnreachableError: if the implementation does not respond.
        """
        for _ in range(2):
            exchange = self.client.get("models", key=None)
            if not exchange.error:
                break
        else:
            target = self.client.secrets.redact(self.client.profile.base_url)
            raise UnreachableError(f"{target}: {exchange.describe()}")
        balances = self.context.starting_balances
        first, *others = self.client.profile.account_roles
        for roles in ((first,), others):  # after two responses it `is_slow`
            names = {role: role for role in roles}
            reads = self.context.read_roles(names, self.context.credits_or_none)
            balances |= {role: credits for role, credits in reads.items() if credits is not None}
        self._supply_low()
        self.client.budget.read_balance = self.context.credits_or_none
        self.client.budget.read_balances = self.context.read_balances

    def _supply_low(self) -> None:
        """Replace keys.low by a fresh account if it is spent and the state handlers offer one."""
        context = self.context
        if context.starting_balances.get("low", oracle.min_price()) >= oracle.min_price():
            return
        with suppress(CheckOutcome):
            key = context.state_key("fresh_account", credits=_LOW_IMAGES * oracle.min_price())
            profile = replace(context.profile, keys={**context.profile.keys, "low": str(key)})
            context.profile = self.client.profile = profile
            del context.starting_balances["low"]
            context.starting_balances["low"] = context.credits("low")

    def run_all(self, checks: Sequence[Check], beside: Sequence[Check] = ()) -> None:
        """Run *checks*, and meanwhile, if responses are slow, *beside* with the key `broke`."""
        fixtures = list(dict.fromkeys(name for check in checks for name in check.fixtures))
        if self.context.is_slow and not self.client.read_only:
            pending = [check for check in checks if check.name not in self._results]
            able = [check for check in pending if check.pays_nothing or check.account]
            # Before anything is paid for the budget covers most requests at the same time.
            known = _FIRST_FIXTURES.union(one.name for one in self.context.history)
            early = [one for one in able if not one.account and known.issuperset(one.fixtures)]
            first = partial(self._run_side_by_side, early, fixtures)
            parallel([*(partial(self._run_beside, check) for check in beside), first])
            if late := [check for check in able if check not in early]:
                self._prefetch(fixtures)
                self._run_side_by_side(late, fixtures)
        for check in checks:
            if check.name not in self._results:
                self.run_one(check, fixtures)

    def _run_side_by_side(self, checks: Sequence[Check], fixtures: Sequence[str]) -> None:
        """Run checks at the same time, those of an account in order; if one does not pass, alone.

        Only alone a check sees which of its requests changed a balance.
        """
        if any(check.fixtures for check in checks) and not self._warmed_up:
            self._warm_up(fixtures)
        needed = list(dict.fromkeys(name for check in checks for name in check.fixtures))
        with suppress(CheckOutcome):  # beside the checks they would be charged for a moment
            self.context.generate_in_parallel(needed)
        records = len(self.context.no_charge_checks)
        lanes: dict[str, list[Check]] = {}
        for check in sorted(checks, key=lambda one: -one.cost):  # while most credits are left
            lanes.setdefault(check.account or check.name, []).append(check)
        calls = [partial(run_in_order, lane, self.context) for lane in lanes.values()]
        results = [pair for pairs in parallel(calls, _MAX_SIDE_BY_SIDE) for pair in pairs]
        passed = all(result.outcome in _PASSED for _, result in results)
        if not passed:
            del self.context.no_charge_checks[records:]
        for check, result in results:
            if passed or (check.account and result.outcome in _PASSED):
                self._keep(check, result.redacted(self.client.secrets))
            else:
                self.run_one(check, fixtures)

    def _run_beside(self, check: Check) -> None:
        """Run a check beside others; if it does not pass, it runs again later."""
        result = run_check(check, self.context)
        if result.outcome in _PASSED:
            self._keep(check, result.redacted(self.client.secrets))

    def run_one(self, check: Check, fixtures: Sequence[str]) -> CheckResult:
        """Run one check; *fixtures* are the generations that the whole run needs."""
        outcome: CheckOutcome | None
        if self.fail_fast and not self.no_failures:
            outcome = Skipped("an earlier check failed, and --fail-fast was given")
        elif check.needs_success and not self.no_failures:
            outcome = Skipped("an earlier check failed")
        else:
            if check.fixtures and not self._warmed_up:
                self._warm_up(fixtures)
            if not {"example", "example_async"}.issuperset(check.fixtures):
                self._prefetch(fixtures)
            outcome = self._unmet_dependency(check)
        started = time.perf_counter()
        result = to_result(check, outcome) if outcome else self._confirmed(check)
        result = replace(
            result.redacted(self.client.secrets),
            seconds=time.perf_counter() - started,
            concurrent=concurrent_labels(result.evidence, self.client.exchanges),
        )
        self._keep(check, result)
        return result

    def _keep(self, check: Check, result: CheckResult) -> None:
        self._results[check.name] = result
        self.progress(check, result)

    def _confirmed(self, check: Check) -> CheckResult:
        """Run a check; if it fails where something else may be the cause, look again."""
        result = run_check(check, self.context)
        if result.outcome != Outcome.FAILED:
            return result
        reason = ""
        if self._may_be_shared and (change := self.context.foreign_change()):
            reason = f"another client uses these accounts: {change} while nothing was sent"
        elif "other" in check.requires and self._may_be_same_user:
            reason = "keys.other may belong to the user of keys.valid: they have one balance"
        elif _is_about_credits(result) and ended_late(self.client, self.context.history):
            reason = (
                "a task has ended after limits.poll_timeout, and changed a balance late; raise it"
            )
        if reason:
            message = f"{reason}; otherwise this would have failed: {result.message}"
            return replace(result, outcome=Outcome.INCONCLUSIVE, message=message)
        for runs in range(2, _MAX_RUNS + 1):
            if not self.client.transient_failures:
                break
            withdrawn = self.client.withdraw_transient()
            self.context.forget(withdrawn)
            was_transient = any(exchange in withdrawn for exchange in result.evidence)
            is_affordable = check.cost <= max(self.client.budget.remaining, 0)
            again = run_check(check, self.context) if is_affordable else None
            if again and again.outcome == Outcome.FAILED:
                result = again
            elif was_transient or (again and again.outcome == Outcome.PASSED):
                reason = f"flaky, it failed in {runs - 1} of {runs} runs"
                if again is None:
                    reason = "a transient failure may be the cause, and another run costs too much"
                message = f"{reason}: {result.message}"
                return replace(result, outcome=Outcome.INCONCLUSIVE, message=message)
            if not any(is_transient(exchange) for exchange in result.evidence):
                break
        return result

    @property
    def _may_be_shared(self) -> bool:
        return self.client.idle_changes > 0 or not self.client.loopback

    @property
    def _may_be_same_user(self) -> bool:
        """Whether `other` has had as many credits as `valid` whenever both were read."""
        start, latest = self.context.starting_balances, self.client.budget.latest
        is_equal = start.get("other") == start.get("valid") and latest("other") == latest("valid")
        return is_equal and not any(
            one.exchange.status == 200 and one.balance_after != one.other_balance_after
            for one in self.context.history
            if None not in (one.balance_after, one.other_balance_after)
        )

    def _unmet_dependency(self, check: Check) -> CheckOutcome | None:
        for name in check.after:
            result = self._results.get(name)
            if result is None:
                return Inconclusive(f"needs the check {name}, which is not part of this run")
            if result.outcome == Outcome.SKIPPED:
                return Skipped(f"needs the check {name}, which was skipped: {result.message}")
        return None

    def _warm_up(self, fixtures: Sequence[str]) -> None:
        """Create the first generations, those that the provider fails, and one beside a task."""
        self._warmed_up = True
        for first, is_async in (("example", False), ("example_async", True)):
            if first not in fixtures:
                continue
            started = time.perf_counter()
            with suppress(CheckOutcome):
                self.context.generation(first)
                if self.context.is_slow or time.perf_counter() - started > SLOW_SECONDS:
                    self._slow_modes.append(is_async)
                self._require_other_user(self.context.generation(first))
        # They cost nothing, but the budget must still cover what a server might charge.
        with suppress(CheckOutcome):
            if FAILURE_FIXTURES[0] in fixtures:
                self.context.generate_failures()
            if _BESIDE_TASK in fixtures:
                self._generate_beside_task(_BESIDE_TASK)

    def _generate_beside_task(self, name: str) -> None:
        """Create a generation while a task of its account is in progress, which fails.

        If the task may have changed the balances, they are not those of the generation alone.
        """
        context, payer = self.context, self.context.fixtures[name].payer
        if context.is_slow or not context.profile.provider_failure:
            return
        before = context.current_credits(payer)
        fixture = replace(context.fixtures["failure_async"], payer=payer)
        task = create_generation(self.client, f"a task beside {name}", fixture)
        with context.in_progress(task):
            generation = context.generation(name)
            status = poll_status(context.fetch(task)) if task.id else None
        context.adopt_generation(task)
        is_running = status in ("queued", "processing")
        if not is_running or generation.charged != generation.reported_cost:
            generation.measured_alone = False
        if before is not None:
            cost = generation.reported_cost if generation.payer == payer else 0
            context.wait_for_credits(before - (cost or 0), payer)

    def _prefetch(self, fixtures: Sequence[str]) -> None:
        """Create the other generations in parallel, once, if the first ones were slow."""
        modes, self._slow_modes = self._slow_modes, []
        if modes:
            with suppress(CheckOutcome):  # the checks that need them show why
                self.context.prefetch(fixtures, modes)

    def _require_other_user(self, generation: ObservedGeneration) -> None:
        """Require that keys.other does not belong to the user of keys.valid."""
        before, after = self.context.starting_balances, generation.balance_after
        unequal = (
            before.get("other") != before.get("valid") or generation.other_balance_after != after
        )
        if "other" not in before or unequal or generation.charged is None or not generation.id:
            return
        if generation.charged and self.client.get(generation.path, key="other").status == 200:
            raise MockhubError(
                "keys.other belongs to the same user as keys.valid: they have one balance, and it "
                "reads the generations of valid; give the key of another user, or none"
            )

    def finish(self) -> None:
        """Read the balances once more, so that the budget knows what was spent."""
        try:
            readable = self.context.read_balances()
        except CheckOutcome:
            readable = False
        self.client.budget.finalize(readable=readable)

    def report(self, seconds: float) -> Report:
        context, budget = self.context, self.client.budget
        results = [explain_again(one, context.history) for one in self._results.values()]
        return Report(
            target=self.client.secrets.redact(self.client.profile.base_url),
            level=context.level,
            seed=context.seed,
            clauses=group_by_clause(results, context.level),
            credits_spent=budget.observed,
            credits_unconfirmed=budget.unconfirmed,
            budget=budget.limit,
            requests=len(self.client.exchanges) + len(self.client.transient_failures),
            transient_failures=len(self.client.transient_failures),
            seconds=seconds,
            interrupted=self.interrupted,
            observed=observed_values(self.client.exchanges),
            accepted=self.client.profile.accepted,
            today=time.strftime("%Y-%m-%d", time.gmtime()),
            secrets=self.client.secrets,
        )


def _is_about_credits(result: CheckResult) -> bool:
    return result.failed_clause.startswith(("LED-", "CRD-", "GEN-6", "GEN-7"))
