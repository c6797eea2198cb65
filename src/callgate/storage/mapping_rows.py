"""How suppliers' files were read, as rows and back."""

import msgspec

from callgate.rating.deck_options import Said
from callgate.rating.supplier_mapping import SupplierMapping
from callgate.storage.rows import Row, from_us, to_us

MAPPING_KEY = ("id",)
MAPPING = (*MAPPING_KEY, "supplier", "header", "said", "file", "remembered_at", "remembered_by")

_encode = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_said = msgspec.json.Decoder(Said).decode


def from_mapping(mapping: SupplierMapping) -> Row:
    return (
        mapping.id,
        mapping.supplier,
        _encode(mapping.header).decode(),
        _encode(mapping.said).decode(),
        mapping.file,
        to_us(mapping.remembered_at),
        mapping.remembered_by,
    )


def to_mapping(row: Row) -> SupplierMapping:
    id_, supplier, header, said, file, remembered_at, remembered_by = row
    return SupplierMapping(
        id=id_,
        supplier=supplier,
        header=_decode_header(header),
        said=_decode_said(said),
        file=file,
        remembered_at=from_us(remembered_at),
        remembered_by=remembered_by,
    )
