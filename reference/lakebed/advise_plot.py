"""Floor 7. The candidates of an advice as a picture: size against decode speed, both on logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .advise import Advice, Candidate

WIDTH, HEIGHT, EDGE, LINE = 1000, 600, 70, 17
EXACT, LOSSY, PICKED, PALE = (38, 90, 160), (200, 110, 30), (20, 140, 70), (225, 225, 225)
_STEPS = (1, 2, 5)


def plot(advice: Advice, path: str | Path) -> None:
    """A PNG: right is quicker to decode, down is smaller; blue exact, orange with an error (written beside it), green
    the pick."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    speeds, sizes = ([each.decode for each in advice.candidates], [1 / each.ratio for each in advice.candidates])
    across = _scale(speeds, EDGE + 20, WIDTH - 5 * EDGE)
    down = _scale(sizes, HEIGHT - EDGE - 20, EDGE)
    for speed in _ticks(speeds):
        draw.line([(across(speed), EDGE // 2), (across(speed), HEIGHT - EDGE // 2)], PALE)
        draw.text((across(speed), HEIGHT - EDGE // 2 + 2), f"{speed:,.0f}", "gray", font, anchor="ma")
    for size in _ticks(sizes):
        draw.line([(EDGE, down(size)), (WIDTH - EDGE // 2, down(size))], PALE)
        draw.text((EDGE - 6, down(size)), f"{size:.3g}", "gray", font, anchor="rm")
    draw.line([(EDGE, EDGE // 2), (EDGE, HEIGHT - EDGE // 2), (WIDTH - EDGE // 2, HEIGHT - EDGE // 2)], "gray")
    draw.text((EDGE, 8), "stored bytes for each raw byte (lower is smaller)", "gray", font)
    draw.text((WIDTH - EDGE // 2, HEIGHT - 4), "decode, raw MB a second (right is quicker)", "gray", font, anchor="rd")
    for each, x, y, line in _places(advice.candidates, across, down):
        ink = PICKED if each is advice.pick else EXACT if each.error in ("exact", "as given") else LOSSY
        draw.ellipse([x - 5, y - 5, x + 5, y + 5], ink)
        if abs(line - y) > 4:
            draw.line([(x, y), (x + 12, line)], ink)
        draw.text((x + 14, line), _label(each), ink, font, anchor="lm")
    image.save(path, "PNG")


def _places(
    candidates: Iterable[Candidate], across: Callable[[float], float], down: Callable[[float], float]
) -> list[tuple[Candidate, float, float, float]]:
    """(candidate, x, y, height of its label): labels give way downwards where another one stands."""
    found: list[tuple[Candidate, float, float, float]] = []
    for each in sorted(candidates, key=lambda each: -1 / each.ratio):
        x, y = across(each.decode), down(1 / each.ratio)
        line = y
        taken = [(left, left + 7 * len(_label(other)) + 14, place) for other, left, _, place in found]
        mine = x + 7 * len(_label(each)) + 14
        while any(abs(line - place) < LINE and left < mine and x < right for left, right, place in taken):
            line += 1
        found.append((each, x, y, line))
    return found


def _label(each: Candidate) -> str:
    error = "" if each.error in ("exact", "as given") else f", {each.error}"
    return f"{each.name}: {1 / each.ratio:.0%}, {each.decode:,.0f} MB/s{error}"


def _ticks(values: list[float]) -> list[float]:
    """1, 2, 5, 10, 20, ... as far as they lie between the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    marks = [step * 10.0**power for power in range(low, high + 1) for step in _STEPS]
    return [mark for mark in marks if min(values) <= mark <= max(values)]


def _scale(values: list[float], start: int, stop: int) -> Callable[[float], float]:
    low, high = math.log(min(values)), math.log(max(values))
    span = high - low or 1.0
    return lambda value: start + (math.log(value) - low) / span * (stop - start)
