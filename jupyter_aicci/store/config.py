"""What the user set for this machine: `config.toml` in the home directory, beside the packaged price book.

In: the home. Out: `Config`, read once when the service starts. An absent file is the defaults.
Rule: the scheduler, and numpy with it, comes in only where queues are asked for or set: a service answers before that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.pricing.book import Offers, PriceBook, parse_book
from jupyter_aicci.pricing.budgets import Budget, parse_budgets
from jupyter_aicci.pricing.catalogue import prices_by_id
from jupyter_aicci.store.disk import from_os_error
from jupyter_aicci.store.paths import Home
from jupyter_aicci.store.prices import catalogue, packaged_text

if TYPE_CHECKING:
    from jupyter_aicci.scheduler import Queues

TABLES = ("budgets", "local", "prices", "queues", "scheduler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """Queues and policy as they were set, checked when the file was read."""

    tables: Mapping[str, Any] = field(default_factory=dict)  # [queues]
    policy: str = ""  # "" = the default one
    source: str = ""

    def queues(self) -> Queues:
        """The queues, with the policy. Raises `UserError` "bad_config" or "unknown_policy"."""
        from jupyter_aicci.scheduler import parse_queues, policy_named

        if policy_named(self.policy).anew:
            raise UserError(
                "replay_policy", f"policy {self.policy!r} is for `aicci replay`: it moves runs at every decision, with or without "
                "a checkpoint.", hint="docs/reference/policies.md lists those for live runs.", field="policy",
            )  # fmt: skip
        return parse_queues(self.tables, self.source, policy=self.policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one home."""

    prices: PriceBook
    cpus: int = 0  # CPUs of this host that runs may use; 0 = all that it has
    scheduling: Scheduling = field(default_factory=Scheduling)
    budgets: tuple[Budget, ...] = ()  # of users and queues


def read_config(home: Home) -> Config:
    """The settings in the home's config.toml. Raises `UserError` "bad_config" naming every defect."""
    try:
        text = home.config.read_text(encoding="utf-8") if home.config.exists() else ""
    except OSError as error:
        raise from_os_error(error, home.config, "reading") from error
    return parse_config(text, packaged_text("local"), str(home.config), lambda: prices_by_id(catalogue(home)))


def parse_config(text: str, book: str, source: str, offers: Callable[[], Offers] = dict) -> Config:
    """The settings in `text`, the content of the file `source`, over the price book `book`; `offers`: what prices may name."""
    try:
        data = tomllib.loads(text)
        exact = tomllib.loads(text, parse_float=Decimal)  # amounts of money
    except tomllib.TOMLDecodeError as error:
        raise _bad(source, [str(error)]) from error
    defects = [f"unknown table [{name}] {did_you_mean(name, TABLES)}".strip() for name in data if name not in TABLES]
    cpus = _cpus(data.get("local", {}), defects)
    scheduling = _scheduling(data, source, defects)
    budgets = parse_budgets(exact.get("budgets", {}), defects)
    if defects:
        raise _bad(source, defects)
    prices = parse_book(book, text, source, offers)
    budgets = tuple(replace(budget, currency=prices.currency) for budget in budgets)
    return Config(prices=prices, cpus=cpus, scheduling=scheduling, budgets=budgets)


def _scheduling(data: Mapping[str, Any], source: str, defects: list[str]) -> Scheduling:
    """`[queues.*]` and `[scheduler]`; their defects are told with the others."""
    table = data.get("scheduler", {})
    if not isinstance(table, dict):
        defects.append("scheduler: expected a table [scheduler]")
        table = {}
    defects += [
        f"[scheduler] {name}: unknown; {did_you_mean(name, ('policy',)) or '`policy` is known'}"
        for name in table
        if name != "policy"
    ]
    policy = table.get("policy", "")
    if not isinstance(policy, str):
        defects.append(f"[scheduler] policy = {policy!r}: expected the name of a policy")
        policy = ""
    scheduling = Scheduling(tables=data.get("queues", {}), policy=policy, source=source)
    if "queues" in data or policy:
        try:
            scheduling.queues()
        except UserError as error:
            told = (
                f"[scheduler] {error.message} {error.hint}"
                if error.code in ("unknown_policy", "replay_policy")
                else error.message
            )
            defects.append(told.replace(f"{source}: ", "").rstrip("."))
    return scheduling


def _cpus(local: Any, defects: list[str]) -> int:
    if not isinstance(local, dict):
        defects.append("local: expected a table [local]")
        return 0
    defects += [f"[local] {name}: unknown; `cpus` is known" for name in local if name != "cpus"]
    cpus = local.get("cpus", 0)
    if not isinstance(cpus, int) or isinstance(cpus, bool) or cpus < 0:
        defects.append(f"[local] cpus = {cpus!r}: expected a whole number, 0 for all CPUs")
        return 0
    return cpus


def _bad(source: str, defects: list[str]) -> UserError:
    return UserError("bad_config", f"{source}: {'; '.join(defects)}.", hint="Correct the file and try again.")
