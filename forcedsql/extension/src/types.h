/* SQL types of parameters and results. */
#ifndef FORCEDSQL_TYPES_H
#define FORCEDSQL_TYPES_H

#include "api.h"
#include "bytes.h"

enum type_kind {
    TYPE_DOUBLE = 'd',
    TYPE_FLOAT = 'f',
    TYPE_BIGINT = 'l',
    TYPE_INTEGER = 'i',
    TYPE_BOOLEAN = 'b',
    TYPE_VARCHAR = 's',
    TYPE_LIST = 'L',
    TYPE_STRUCT = 'S',
};

/* A list has one child, a struct one for each of its names. */
struct type {
    enum type_kind kind;
    uint32_t count;
    struct type *children;
    char **names;
};

/* Read a type; false if it is none, or there is no memory.  Free it in either case. */
bool type_read(struct type *type, struct reader *reader);
void type_free(struct type *type);
/* Return bytes of a value, 0 for strings, lists and structs. */
size_t type_width(const struct type *type);
/* Return DuckDB's type, which the caller destroys. */
duck_type type_logical(const struct type *type);

#endif
