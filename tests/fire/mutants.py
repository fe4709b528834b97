"""Damaged copies of a file: seeded, of every size of damage, in its bytes and in the numbers that its text holds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)  # bytes at which numbers turn over
COUNTS = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = (b"-1", b"0", b"1e999", b"-1e-320", b"NaN", b"Infinity", b"18446744073709551616", b'"x"', b"null", b"[]", b"{}")
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?|true|false|null")

Change = Callable[[bytearray, random.Random], None]


def mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`count` copies of `data`, each with one to four kinds of damage; the same for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            dice.choice(CHANGES)(changed, dice)
        yield bytes(changed)


def place(data: bytearray, dice: random.Random) -> int:
    """Anywhere; half of the times near the beginning, where headers are."""
    return dice.randrange(min(len(data), dice.choice((64, 1 << 62))) or 1)


def flip(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 4, 32))):
        if data:
            data[place(data, dice)] ^= 1 << dice.randrange(8)


def edge(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 4))):
        if data:
            data[place(data, dice)] = dice.choice(EDGES)


def count_in_four_bytes(data: bytearray, dice: random.Random) -> None:
    at = place(data, dice)
    data[at : at + 4] = dice.choice(COUNTS).to_bytes(4, dice.choice(("little", "big")))


def cut(data: bytearray, dice: random.Random) -> None:
    del data[place(data, dice) :]


def drop(data: bytearray, dice: random.Random) -> None:
    at = place(data, dice)
    del data[at : at + dice.choice((1, 8, 200))]


def repeat(data: bytearray, dice: random.Random) -> None:
    at = place(data, dice)
    data[at:at] = data[at : at + dice.choice((1, 40, 4000))]


def swap(data: bytearray, dice: random.Random) -> None:
    first, second, length = place(data, dice), place(data, dice), dice.choice((1, 16, 256))
    data[first : first + length], data[second : second + length] = (
        data[second : second + length],
        data[first : first + length],
    )


def word(data: bytearray, dice: random.Random) -> None:
    """Another value for a number of text, as in JSON, TOML, tables and the headers of arrays."""
    found = list(NUMBER.finditer(bytes(data[:20_000])))
    if found:
        one = dice.choice(found)
        data[one.start() : one.end()] = dice.choice(WORDS)


def nest(data: bytearray, dice: random.Random) -> None:
    at = place(data, dice)
    data[at:at] = dice.choice((b"[", b"{", b'"', b"\n", b"\0", b"\xff")) * dice.choice((1, 3, 3000))


CHANGES: tuple[Change, ...] = (flip, edge, count_in_four_bytes, cut, drop, repeat, swap, word, nest)
