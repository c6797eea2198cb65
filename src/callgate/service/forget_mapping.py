"""Forget how a supplier's files are read: the next one is read by what it tells itself, and asks again."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.errors import NotFound
from callgate.rating.supplier_mapping import SupplierMapping
from callgate.service.books import Books, Keys


class MappingReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a supplier's files with one header: `said` in the words that would say it again; nothing, where the
    files tell everything themselves. `file` is the last that was imported so.
    """

    id: str
    supplier: str
    header: list[str]
    said: list[str]
    file: str
    remembered_at: datetime
    remembered_by: str


@dataclass(frozen=True, kw_only=True)
class ForgetMapping:
    """Decks that were imported stay as they are."""

    id: str

    def keys(self) -> Keys:
        return Keys(mappings=(self.id,))

    def run(self, books: Books) -> SupplierMapping:
        """Raises `NotFound`."""
        mapping = books.mappings.get(self.id)
        if mapping is None:
            raise NotFound(f"nothing is remembered under {self.id[:100]}")
        books.mappings.remove(self.id)
        return mapping


def report_mapping(mapping: SupplierMapping) -> MappingReport:
    return MappingReport(
        id=mapping.id,
        supplier=mapping.supplier,
        header=list(mapping.header),
        said=mapping.said.shown(),
        file=mapping.file,
        remembered_at=mapping.remembered_at,
        remembered_by=mapping.remembered_by,
    )
