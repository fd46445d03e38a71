"""Resident memory of a port and its children while it answers one request (Linux; elsewhere nothing is measured)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def measurable() -> bool:
    return Path("/proc/self/statm").exists()


class Watch:
    """Watches one request: ``budget`` bytes of growth, ``ceiling`` bytes in all."""

    def __init__(self, pid: int, budget: int | None, ceiling: int) -> None:
        self.pid, self.budget, self.ceiling = pid, budget, ceiling
        with contextlib.suppress(OSError):  # resets the kernel's own peak, so that short spikes are seen
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        self.before = _resident(pid)
        self.peak = self.before

    def look(self) -> str | None:
        """What limit has been passed, if any."""
        self.peak = max(self.peak, _resident(self.pid), _peak(self.pid))
        return self.over()

    def over(self) -> str | None:
        self.peak = max(self.peak, _peak(self.pid))
        if self.peak > self.ceiling:
            return f"{self.peak >> 20} MiB resident, limit {self.ceiling >> 20} MiB"
        if self.budget is not None and self.peak - self.before > self.budget:
            return f"grew by {(self.peak - self.before) >> 20} MiB, budget {self.budget >> 20} MiB"
        return None

    def grown(self) -> int | None:
        return self.peak - self.before if measurable() else None


def _resident(pid: int) -> int:
    """Resident bytes of a process and its descendants; 0 when it has gone."""
    total = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += _resident(int(child))
    return total


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
