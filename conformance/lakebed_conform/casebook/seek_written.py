"""Seek entries that a writer makes of a film: what it lists must be true of the file."""

from __future__ import annotations

from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.golden_files import GOOD, file_of, script


def key_frames(film: bytes) -> list[list[int]]:
    """[frame, place of its coded data] of the key frames in a WebM of ten frames a second, by its SimpleBlocks."""
    keys = []
    for frame in range(8):
        at = film.index(b"\x81" + (100 * frame).to_bytes(2, "big"), film.index(b"\x1f\x43\xb6\x75"))
        if film[at + 3] & 0x80:
            keys.append([frame, at + 4])
    return keys


if "webm_vp9" in GOOD:

    @case("seek/written", "seek.point.video", "seek.write", "seek.entries", features=("codec.webm",), origin="library")
    def _(b: Book) -> None:
        """A film of eight frames is given, a key frame every four

        A point where no decoder can begin, or whose bytes lie elsewhere, sends every reader that trusts it astray.
        """
        row = GOOD["webm_vp9"]
        film = file_of(row)
        want = {"tensors": {"x": {"dtype": row["dtype"], "shapes": [row["shape"]]}}, "length": 1}
        b.writes(script(row, film), want | {"layout": {"x": {"keys": key_frames(film)}}})
