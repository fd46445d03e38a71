"""Join near spans into few requests and cut the answers apart again [store.ranges]: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GAP = 32 << 10  # bytes worth reading to save a request, when many are under way at once [algo.many.coalesce]
LIMIT = 16 << 20  # bytes of one request: enough to fill the line, small enough to fetch several at once


class Group(NamedTuple):
    """One request: its first byte, its length, and which spans (positions in the caller's list) lie in it."""

    offset: int
    length: int
    members: tuple[int, ...]


def coalesce(spans: Sequence[tuple[int, int]], gap: int = GAP, limit: int = LIMIT) -> list[Group]:
    """Groups that cover every non-empty (offset, length) span, in order of offset.

    Spans at most ``gap`` bytes apart share a group, unless it would pass ``limit`` bytes; a longer span stands alone.
    """
    groups: list[Group] = []
    start = end = 0
    members: list[int] = []
    for offset, length, i in sorted((offset, length, i) for i, (offset, length) in enumerate(spans) if length):
        reach = max(end, offset + length)
        if members and offset - end <= gap and reach - start <= limit:
            members.append(i)
        else:
            if members:
                groups.append(Group(start, end - start, tuple(members)))
            start, reach, members = offset, offset + length, [i]
        end = reach
    if members:
        groups.append(Group(start, end - start, tuple(members)))
    return groups


def cut(
    spans: Sequence[tuple[int, int]], groups: Sequence[Group], answers: Sequence[bytes]
) -> list[memoryview | bytes]:
    """The bytes of each span, without a copy; ``answers[g]`` holds exactly the bytes of ``groups[g]``."""
    parts: list[memoryview | bytes] = [b""] * len(spans)
    for group, answer in zip(groups, answers, strict=True):
        whole = memoryview(answer)
        for i in group.members:
            at = spans[i][0] - group.offset
            parts[i] = whole[at : at + spans[i][1]]
    return parts
