"""Floor 4. A stored unit as a file that is fetched as it is read, MiB by MiB, each verified first [unit.crc].

What decoders of sound and video are given instead of all of a unit's bytes [algo.region.media].
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

SPAN = 1 << 20
KEPT = 32  # pieces at hand
AHEAD = 8  # pieces fetched at once where reading goes straight on

Fetch = Callable[[Sequence[tuple[int, int]]], Sequence[bytes | memoryview]]


class Pieces(io.RawIOBase):
    """``fetch`` gives the verified bytes of runs (first piece, number of pieces) of a unit of ``size`` bytes.

    Reading raises what ``fetch`` raises. ``held``: pieces at hand, which several files of one unit may share.
    """

    def __init__(self, size: int, fetch: Fetch, held: dict[int, bytes | memoryview]) -> None:
        self.size = size
        self._fetch, self._held = fetch, held
        self._at, self._ahead, self._next = 0, 1, -1

    def want(self, parts: Iterable[tuple[int, int]]) -> None:
        """Fetch the pieces that hold these parts (offset, length), as far as they are not at hand, in one go."""
        wanted = {n for offset, size in parts if size > 0 for n in range(offset // SPAN, -(-(offset + size) // SPAN))}
        self._get(sorted(n for n in wanted if n not in self._held and n * SPAN < self.size)[: KEPT // 2])

    def _get(self, numbers: Sequence[int]) -> dict[int, bytes | memoryview]:
        runs: list[tuple[int, int]] = []
        for number in numbers:
            if runs and sum(runs[-1]) == number:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((number, 1))
        found: dict[int, bytes | memoryview] = {}
        for (first, count), data in zip(runs, self._fetch(runs) if runs else (), strict=True):
            view = memoryview(data)
            found.update((first + i, view[i * SPAN : (i + 1) * SPAN]) for i in range(count))
        for number in list(self._held)[: max(0, len(self._held) + len(found) - KEPT)]:
            self._held.pop(number, None)
        self._held.update(found)
        return found

    def _piece(self, number: int) -> bytes | memoryview:
        found = self._held.get(number)
        if found is None:
            self._ahead = min(AHEAD, 2 * self._ahead) if number == self._next else 1
            last = min(number + self._ahead, -(-self.size // SPAN))
            found = self._get([n for n in range(number, last) if n == number or n not in self._held])[number]
            self._next = last
        return found

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        out = memoryview(buffer).cast("B")
        done = 0
        while done < len(out) and self._at < self.size:
            number, inside = divmod(self._at, SPAN)
            part = self._piece(number)[inside : inside + len(out) - done]
            out[done : done + len(part)] = part
            done += len(part)
            self._at += len(part)
        return done
