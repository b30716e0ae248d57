"""What the user set for this machine: `config.toml` in the home directory, beside the packaged price book.

In: the home. Out: `Config`, read once when the service starts. An absent file is the defaults.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jupyter_aicci.model.errors import UserError, did_you_mean
from jupyter_aicci.pricing.book import PriceBook, parse_book
from jupyter_aicci.store.disk import from_os_error
from jupyter_aicci.store.paths import Home

TABLES = ("local", "prices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one home."""

    prices: PriceBook
    cpus: int = 0  # CPUs of this host that runs may use; 0 = all that it has


def read_config(home: Home) -> Config:
    """The settings in the home's config.toml. Raises `UserError` "bad_config" naming every defect."""
    try:
        text = home.config.read_text(encoding="utf-8") if home.config.exists() else ""
    except OSError as error:
        raise from_os_error(error, home.config, "reading") from error
    return parse_config(text, packaged_book(), str(home.config))


def packaged_book() -> str:
    """The text of the price book that comes with the package: this machine's own shapes."""
    return resources.files("jupyter_aicci.pricing").joinpath("books/local.toml").read_text(encoding="utf-8")


def parse_config(text: str, book: str, source: str) -> Config:
    """The settings in `text`, the content of the file `source`, over the price book `book`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad(source, [str(error)]) from error
    defects = [f"unknown table [{name}] {did_you_mean(name, TABLES)}".strip() for name in data if name not in TABLES]
    cpus = _cpus(data.get("local", {}), defects)
    if defects:
        raise _bad(source, defects)
    return Config(prices=parse_book(book, text, source), cpus=cpus)


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
