"""Floor 7. A contact sheet: every picture with its boxes and mask drawn in, its label and how it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..dataset import Dataset

CARD, PICTURE, GAP, COLUMNS, MARGIN, TOP = (300, 294), (276, 212), 16, 4, 32, 84
PAPER, WHITE, INK, SOFT, EDGE = "#f4f2ee", "#ffffff", "#22262b", "#7b7f86", "#e2ded6"
TINTS = ("#d9722e", "#b8437f", "#3a7ca5")
MASK = (46, 160, 134)


def draw(ds: Dataset, place: Path, *, captions: list[str]) -> None:
    """Write the sheet of all rows of ``ds`` (tensors images, labels, boxes, masks) as a PNG file."""
    lines = -(-len(ds) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * CARD[0] + (COLUMNS - 1) * GAP
    height = TOP + lines * (CARD[1] + GAP) + MARGIN - GAP
    page = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, 24), "A Lakebed dataset", fill=INK, font=_font(26))
    about = f"{len(ds)} rows   ·   {len(ds.tensors)} tensors   ·   commit {ds.number}"
    pen.text((width - MARGIN, 33), about, fill=SOFT, font=_font(16), anchor="ra")
    for number in range(len(ds)):
        column, line = number % COLUMNS, number // COLUMNS
        at = (MARGIN + column * (CARD[0] + GAP), TOP + line * (CARD[1] + GAP))
        _card(page, at, ds, number, captions[number])
    if len(ds) % COLUMNS:
        _legend(pen, (MARGIN + len(ds) % COLUMNS * (CARD[0] + GAP), TOP + (lines - 1) * (CARD[1] + GAP)), ds)
    page.save(place, "PNG", optimize=True)


def _card(page: Image.Image, at: tuple[int, int], ds: Dataset, number: int, caption: str) -> None:
    row = ds[number]
    names = ds["labels"].class_names or []
    label = int(row["labels"])
    pen = ImageDraw.Draw(page)
    pen.rounded_rectangle((*at, at[0] + CARD[0], at[1] + CARD[1]), 10, fill=WHITE, outline=EDGE)
    picture = _picture(row)
    left = at[0] + (CARD[0] - picture.width) // 2
    upper = at[1] + 12 + (PICTURE[1] - picture.height) // 2
    page.paste(picture, (left, upper))
    y = at[1] + PICTURE[1] + 24
    tint, name = TINTS[label % len(TINTS)], names[label]
    wide = pen.textlength(name, font=_font(14))
    pen.rounded_rectangle((at[0] + 12, y, at[0] + 28 + wide, y + 24), 12, fill=tint)
    pen.text((at[0] + 20, y + 12), name, fill=WHITE, font=_font(14), anchor="lm")
    pen.text((at[0] + 38 + wide, y + 12), caption, fill=INK, font=_font(15), anchor="lm")
    form, data = ds["images"].file_format(number)
    size = " x ".join(str(side) for side in ds["images"].shapes[number])
    below = f"{form}, {len(data):,} bytes, {size}"
    pen.text((at[0] + 14, y + 40), below, fill=SOFT, font=_font(13), anchor="lm")
    pen.text((at[0] + CARD[0] - 14, y + 40), f"row {number}", fill=SOFT, font=_font(13), anchor="rm")


def _picture(row: Any) -> Image.Image:
    """The picture in RGB on white, its mask tinted, its boxes drawn, scaled to the card."""
    pixels = row["images"]
    if pixels.shape[-1] == 1:
        pixels = pixels.repeat(3, axis=2)
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGBA")
    ground = Image.new("RGBA", image.size, WHITE)
    ground.alpha_composite(image)
    values = np.array(ground.convert("RGB"))
    if row["masks"] is not None:
        _tint(values, row["masks"])
    scale = min(PICTURE[0] / values.shape[1], PICTURE[1] / values.shape[0])
    size = (round(values.shape[1] * scale), round(values.shape[0] * scale))
    shown = Image.fromarray(values).resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(shown)
    for x, y, width, height in (np.asarray(row["boxes"]) * scale).tolist():
        box = (x, y, min(x + width, size[0] - 1), min(y + height, size[1] - 1))
        if min(box[2] - box[0], box[3] - box[1]) > 60:  # small boxes would drown in their halo
            pen.rectangle(box, outline=WHITE, width=4)
        pen.rectangle((box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1), outline=TINTS[0], width=2)
    return shown


def _tint(values: np.ndarray, mask: np.ndarray) -> None:
    """Colour the masked pixels, in place: lightly inside, fully along the edge."""
    inner = mask.copy()
    for step in (-2, -1, 1, 2):
        for axis in (0, 1):
            inner &= np.roll(mask, step, axis)
    values[mask] = (0.62 * values[mask] + 0.38 * np.array(MASK)).astype(np.uint8)
    values[mask & ~inner] = MASK


def _legend(pen: ImageDraw.ImageDraw, at: tuple[int, int], ds: Dataset) -> None:
    x, y = at[0] + 20, at[1] + 16
    pen.text((x, y), "Tensors", fill=INK, font=_font(18))
    for tensor in ds.tensors.values():
        y += 34
        pen.text((x, y), tensor.name, fill=INK, font=_font(15))
        shape = " x ".join("?" if side is None else str(side) for side in tensor.shape) or "one number"
        pen.text((x + 84, y), f"{tensor.htype}, {shape}", fill=SOFT, font=_font(15))
    y += 48
    pen.rectangle((x, y, x + 22, y + 16), outline=TINTS[0], width=2)
    pen.text((x + 34, y + 8), "box", fill=SOFT, font=_font(15), anchor="lm")
    pen.rectangle((x + 84, y, x + 106, y + 16), fill=MASK)
    pen.text((x + 118, y + 8), "mask", fill=SOFT, font=_font(15), anchor="lm")


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
