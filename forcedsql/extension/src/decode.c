/* Bytes to DuckDB's vectors.  Nothing that a worker writes is trusted: every length is checked,
   and read once, for the worker still holds the memory. */
#include <string.h>

#include "columns.h"

static idx_t place_of(struct placement to, idx_t row) { return to.rows ? to.rows[row] : to.base + row; }

/* Make rows NULL, and with those of a struct their fields, as DuckDB wants it. */
static void set_null(const struct type *type, duck_vector vector, idx_t row) {
    duck.vector_ensure_validity_writable(vector);
    duck.vector_get_validity(vector)[row / 64] &= ~(UINT64_C(1) << row % 64);
    if (type->kind != TYPE_STRUCT) return;
    for (uint32_t i = 0; i < type->count; i++)
        set_null(&type->children[i], duck.struct_vector_get_child(vector, i), row);
}

static bool decode_values(struct reader *reader, const struct type *type, duck_vector vector, idx_t count,
                          struct placement to) {
    size_t width = type_width(type);
    const uint8_t *values = reader_array(reader, count, width);
    if (!values) return false;
    uint8_t *data = duck.vector_get_data(vector);
    if (type->kind == TYPE_BOOLEAN) {
        for (idx_t i = 0; i < count; i++) data[place_of(to, i)] = values[i] != 0;
    } else if (!to.rows) {
        memcpy(data + width * to.base, values, count * width);
    } else {
        for (idx_t i = 0; i < count; i++) memcpy(data + width * to.rows[i], values + width * i, width);
    }
    reader_align(reader);
    return !reader->failed;
}

static int32_t int32_at(const uint8_t *values, idx_t row) {
    int32_t value;
    memcpy(&value, values + sizeof value * row, sizeof value);
    return value;
}

static bool decode_strings(struct reader *reader, duck_vector vector, idx_t count, struct placement to) {
    int64_t different = reader_i64(reader);
    const uint8_t *codes = different < 2 ? NULL : reader_array(reader, count, sizeof(int32_t));
    reader_align(reader);
    if (different < 0 || different > INT32_MAX) return false;
    const uint8_t *ends = reader_array(reader, (uint64_t)different + 1, sizeof(int32_t));
    reader_align(reader);
    if (reader->failed) return false;
    int32_t total = int32_at(ends, (idx_t)different);
    const char *text = total < 0 ? NULL : reader_take(reader, (uint64_t)total);
    reader_align(reader);
    if (!text || reader->failed) return false;
    for (idx_t i = 0; i < count; i++) {
        int32_t code = codes ? int32_at(codes, i) : 0;
        if (different == 0 || code < 0 || code >= different) {
            duck.vector_assign_string_element_len(vector, place_of(to, i), "", 0);
            continue;
        }
        int32_t begin = int32_at(ends, (idx_t)code), end = int32_at(ends, (idx_t)code + 1);
        if (begin < 0 || end < begin || end > total) return false;
        duck.vector_assign_string_element_len(vector, place_of(to, i), text + begin, (idx_t)(end - begin));
    }
    return true;
}

static bool decode_lists(struct reader *reader, const struct type *type, duck_vector vector, idx_t count,
                         struct placement to) {
    const uint8_t *ends = reader_array(reader, count + 1, sizeof(int32_t));
    reader_align(reader);
    if (!ends || reader->failed || int32_at(ends, 0) != 0) return false;
    duck_list *lists = duck.vector_get_data(vector);
    idx_t base = duck.list_vector_get_size(vector);
    int32_t begin = 0;
    for (idx_t i = 0; i < count; i++) {
        int32_t end = int32_at(ends, i + 1);
        if (end < begin) return false;
        lists[place_of(to, i)] = (duck_list){base + (idx_t)begin, (idx_t)(end - begin)};
        begin = end;
    }
    /* An element takes a byte at least: a length that the bytes cannot hold asks for no memory. */
    if ((uint64_t)begin > reader->size - reader->place) return false;
    if (duck.list_vector_reserve(vector, base + (idx_t)begin)) return false;
    if (duck.list_vector_set_size(vector, base + (idx_t)begin)) return false;
    return column_decode(reader, &type->children[0], duck.list_vector_get_child(vector), (idx_t)begin,
                         (struct placement){.base = base});
}

static bool decode_fields(struct reader *reader, const struct type *type, duck_vector vector, idx_t count,
                          struct placement to) {
    for (uint32_t i = 0; i < type->count; i++)
        if (!column_decode(reader, &type->children[i], duck.struct_vector_get_child(vector, i), count, to))
            return false;
    return true;
}

static bool decode_kind(struct reader *reader, const struct type *type, duck_vector vector, idx_t count,
                        struct placement to) {
    switch (type->kind) {
    case TYPE_VARCHAR: return decode_strings(reader, vector, count, to);
    case TYPE_LIST: return decode_lists(reader, type, vector, count, to);
    case TYPE_STRUCT: return decode_fields(reader, type, vector, count, to);
    default: return decode_values(reader, type, vector, count, to);
    }
}

bool column_decode(struct reader *reader, const struct type *type, duck_vector vector, idx_t count,
                   struct placement to) {
    bool nulls = reader_i64(reader) != 0;
    const uint8_t *valid = nulls ? reader_array(reader, count, 1) : NULL;
    reader_align(reader);
    if (reader->failed || !decode_kind(reader, type, vector, count, to)) return false;
    for (idx_t i = 0; nulls && i < count; i++)
        if (!valid[i]) set_null(type, vector, place_of(to, i));
    return true;
}
