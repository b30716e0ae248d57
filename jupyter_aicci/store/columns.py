"""Matrices of numbers as few bytes: what the chunks of a run's frames are packed with.

In: an int64 or float64 matrix, one row a moment, one column a series. Out: bytes, and from these the same matrix, bit for bit.
Method: whole numbers as differences of order 0, 1 or 2, whichever is smallest for a column, zigzag, bytes shuffled; floats that
are decimals of at most six places as whole numbers, the others XORed with the one before (Pelkonen et al., VLDB 2015).
Rule: nothing is rounded; a column that no short form gives back exactly is kept as it is. The caller compresses the bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
WIDTHS = (1, 2, 4, 8)  # bytes of one packed difference
PLACES = 7  # 0 to 6 decimal places are tried
LARGEST = float(1 << 53)  # beyond, a float64 is no exact whole number
XOR = PLACES  # the code of a column that is no decimal
EMPTY: Bytes = np.empty(0, dtype=np.uint8)


class Reader:
    """Takes arrays off a buffer, one after the other. Raises `ValueError` where it is too short."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def bytes(self, count: int) -> Bytes:
        """The next `count` bytes."""
        found = np.frombuffer(self._data, dtype=np.uint8, count=count, offset=self._at) if count else EMPTY
        self._at += count
        return found

    def ints(self, count: int) -> Ints:
        """The next `count` int64."""
        return self.bytes(8 * count).view(np.int64)


def pack_ints(values: Ints) -> bytes:
    """An int64 matrix of n rows and k columns; `unpack_ints` needs n and k again."""
    n, k = values.shape
    if not n or not k:
        return b""
    first = _differences(values)
    second = _differences(first) if n > 1 else first
    size = np.stack([_bits(values), _bits(first[1:]), _bits(second[2:])])
    order = np.argmin(size, axis=0).astype(np.uint8)
    rest = np.where(order == 0, values, np.where(order == 1, first, second))
    heads = [values[0, order > 0].tobytes()]
    rest[0, order > 0] = 0
    if n > 1:
        heads.append(first[1, order == 2].tobytes())
        rest[1, order == 2] = 0
    zigzag = _zigzag(rest)
    width = np.searchsorted([1 << 8, 1 << 16, 1 << 32], zigzag.max(axis=0), side="right").astype(np.uint8)
    planes = [_shuffled(zigzag[:, width == code], WIDTHS[code]) for code in range(len(WIDTHS))]
    return b"".join([(order * 4 + width).astype(np.uint8).tobytes(), *heads, *planes])


def unpack_ints(reader: Reader, n: int, k: int) -> Ints:
    """The matrix that `pack_ints` was given."""
    if not n or not k:
        return np.empty((n, k), dtype=np.int64)
    codes = reader.bytes(k)
    order, width = codes // 4, codes % 4
    head = reader.ints(int((order > 0).sum()))
    next_head = reader.ints(int((order == 2).sum())) if n > 1 else None
    zigzag = np.empty((n, k), dtype=np.uint64)
    for code, size in enumerate(WIDTHS):
        mine = width == code
        zigzag[:, mine] = _unshuffled(reader, n, int(mine.sum()), size)
    values = (zigzag >> np.uint64(1)).astype(np.int64) ^ -(zigzag & np.uint64(1)).astype(np.int64)
    values[0, order > 0] = head
    if next_head is not None:
        values[1, order == 2] = next_head
        values[1:, order == 2] = np.cumsum(values[1:, order == 2], axis=0)
    values[:, order > 0] = np.cumsum(values[:, order > 0], axis=0)
    return values


def pack_floats(values: Floats) -> bytes:
    """A float64 matrix of n rows and k columns; `unpack_floats` needs n and k again."""
    n, k = values.shape
    if not n or not k:
        return b""
    code = np.full(k, XOR, dtype=np.uint8)
    whole = np.zeros((n, k), dtype=np.int64)
    with np.errstate(all="ignore"):
        for places in range(PLACES):
            open_ = np.flatnonzero(code == XOR)
            if not len(open_):
                break
            scaled = np.rint(values[:, open_] * 10.0**places)
            fits = (np.abs(scaled) < LARGEST).all(axis=0)
            scaled = np.where(fits, scaled, 0.0).astype(np.int64)
            same = (scaled / 10.0**places).view(np.int64) == values[:, open_].view(np.int64)
            good = fits & same.all(axis=0)
            code[open_[good]] = places
            whole[:, open_[good]] = scaled[:, good]
    bits = np.ascontiguousarray(values[:, code == XOR]).view(np.uint64)
    bits[1:] = bits[1:] ^ np.ascontiguousarray(values[:-1, code == XOR]).view(np.uint64)
    return code.tobytes() + pack_ints(whole[:, code != XOR]) + _shuffled(bits, 8)


def unpack_floats(reader: Reader, n: int, k: int) -> Floats:
    """The matrix that `pack_floats` was given, NaN payloads and the sign of nought included."""
    values = np.empty((n, k), dtype=np.float64)
    if not n or not k:
        return values
    code = reader.bytes(k)
    decimal = code != XOR
    places = code[decimal].astype(np.int64)
    scale = np.array([10.0**p for p in range(PLACES)])[places]
    values[:, decimal] = unpack_ints(reader, n, int(decimal.sum())) / scale
    bits = _unshuffled(reader, n, int((~decimal).sum()), 8)
    values[:, ~decimal] = np.bitwise_xor.accumulate(bits, axis=0).view(np.float64)
    return values


def _differences(values: Ints) -> Ints:
    """Each row minus the one before, modulo 2^64; the first row as it is."""
    out = values.copy()
    out[1:] -= values[:-1]
    return out


def _bits(values: Ints) -> Floats:
    """About how many bits each column takes."""
    bits: Floats = np.log2(np.abs(values.astype(np.float64)) + 1.0).sum(axis=0)
    return bits


def _zigzag(values: Ints) -> npt.NDArray[np.uint64]:
    """0, -1, 1, -2 → 0, 1, 2, 3."""
    return (values.view(np.uint64) << np.uint64(1)) ^ (values >> 63).view(np.uint64)


def _shuffled(values: npt.NDArray[np.uint64], width: int) -> bytes:
    """Column by column, of each first all lowest bytes, then all second ones."""
    n, k = values.shape
    bytes_ = np.ascontiguousarray(values.T).view(np.uint8).reshape(k, n, 8)[:, :, :width]
    return bytes_.transpose(0, 2, 1).tobytes()


def _unshuffled(reader: Reader, n: int, k: int, width: int) -> npt.NDArray[np.uint64]:
    out = np.zeros((k, n, 8), dtype=np.uint8)
    out[:, :, :width] = reader.bytes(n * k * width).reshape(k, width, n).transpose(0, 2, 1)
    whole: npt.NDArray[np.uint64] = out.view(np.uint64).reshape(k, n).T
    return whole
