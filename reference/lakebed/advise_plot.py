"""Floor 7. The candidates of an advice as a picture: size against decode speed, both on logarithmic scales."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .advise import Advice, Candidate

WIDTH, HEIGHT, EDGE = 960, 600, 70
EXACT, LOSSY, PICKED = (38, 90, 160), (200, 110, 30), (20, 140, 70)


def plot(advice: Advice, path: str | Path) -> None:
    """A PNG: right is quicker to decode, down is smaller; blue exact, orange with an error (written beside it), green
    the pick."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    across = _scale([each.decode for each in advice.candidates], EDGE, WIDTH - 3 * EDGE)
    down = _scale([1 / each.ratio for each in advice.candidates], HEIGHT - EDGE, EDGE)
    draw.line([(EDGE, EDGE // 2), (EDGE, HEIGHT - EDGE // 2), (WIDTH - EDGE // 2, HEIGHT - EDGE // 2)], "gray")
    draw.text((EDGE, 8), "stored / raw bytes (lower is smaller)", "gray", font)
    draw.text((WIDTH - 330, HEIGHT - 28), "decode, raw MB a second (right is quicker)", "gray", font)
    for each in advice.candidates:
        x, y = across(each.decode), down(1 / each.ratio)
        ink = PICKED if each is advice.pick else EXACT if each.error in ("exact", "as given") else LOSSY
        draw.ellipse([x - 5, y - 5, x + 5, y + 5], ink)
        draw.text((x + 9, y - 8), _label(each), ink, font)
    image.save(path, "PNG")


def _label(each: Candidate) -> str:
    error = "" if each.error in ("exact", "as given") else f", {each.error}"
    return f"{each.name}: {1 / each.ratio:.0%}, {each.decode:,.0f} MB/s{error}"


def _scale(values: list[float], start: int, stop: int):
    low, high = math.log(min(values)), math.log(max(values))
    span = high - low or 1.0
    return lambda value: start + (math.log(value) - low) / span * (stop - start)
