"""`--stop-if 'waste > 50% for 15m'`: a small expression over named numbers of a run, read by hand and evaluated without `eval`.

    condition := or-expression ["for" DURATION]        comparison := sum (< <= > >= == !=) sum
    operators: or, and, not, + - * /, parentheses; numbers: 2.5, 50%, 30s, 15m, 2h; names: `NAMES`, and log.NAME for what was logged

In: text, later values by name. Out: `Condition`; true, false, or None where a number that decides is not known yet.
Rule 1: an error names the position, what was expected and the nearest name; nothing but numbers and comparisons is possible.
Rule 2: pure; how long it has been true is the caller's to keep.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from jupyter_aicci.model.errors import did_you_mean
from jupyter_aicci.model.text import UNIT_S, parse_duration_s

NAMES: dict[str, str] = {
    "useful": "share of the last minute's rank time in steps that were done for the first time, 0 to 1",
    "waste": "share of it that was idle, waited for data or for slower ranks, or did steps again",
    "data_wait": "share of it that waited for data",
    "straggler_wait": "share of it that waited for slower ranks",
    "step_time": "seconds a step took in the last minute",
    "steps": "steps that rank 0 has done",
    "loss": "the last loss that was logged; log.NAME is any other value, of the first 1,000 names",
    "cost": "what the run has cost, in its currency",
    "cost_per_h": "what it costs an hour now",
    "wasted_cost": "what its waste has cost, from the beginning",
    "budget_used": "share of its --budget that is spent, 0 to 1",
    "elapsed": "seconds since it was submitted",
    "running": "seconds for which its program has run, all attempts together",
}
LOGGED = "log."
MOST_CHARACTERS = 500
MOST_DEPTH = 20
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?P<unit>%|[a-zA-Z]+)?"
    r"|(?P<word>[A-Za-z_][\w.]*)|(?P<sign><=|>=|==|!=|[<>()+*/-])|(?P<bad>\S))"
)
Values = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word, number or sign; `at` counts characters from 1."""

    at: int
    text: str
    number: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number, a name, or two of these with + - * / between them."""

    sign: str = ""  # "", "-", "+", "*", "/"
    value: float = 0.0
    name: str = ""
    parts: tuple[Number, ...] = ()

    def of(self, values: Values) -> float | None:
        if self.name:
            return values.get(self.name)
        found = [part.of(values) for part in self.parts]
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return None
        match self.sign, known:
            case "-", [one]:
                return -one
            case "+", [one, two]:
                return one + two
            case "-", [one, two]:
                return one - two
            case "*", [one, two]:
                return one * two
            case "/", [one, two]:
                return one / two if two else None
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A comparison, or tests with and, or, not."""

    sign: str  # one of COMPARE, "and", "or", "not"
    numbers: tuple[Number, ...] = ()
    tests: tuple[Test, ...] = ()

    def of(self, values: Values) -> bool | None:
        """As in SQL: what is not known decides nothing."""
        if self.numbers:
            left, right = (number.of(values) for number in self.numbers)
            return None if left is None or right is None else COMPARE[self.sign](left, right)
        found = [test.of(values) for test in self.tests]
        if self.sign == "not":
            return None if found[0] is None else not found[0]
        decides = self.sign == "or"
        if decides in found:
            return decides
        return None if None in found else not decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What was asked for; `for_s`: it has to be true for so long without a break."""

    text: str
    test: Test
    for_s: float = 0.0

    def of(self, values: Values) -> bool | None:
        """Whether it is true for these values; None: what decides is not known."""
        return self.test.of(values)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in it, sorted."""
        return tuple(sorted(set(_names(self.test))))


def parse_condition(text: str) -> Condition:
    """The condition in a text. Raises `ValueError` that says where it is wrong and what was expected."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters; expected at most {MOST_CHARACTERS}")
    expression, for_s = _split_duration(text)
    reader = _Reader(tuple(_tokens(expression)), len(expression) + 1)
    found = reader.either(0)
    reader.end()
    if isinstance(found, Number):
        raise ValueError(f"position 1: it compares nothing; expected such as {expression.strip()} > 1")
    return Condition(text=text.strip(), test=found, for_s=for_s)


def _split_duration(text: str) -> tuple[str, float]:
    parts = re.split(r"(?<![\w.])for(?![\w.])", text)
    if len(parts) == 1:
        return text, 0.0
    at = len(parts[0]) + 1
    if len(parts) > 2:
        raise ValueError(f"position {at}: `for` is there twice")
    try:
        return parts[0], parse_duration_s(parts[1])
    except ValueError as error:
        raise ValueError(f"position {at + 3}: {error} after `for`, found {parts[1].strip()!r}") from None


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        assert found is not None, "the last branch takes any character"
        kind = found.lastgroup or ""
        begin = found.start("number" if kind == "unit" else kind) + 1
        if kind == "bad":
            raise ValueError(f"position {begin}: {found['bad']!r} means nothing here")
        if found["number"] is not None:
            yield Token(at=begin, text=found[0].strip(), number=_number(found["number"], found["unit"], begin))
        else:
            yield Token(at=begin, text=found["word"] or found["sign"])
        at = found.end()


def _number(text: str, unit: str | None, at: int) -> float:
    if unit is None:
        return float(text)
    if unit == "%":
        return float(text) / 100
    if unit not in UNIT_S:
        raise ValueError(f"position {at}: unknown unit {unit}; %, {', '.join(UNIT_S)} are known")
    return float(text) * UNIT_S[unit]


class _Reader:
    """Recursive descent; each method reads as much as it can and returns what it is."""

    def __init__(self, tokens: tuple[Token, ...], end: int) -> None:
        self._tokens, self._at, self._end = tokens, 0, end

    def either(self, depth: int) -> Test | Number:
        return self._joined("or", self._both, depth)

    def _both(self, depth: int) -> Test | Number:
        return self._joined("and", self._not, depth)

    def _joined(self, word: str, below: Callable[[int], Test | Number], depth: int) -> Test | Number:
        at, found = self._position, below(depth)
        tests = [found]
        while self._next(word):
            tests.append(below(depth))
        if len(tests) == 1:
            return found
        return Test(sign=word, tests=tuple(self._as_test(test, at) for test in tests))

    def _not(self, depth: int) -> Test | Number:
        self._not_too_deep(depth)
        at = self._position
        if self._next("not"):
            return Test(sign="not", tests=(self._as_test(self._not(depth + 1), at),))
        return self._comparison(depth)

    def _comparison(self, depth: int) -> Test | Number:
        at, left = self._position, self._sum(depth)
        sign = self._next(*COMPARE)
        if not sign:
            return left
        right = self._sum(depth)
        if self._peek() in COMPARE:
            raise ValueError(f"position {self._position}: two comparisons in a row; join them with `and`")
        return Test(sign=sign, numbers=(self._as_number(left, at), self._as_number(right, at)))

    def _sum(self, depth: int) -> Test | Number:
        return self._chain(("+", "-"), self._product, depth)

    def _product(self, depth: int) -> Test | Number:
        return self._chain(("*", "/"), self._signed, depth)

    def _chain(self, signs: tuple[str, ...], below: Callable[[int], Test | Number], depth: int) -> Test | Number:
        at, found = self._position, below(depth)
        while sign := self._next(*signs):
            parts = (self._as_number(found, at), self._as_number(below(depth), at))
            found = Number(sign=sign, parts=parts)
        return found

    def _signed(self, depth: int) -> Test | Number:
        self._not_too_deep(depth)
        at = self._position
        if self._next("-"):
            return Number(sign="-", parts=(self._as_number(self._signed(depth + 1), at),))
        return self._atom(depth)

    def _atom(self, depth: int) -> Test | Number:
        if self._at >= len(self._tokens):
            raise ValueError(f"position {self._end}: it ends where a name or a number was expected")
        token = self._tokens[self._at]
        self._at += 1
        if token.number is not None:
            return Number(value=token.number)
        if token.text == "(":
            found = self.either(depth + 1)
            if not self._next(")"):
                raise ValueError(f"position {self._position}: the parenthesis of position {token.at} is not closed")
            return found
        if not re.match(r"[A-Za-z_]", token.text) or token.text in ("and", "or", "not"):
            raise ValueError(f"position {token.at}: expected a name or a number, found {token.text}")
        return Number(name=_name(token))

    def end(self) -> None:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            raise ValueError(f"position {token.at}: expected and, or, for, or the end, found {token.text}")

    @property
    def _position(self) -> int:
        return self._tokens[self._at].at if self._at < len(self._tokens) else self._end

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _next(self, *texts: str) -> str:
        """The token if it is one of these; it is then read."""
        found = self._peek()
        if found not in texts or not found:
            return ""
        self._at += 1
        return found

    def _not_too_deep(self, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise ValueError(f"position {self._position}: more than {MOST_DEPTH} parentheses and signs in each other")

    def _as_number(self, found: Test | Number, at: int) -> Number:
        if isinstance(found, Test):
            self._refuse(at, "a comparison stands where a number was expected")
        return found

    def _as_test(self, found: Test | Number, at: int) -> Test:
        if isinstance(found, Number):
            self._refuse(at, "a number stands where a comparison such as waste > 50% was expected")
        return found

    def _refuse(self, at: int, text: str) -> NoReturn:
        raise ValueError(f"position {at}: {text}")


def _name(token: Token) -> str:
    name = token.text
    if name in NAMES:
        return f"{LOGGED}loss" if name == "loss" else name
    if name.startswith(LOGGED) and len(name) > len(LOGGED):
        return name
    guess = did_you_mean(name, NAMES)
    known = guess or f"known are {', '.join(NAMES)}, and log.NAME for what the program logs"
    raise ValueError(f"position {token.at}: unknown name {name}; {known}")


def _names(found: Test | Number) -> Iterator[str]:
    if isinstance(found, Test):
        for number in found.numbers:
            yield from _names(number)
        for test in found.tests:
            yield from _names(test)
        return
    if found.name:
        yield found.name
    for part in found.parts:
        yield from _names(part)
