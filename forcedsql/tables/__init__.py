"""Tables in and out of files, by suffix or format, with units, UCDs and descriptions kept.

In memory a table is a `pyarrow.Table` whose fields carry ``unit``, ``ucd`` and
``description`` as metadata; `to_astropy` and `from_astropy` carry them over.  FITS and
VOTable cannot tell a missing number from NaN: there both come back as NaN.
"""

from forcedsql.tables.astropy_tables import from_astropy, to_astropy
from forcedsql.tables.formats import FORMATS, TableFormat, table_format
from forcedsql.tables.metadata import FIELD_KEYS, annotated, field_metadata
from forcedsql.tables.reading import STANDARD_INPUT, read_table
from forcedsql.tables.writing import write_table

__all__ = [
    "FIELD_KEYS",
    "FORMATS",
    "STANDARD_INPUT",
    "TableFormat",
    "annotated",
    "field_metadata",
    "from_astropy",
    "read_table",
    "table_format",
    "to_astropy",
    "write_table",
]
