"""Floor 7. ``lakebed demo``: the whole life of a small dataset, on real pictures."""

from .story import Step, free_folder, run

__all__ = ["Step", "free_folder", "run"]
