"""Arrow types without dictionaries: a dictionary would keep values that no row has any more."""

from __future__ import annotations

import pyarrow as pa


def without_dictionaries(schema: pa.Schema) -> pa.Schema:
    """The schema with the types of the values in the place of dictionaries, nested ones too."""
    return pa.schema([_plain_field(each) for each in schema], metadata=schema.metadata)


def has_dictionary(kind: pa.DataType) -> bool:
    """Whether values of this type may lie in a dictionary."""
    return bool(plain_type(kind) != kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, where a dictionary may hold them."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([_plain_field(kind.field(at)) for at in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(
            _plain_field(kind.key_field), _plain_field(kind.item_field), kind.keys_sorted
        )
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain_field(kind.value_field))
    if pa.types.is_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    if pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type))
