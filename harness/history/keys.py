"""Sets of keys in bounded memory: the numbers of `PREFIX-NUMBER` keys as compressed bitmaps, the rest as they are.

A run writes millions of keys that differ by a number alone. As a roaring
bitmap (Lemire et al. 2016) they take at most one bit for each number up to the
highest: 11 MB for every fifth of 86 million calls, where texts take 1.5 GB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from pyroaring import BitMap64

from harness.history.tally import SHOWN, Tally

# Keys of another form are kept as texts: 100 bytes each.
OTHERS_MAX = 100_000
# A run's keys share one prefix; each further one is a bitmap of its own.
PREFIXES_MAX = 64
# Longer ones are not sure to fit in 64 bits.
_DIGITS_MAX = 18


class KeySet:
    """A set of keys: `numbers` by prefix, and `others` as they are.

    `unkept` counts additions that found no room: such a set may have more than it knows of.
    """

    __slots__ = ("_others_max", "numbers", "others", "unkept")

    def __init__(self, keys: Iterable[str] = (), *, others_max: int = OTHERS_MAX) -> None:
        self.numbers: dict[str, BitMap64] = {}
        self.others: set[str] = set()
        self._others_max = others_max
        self.unkept = 0
        for key in keys:
            self.add(key)

    def add(self, key: str) -> None:
        """Add one key."""
        prefix, number = split(key)
        if number is None:
            self._add_other(key)
            return
        numbers = self.numbers.get(prefix)
        if numbers is None:
            if len(self.numbers) >= PREFIXES_MAX:
                self.unkept += 1
                return
            numbers = self.numbers[prefix] = BitMap64()
        numbers.add(number)

    def _add_other(self, key: str) -> None:
        if key in self.others:
            return
        if len(self.others) < self._others_max:
            self.others.add(key)
        else:
            self.unkept += 1

    def __len__(self) -> int:
        return sum(map(len, self.numbers.values())) + len(self.others)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys, numbered ones first and in the order of their numbers."""
        numbered = (f"{prefix}-{number}" for prefix, numbers in sorted(self.numbers.items()) for number in numbers)
        return chain(numbered, sorted(self.others))

    def minus(self, *taken: KeySet) -> KeySet:
        """Return the keys that are in none of the sets `taken`.

        What a set could not keep it may have held: only keys that no `taken` can have held are left.
        """
        left = KeySet(others_max=self._others_max)
        for prefix, numbers in self.numbers.items():
            rest = BitMap64(numbers)
            for other in taken:
                if prefix in other.numbers:
                    rest -= other.numbers[prefix]
                elif other.unkept:
                    rest.clear()
            if rest:
                left.numbers[prefix] = rest
        if not any(other.unkept for other in taken):
            left.others = self.others.difference(*(other.others for other in taken))
        return left

    def tally(self) -> Tally:
        """Return how many keys there are, and the first of them."""
        return Tally(islice(self, SHOWN), len(self))


def split(key: str) -> tuple[str, int | None]:
    """Return a key's prefix and number; None where its text does not follow from them."""
    prefix, dash, text = key.rpartition("-")
    if not (dash and text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        return key, None
    number = int(text)
    # A leading zero would make one key of two.
    return (prefix, number) if text[0] != "0" or text == "0" else (key, None)
