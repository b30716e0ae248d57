"""The catalogue of offers as this home has it: the packaged one, and what the user imported over it.

In: the home. Out: `Offer`s; imports as AICCI_HOME/prices/PROVIDER.json, one a provider, each replaced whole by the next.
Rule: read only where a price names an offer, or somebody lists them: a catalogue may have 100,000 rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jupyter_aicci.agent.files import read_json, write_json
from jupyter_aicci.model.errors import HostError
from jupyter_aicci.model.shapes import Billing
from jupyter_aicci.pricing.catalogue import Offer, offer_from_json, packaged_offers
from jupyter_aicci.pricing.imports import read_offers
from jupyter_aicci.store.disk import from_os_error
from jupyter_aicci.store.paths import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import has left."""

    provider: str
    path: Path
    offers: tuple[Offer, ...]
    without_price: int


def packaged_text(name: str) -> str:
    """The text of a book that comes with the package: `local`, `catalogue`."""
    return resources.files("jupyter_aicci.pricing").joinpath(f"books/{name}.toml").read_text(encoding="utf-8")


def catalogue(home: Home) -> tuple[Offer, ...]:
    """Every offer by id; an imported one takes the place of the packaged one. Raises `HostError` for a file that is damaged."""
    offers = {offer.id: offer for offer in packaged_offers(packaged_text("catalogue"))}
    for path in sorted(_folder(home).glob("*.json")):
        offers |= {offer.id: offer for offer in _read(path)}
    return tuple(offer for _, offer in sorted(offers.items()))


def import_prices(home: Home, file: Path, *, provider: str, dated: str) -> Imported:
    """Check a price list and keep it. Raises `UserError` "bad_prices" naming rows and fields; then nothing has changed."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise from_os_error(error, file, "reading") from error
    rules = {offer.provider: offer.price.billing for offer in packaged_offers(packaged_text("catalogue"))}
    billing = rules.get(provider, Billing())
    offers = read_offers(data, provider=provider, source=file.name, dated=dated, billing=billing)
    path = _folder(home) / f"{provider}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(path, {"offers": [offer.to_json() for offer in offers]})
    except OSError as error:
        raise from_os_error(error, path, "writing to") from error
    return Imported(
        provider=provider, path=path, offers=offers, without_price=sum(not offer.price.known for offer in offers)
    )


def _folder(home: Home) -> Path:
    return home.root / "prices"


def _read(path: Path) -> tuple[Offer, ...]:
    body = read_json(path)
    try:
        return tuple(offer_from_json(row) for row in (body or {})["offers"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise HostError(
            "damaged_prices", f"{path} is no list of prices any more ({error!r}).", hint="Import the price list again."
        ) from error
