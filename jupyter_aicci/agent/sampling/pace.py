"""When the next sample is due: once a second, ten times a second for a moment around trouble, more seldom where it costs too much.

In: the time, the CPU time of this process, words for trouble. Out: when, and a sentence for a note where the pace was changed.
Rule 1: a burst is short and has a pause after it, so that trouble that stays costs no more than a tenth of the time.
Rule 2: the agent limits itself: above 1 % of a core over a minute the rate is halved, down to one sample in eight seconds, and
doubled again once it would be cheap.
No clock, no I/O: everything comes in.
"""

from __future__ import annotations

NS = 1_000_000_000
NORMAL_NS, BURST_NS, SLOWEST_NS = NS, NS // 10, 8 * NS
BURST_FOR_NS, BURST_EVERY_NS = 5 * NS, 60 * NS
WINDOW_NS = 60 * NS
TOO_MUCH, LITTLE = 0.01, 0.0025  # of a core


class Pace:
    """The times of samples. `due_ns` is that of the next one; a `full` sample is one of the normal pace."""

    __slots__ = ("_burst_again_ns", "_burst_until_ns", "_cpu_s", "_full_due_ns", "_interval_ns", "_window_ns", "due_ns")

    def __init__(self, now_ns: int, cpu_s: float) -> None:
        self._interval_ns = NORMAL_NS
        self._burst_until_ns = self._burst_again_ns = 0
        self._window_ns, self._cpu_s = now_ns, cpu_s
        self.due_ns = self._full_due_ns = now_ns + NORMAL_NS

    def taken(self, now_ns: int) -> bool:
        """A sample is taken now; whether it is one of the normal pace. Sets the next one's time; what was missed is left out."""
        full = now_ns >= self._full_due_ns
        if full:
            self._full_due_ns = max(self._full_due_ns + self._interval_ns, now_ns)
        soon_ns = max(self.due_ns + BURST_NS, now_ns)
        self.due_ns = min(soon_ns, self._full_due_ns) if now_ns < self._burst_until_ns else self._full_due_ns
        return full

    def trouble(self, now_ns: int) -> bool:
        """Something went wrong just now: look closer for a moment; False while the last burst is too recent."""
        if now_ns < self._burst_again_ns or self._interval_ns > NORMAL_NS:
            return False
        self._burst_until_ns, self._burst_again_ns = now_ns + BURST_FOR_NS, now_ns + BURST_EVERY_NS
        self.due_ns = min(self.due_ns, now_ns + BURST_NS)
        return True

    def spent(self, now_ns: int, cpu_s: float) -> str:
        """Once a minute: change the rate if the agent's CPU time since the last time asks for it; what to say about it, or ""."""
        passed_ns = now_ns - self._window_ns
        if passed_ns < WINDOW_NS:
            return ""
        share = (cpu_s - self._cpu_s) * NS / passed_ns
        self._window_ns, self._cpu_s = now_ns, cpu_s
        if share > TOO_MUCH and self._interval_ns < SLOWEST_NS:
            self._interval_ns *= 2
            return f"the agent used {share:.1%} of a core: samples are taken every {self._interval_ns // NS} s from here on"
        if share < LITTLE and self._interval_ns > NORMAL_NS:
            self._interval_ns //= 2
            return f"the agent uses {share:.1%} of a core: samples are taken every {self._interval_ns // NS} s again"
        return ""


class Jump:
    """Tells when a counter of lost time (pressure, throttling) begins to run: more than a fifth of the time, and three times
    more than it did of late."""

    __slots__ = ("_at_ns", "_last", "_units_per_s", "_usual")

    SHARE, TIMES, WEIGHT = 0.2, 3.0, 0.1

    def __init__(self, units_per_s: float) -> None:
        self._units_per_s = units_per_s  # what the counter counts in a second in which all time was lost
        self._last: float | None = None
        self._at_ns, self._usual = 0, 0.0

    def seen(self, now_ns: int, value: float | None) -> bool:
        """The counter stands at `value`; None is no reading."""
        if value is None:
            return False
        last, passed_ns = self._last, now_ns - self._at_ns
        self._last, self._at_ns = value, now_ns
        if last is None or value < last or passed_ns <= 0:
            return False
        share = (value - last) / self._units_per_s * NS / passed_ns
        jumped = share > self.SHARE and share > self.TIMES * self._usual
        self._usual += (share - self._usual) * self.WEIGHT
        return jumped
