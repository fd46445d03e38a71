"""Floor 7. Importers: from what people have to a dataset, without changing a byte of it."""

from .folder import Imported, Refused, import_folder

__all__ = ["Imported", "Refused", "import_folder"]
