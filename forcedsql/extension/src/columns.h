/* Columns as bytes: what goes to a worker, and what comes back.

   A column of n rows is, each part starting at a multiple of eight bytes:
     8 bytes, 1 if there are NULLs; then n bytes, 0 where there is one
     numbers and booleans: n values
     strings: 8 bytes, the number d of different ones; n codes of 32 bits if there are two or more;
              d + 1 ends of 32 bits from 0 on; the characters
     lists: n + 1 ends of 32 bits from 0 on; the column of all elements
     structs: the columns of the fields */
#ifndef FORCEDSQL_COLUMNS_H
#define FORCEDSQL_COLUMNS_H

#include "types.h"

/* Values of DuckDB's vectors. */
bool row_is_valid(const uint64_t *validity, idx_t row);
const char *string_text(const duck_string *string);
bool strings_are_equal(const duck_string *a, const duck_string *b);
uint64_t string_hash(const duck_string *string);

/* Append some rows of a vector. */
void column_encode(struct buffer *buffer, const struct type *type, duck_vector vector, const idx_t *rows,
                   idx_t count);

/* Where rows go: row i to rows[i], or to base + i without rows. */
struct placement {
    const idx_t *rows;
    idx_t base;
};

/* Fill rows of a vector; false if the bytes are not such a column, or there is no memory. */
bool column_decode(struct reader *reader, const struct type *type, duck_vector vector, idx_t count,
                   struct placement to);

#endif
