"""The suite's own checker and reader: judges trees that writers wrote, strictly, from the text of the spec alone."""

from __future__ import annotations

from lakebed_conform.checker.finding import Broken, Finding
from lakebed_conform.checker.reader import Item, Samples, read_tensor
from lakebed_conform.checker.tree import State, check_tree, folder_tree, open_state

__all__ = ["Broken", "Finding", "Item", "Samples", "State", "check_tree", "folder_tree", "open_state", "read_tensor"]
