"""Something happens at the k-th change of a folder (inotify), or never where there is no inotify."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path


def available() -> bool:
    return hasattr(ctypes.CDLL(None), "inotify_init1")


_CREATE, _MODIFY, _MOVED, _CLOSE, _DIR = 0x100, 0x2, 0xC0, 0x8, 0x40000000


class Watcher:
    """Counts changes below a folder (inotify) and calls ``at_event`` at the k-th."""

    def __init__(self, root: Path, k: int, at_event: Callable[[], None]) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        self.left, self.at_event, self.stop = k, at_event, threading.Event()
        self.folders: dict[int, Path] = {}
        for folder in [root, *(p for p in root.rglob("*") if p.is_dir())]:
            self._add(folder)
        self.thread = threading.Thread(target=self._run)

    def _add(self, folder: Path) -> None:
        mask = _CREATE | _MODIFY | _MOVED | _CLOSE
        found = self.libc.inotify_add_watch(self.fd, os.fsencode(folder), mask)
        if found >= 0:
            self.folders[found] = folder

    def _run(self) -> None:
        while not self.stop.is_set():
            if not select.select([self.fd], [], [], 0.02)[0]:
                continue
            data, at = os.read(self.fd, 1 << 16), 0
            while at < len(data):
                watch, mask, _, length = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + length].rstrip(b"\0")
                at += 16 + length
                if mask & _DIR and mask & _CREATE and watch in self.folders:
                    self._add(self.folders[watch] / os.fsdecode(name))
                self.left -= 1
                if self.left == 0:
                    self.at_event()
                    return

    def __enter__(self) -> Watcher:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        os.close(self.fd)
