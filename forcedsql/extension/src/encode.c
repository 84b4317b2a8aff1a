/* DuckDB's vectors to bytes. */
#include <stdlib.h>
#include <string.h>

#include "columns.h"

enum { LARGEST_TEXT = INT32_MAX };

bool row_is_valid(const uint64_t *validity, idx_t row) {
    return !validity || validity[row / 64] >> row % 64 & 1;
}

static void put_validity(struct buffer *buffer, const uint64_t *validity, const idx_t *rows, idx_t count) {
    bool nulls = false;
    for (idx_t i = 0; validity && i < count && !nulls; i++) nulls = !row_is_valid(validity, rows[i]);
    buffer_put_i64(buffer, nulls);
    if (!nulls) return;
    uint8_t *place = buffer_add(buffer, count);
    for (idx_t i = 0; place && i < count; i++) place[i] = row_is_valid(validity, rows[i]);
    buffer_align(buffer);
}

/* Append values; those of NULL rows are zeros, for theirs may never have been written. */
static void put_values(struct buffer *buffer, duck_vector vector, const uint64_t *validity, size_t width,
                       const idx_t *rows, idx_t count) {
    const uint8_t *data = duck.vector_get_data(vector);
    uint8_t *place = buffer_add(buffer, count * width);
    if (!place) return;
    if (!validity && width == 8) {
        for (idx_t i = 0; i < count; i++) memcpy(place + 8 * i, data + 8 * rows[i], 8);
    } else {
        for (idx_t i = 0; i < count; i++) {
            if (row_is_valid(validity, rows[i])) memcpy(place + width * i, data + width * rows[i], width);
            else memset(place + width * i, 0, width);
        }
    }
    buffer_align(buffer);
}

/* The different strings of a column, found by hash: slots hold codes, -1 where free. */
struct dictionary {
    const duck_string **strings;
    int32_t *slots;
    uint64_t mask;
    idx_t size;
};

const char *string_text(const duck_string *string) {
    return string->length <= sizeof string->start + sizeof string->rest ? string->start : string->pointer;
}

bool strings_are_equal(const duck_string *a, const duck_string *b) {
    /* Those of one chunk often share their characters, or have them inline. */
    if (!memcmp(a, b, sizeof *a)) return true;
    if (a->length != b->length) return false;
    const char *left = string_text(a), *right = string_text(b);
    return left == right || !memcmp(left, right, a->length);
}

static uint64_t mix(uint64_t hash, const char *text, size_t size) {
    uint64_t word = 0;
    memcpy(&word, text, size);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

uint64_t string_hash(const duck_string *string) {
    const char *text = string_text(string);
    uint64_t hash = string->length;
    size_t place = 0, whole = string->length - string->length % sizeof(uint64_t);
    for (; place < whole; place += sizeof(uint64_t)) hash = mix(hash, text + place, sizeof(uint64_t));
    return mix(hash, text + place, string->length - whole);
}

static int32_t code_of(struct dictionary *dictionary, const duck_string *string) {
    uint64_t slot = string_hash(string) & dictionary->mask;
    while (dictionary->slots[slot] >= 0) {
        if (strings_are_equal(dictionary->strings[dictionary->slots[slot]], string)) return dictionary->slots[slot];
        slot = (slot + 1) & dictionary->mask;
    }
    dictionary->strings[dictionary->size] = string;
    return dictionary->slots[slot] = (int32_t)dictionary->size++;
}

static bool make_dictionary(struct dictionary *dictionary, idx_t count) {
    uint64_t slots = 4;
    while (slots < 2 * count) slots *= 2;
    dictionary->mask = slots - 1;
    dictionary->strings = calloc(count + 1, sizeof *dictionary->strings);
    dictionary->slots = malloc(slots * sizeof *dictionary->slots);
    if (!dictionary->strings || !dictionary->slots) return false;
    memset(dictionary->slots, -1, slots * sizeof *dictionary->slots);
    return true;
}

static void put_codes(struct buffer *buffer, struct dictionary *dictionary, const duck_string *data,
                      const uint64_t *validity, const idx_t *rows, idx_t count) {
    const duck_string *before = NULL;
    int32_t code = 0;
    size_t place = buffer->size;
    if (!buffer_add(buffer, count * sizeof code)) return;
    for (idx_t i = 0; i < count; i++) {
        const duck_string *string = &data[rows[i]];
        if (row_is_valid(validity, rows[i])) {
            if (!before || !strings_are_equal(before, string)) code = code_of(dictionary, string);
            before = string;
        }
        int32_t written = before ? code : 0;
        memcpy(buffer->data + place + sizeof written * i, &written, sizeof written);
    }
    if (dictionary->size < 2) buffer->size = place;
    buffer_align(buffer);
}

static void put_characters(struct buffer *buffer, const struct dictionary *dictionary) {
    int64_t end = 0;
    for (idx_t i = 0; i <= dictionary->size; i++) {
        buffer_put_u32(buffer, (uint32_t)end);
        if (i < dictionary->size) end += dictionary->strings[i]->length;
        if (end > LARGEST_TEXT) buffer->failed = true;
    }
    buffer_align(buffer);
    for (idx_t i = 0; i < dictionary->size; i++)
        buffer_put(buffer, string_text(dictionary->strings[i]), dictionary->strings[i]->length);
    buffer_align(buffer);
}

static void put_strings(struct buffer *buffer, duck_vector vector, const uint64_t *validity, const idx_t *rows,
                        idx_t count) {
    struct dictionary dictionary = {0};
    size_t number = buffer->size;
    buffer_put_i64(buffer, 0);
    if (count <= INT32_MAX && make_dictionary(&dictionary, count)) {
        put_codes(buffer, &dictionary, duck.vector_get_data(vector), validity, rows, count);
        put_characters(buffer, &dictionary);
        int64_t size = (int64_t)dictionary.size;
        if (!buffer->failed) memcpy(buffer->data + number, &size, sizeof size);
    } else {
        buffer->failed = true;
    }
    free(dictionary.strings);
    free(dictionary.slots);
}

static void put_lists(struct buffer *buffer, const struct type *type, duck_vector vector, const uint64_t *validity,
                      const idx_t *rows, idx_t count) {
    const duck_list *lists = duck.vector_get_data(vector);
    idx_t elements = 0;
    for (idx_t i = 0; i < count && elements <= INT32_MAX; i++) {
        buffer_put_u32(buffer, (uint32_t)elements);
        if (row_is_valid(validity, rows[i])) elements += lists[rows[i]].length;
    }
    buffer_put_u32(buffer, (uint32_t)elements);
    buffer_align(buffer);
    idx_t *inner = elements <= INT32_MAX ? malloc((elements + 1) * sizeof *inner) : NULL;
    if (!inner) {
        buffer->failed = true;
        return;
    }
    idx_t next = 0;
    for (idx_t i = 0; i < count; i++) {
        if (!row_is_valid(validity, rows[i])) continue;
        for (idx_t k = 0; k < lists[rows[i]].length; k++) inner[next++] = lists[rows[i]].offset + k;
    }
    column_encode(buffer, &type->children[0], duck.list_vector_get_child(vector), inner, elements);
    free(inner);
}

void column_encode(struct buffer *buffer, const struct type *type, duck_vector vector, const idx_t *rows,
                   idx_t count) {
    const uint64_t *validity = duck.vector_get_validity(vector);
    put_validity(buffer, validity, rows, count);
    switch (type->kind) {
    case TYPE_VARCHAR: put_strings(buffer, vector, validity, rows, count); break;
    case TYPE_LIST: put_lists(buffer, type, vector, validity, rows, count); break;
    case TYPE_STRUCT:
        for (uint32_t i = 0; i < type->count; i++)
            column_encode(buffer, &type->children[i], duck.struct_vector_get_child(vector, i), rows, count);
        break;
    default: put_values(buffer, vector, validity, type_width(type), rows, count);
    }
}
