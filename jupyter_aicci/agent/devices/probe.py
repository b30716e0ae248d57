"""Metrics that are asked for one by one: one that a device does not have never costs another.

Rule 1: what is not supported, not permitted or not known is not asked for again for an hour; what fails for another reason is asked
for again until it has failed three times in a row.
Rule 2: a device that is lost ends the reading of it at once.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

AGAIN_S = 3600.0
STRIKES = 3


class Lost(Exception):
    """The device is not there any more."""


class Unsupported(Exception):
    """This device does not have this metric, or does not show it to us."""


class Probe:
    """The metrics of one device: each a name and a function that asks for its value, or for those of several metrics at once.

    A function raises `Unsupported` or `Lost`; any other exception is a failure that may pass.
    """

    __slots__ = ("_asks", "_now_s", "_off_until_s", "_strikes")

    def __init__(
        self,
        asks: Mapping[str, Callable[[], float | dict[str, float] | None]],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asks, self._now_s = dict(asks), now_s
        self._off_until_s: dict[str, float] = {}
        self._strikes: dict[str, int] = {}

    def read(self) -> dict[str, float]:
        """What can be had now. Raises `Lost`."""
        found: dict[str, float] = {}
        for name, ask in self._asks.items():
            if self._now_s() < self._off_until_s.get(name, 0.0):
                continue
            try:
                value = ask()
            except Lost:
                raise
            except Unsupported:
                self._off_until_s[name] = self._now_s() + AGAIN_S
                continue
            except Exception:  # a driver's library may raise anything
                self._strikes[name] = self._strikes.get(name, 0) + 1
                if self._strikes[name] >= STRIKES:
                    self._off_until_s[name] = self._now_s() + AGAIN_S
                continue
            self._strikes.pop(name, None)
            if isinstance(value, dict):
                found |= value
            elif value is not None:
                found[name] = value
        return found


def wanted(listed: str | None) -> tuple[str, ...] | None:
    """The devices that a *_VISIBLE_DEVICES variable names, None where it does not choose any."""
    return None if listed is None else tuple(word.strip() for word in listed.split(",") if word.strip())
