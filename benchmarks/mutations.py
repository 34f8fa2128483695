"""Damaged copies of files: what fuzz_images.py, fuzz_models.py and tests/test_hostile_*.py are made of.

``damaged(seed)`` is a hypothesis strategy; an edit is a pure function of bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from hypothesis import strategies as st

Edit = Callable[[bytes], bytes]

# Sizes, counts and offsets that break readers: 0, -1, the limits of the types, 30,000 and 65,535 pixels.
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 30_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_FORMS = (">B", "<H", ">H", "<I", ">I", "<Q")
_HEADER = 96


def flip(data: bytes, position: int, bit: int) -> bytes:
    """One bit turned."""
    changed = bytearray(data)
    if changed:
        changed[position % len(changed)] ^= 1 << bit
    return bytes(changed)


def truncate(data: bytes, length: int) -> bytes:
    """The first bytes alone."""
    return data[: length % (len(data) + 1)]


def swap(data: bytes, first: int, second: int, length: int) -> bytes:
    """Two blocks exchanged; where they overlap the second wins."""
    if not data:
        return data
    first, second = first % len(data), second % len(data)
    changed = bytearray(data)
    length = min(length, len(data) - max(first, second))
    changed[first : first + length], changed[second : second + length] = (
        data[second : second + length],
        data[first : first + length],
    )
    return bytes(changed)


def cut_out(data: bytes, position: int, length: int) -> bytes:
    """A block left out."""
    position %= len(data) + 1
    return data[:position] + data[position + length :]


def repeat(data: bytes, position: int, length: int, times: int) -> bytes:
    """A block written several times."""
    position %= len(data) + 1
    return data[:position] + data[position : position + length] * times + data[position + length :]


def insert(data: bytes, position: int, extra: bytes) -> bytes:
    """Foreign bytes in between."""
    position %= len(data) + 1
    return data[:position] + extra + data[position:]


def overwrite(data: bytes, position: int, form: str, number: int) -> bytes:
    """A number, as a size or an offset could stand there, written over what was there."""
    size = struct.calcsize(form)
    if len(data) < size:
        return data
    position %= len(data) - size + 1
    packed = struct.pack(form, number & ((1 << 8 * size) - 1))
    return data[:position] + packed + data[position + size :]


def with_png_checksums(data: bytes) -> bytes:
    """Checksums of a PNG's chunks made right again, so that a reader comes to see what was changed."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    changed, position = bytearray(data), 8
    while position + 12 <= len(changed):
        (length,) = struct.unpack_from(">I", changed, position)
        end = position + 8 + length
        if end + 4 > len(changed):
            break
        struct.pack_into(">I", changed, end, zlib.crc32(changed[position + 4 : end]))
        position = end + 4
    return bytes(changed)


def edits(size: int) -> st.SearchStrategy[Edit]:
    """One edit of a file of about ``size`` bytes; half of the overwritten numbers stand in the header."""
    anywhere = st.integers(0, max(size - 1, 0))
    near = st.one_of(st.integers(0, min(_HEADER, max(size - 1, 0))), anywhere)
    length = st.integers(1, max(min(size, 4096), 1))

    def bind(edit: Callable[..., bytes], *arguments: st.SearchStrategy) -> st.SearchStrategy[Edit]:
        return st.tuples(*arguments).map(lambda drawn: lambda data: edit(data, *drawn))

    return st.one_of(
        bind(flip, near, st.integers(0, 7)),
        bind(truncate, anywhere),
        bind(swap, anywhere, anywhere, length),
        bind(cut_out, near, length),
        bind(repeat, near, length, st.integers(2, 8)),
        bind(insert, near, st.binary(min_size=1, max_size=64)),
        bind(overwrite, near, st.sampled_from(_FORMS), st.sampled_from(_NUMBERS)),
    )


@st.composite
def damaged(draw: st.DrawFn, seed: bytes, most: int = 3) -> bytes:
    """``seed`` after 1 to ``most`` edits, a PNG with its checksums made right half of the time."""
    data = seed
    for edit in draw(st.lists(edits(len(seed)), min_size=1, max_size=most)):
        data = edit(data)
    return with_png_checksums(data) if draw(st.booleans()) else data
