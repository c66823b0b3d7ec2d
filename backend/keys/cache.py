"""A bounded memory of opened keys: least recently used first out, and nothing stays longer than its time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class KeyCache(Generic[K, V]):
    """At most `size` keys, each for at most `life_s` seconds.

    The life bounds how long a process that missed the news may go on with a key that was destroyed elsewhere.
    """

    def __init__(self, size: int, life_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._size, self._life_s, self._monotonic = size, life_s, monotonic
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """The value, or None when it is unknown or too old."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] < self._monotonic():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: K, value: V) -> None:
        """Keep `value`; the least recently used goes when there are too many."""
        self._kept[key] = (self._monotonic() + self._life_s, value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def forget(self, key: K) -> None:
        """Drop one, if it is there."""
        self._kept.pop(key, None)

    def clear(self) -> None:
        """Drop all."""
        self._kept.clear()

    def forget_where(self, test: Callable[[K], bool]) -> None:
        """Drop all whose key passes `test`; looks at every one."""
        for key in [key for key in self._kept if test(key)]:
            del self._kept[key]
