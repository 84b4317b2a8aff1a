/* SQL types of parameters and results. */
#include "types.h"

#include <stdlib.h>

enum { DEEPEST = 8, MOST_FIELDS = 1 << 14 };

static bool read_children(struct type *type, struct reader *reader, int depth);

static bool read_type(struct type *type, struct reader *reader, int depth) {
    *type = (struct type){.kind = reader_u8(reader)};
    switch (type->kind) {
    case TYPE_LIST: type->count = 1; return read_children(type, reader, depth);
    case TYPE_STRUCT:
        type->count = reader_u32(reader);
        type->names = type->count && type->count <= MOST_FIELDS ? calloc(type->count, sizeof *type->names) : NULL;
        return type->names && read_children(type, reader, depth);
    case TYPE_VARCHAR: return true;
    default: return !reader->failed && type_width(type);
    }
}

static bool read_children(struct type *type, struct reader *reader, int depth) {
    type->children = depth < DEEPEST ? calloc(type->count, sizeof *type->children) : NULL;
    if (!type->children) return false;
    for (uint32_t i = 0; i < type->count; i++) {
        if (type->names && !(type->names[i] = reader_text(reader))) return false;
        if (!read_type(&type->children[i], reader, depth + 1)) return false;
    }
    return true;
}

bool type_read(struct type *type, struct reader *reader) { return read_type(type, reader, 0); }

void type_free(struct type *type) {
    for (uint32_t i = 0; type->children && i < type->count; i++) type_free(&type->children[i]);
    for (uint32_t i = 0; type->names && i < type->count; i++) free(type->names[i]);
    free(type->children);
    free(type->names);
    *type = (struct type){0};
}

size_t type_width(const struct type *type) {
    switch (type->kind) {
    case TYPE_DOUBLE: return sizeof(double);
    case TYPE_BIGINT: return sizeof(int64_t);
    case TYPE_FLOAT: return sizeof(float);
    case TYPE_INTEGER: return sizeof(int32_t);
    case TYPE_BOOLEAN: return 1;
    default: return 0;
    }
}

static duck_type logical_struct(const struct type *type) {
    duck_type *members = calloc(type->count, sizeof *members);
    if (!members) return NULL;
    for (uint32_t i = 0; i < type->count; i++) members[i] = type_logical(&type->children[i]);
    duck_type made = duck.create_struct_type(members, (const char **)type->names, type->count);
    for (uint32_t i = 0; i < type->count; i++) duck.destroy_logical_type(&members[i]);
    free(members);
    return made;
}

static duck_type logical_list(const struct type *type) {
    duck_type element = type_logical(&type->children[0]);
    duck_type made = duck.create_list_type(element);
    duck.destroy_logical_type(&element);
    return made;
}

duck_type type_logical(const struct type *type) {
    switch (type->kind) {
    case TYPE_DOUBLE: return duck.create_logical_type(DUCK_DOUBLE);
    case TYPE_FLOAT: return duck.create_logical_type(DUCK_FLOAT);
    case TYPE_BIGINT: return duck.create_logical_type(DUCK_BIGINT);
    case TYPE_INTEGER: return duck.create_logical_type(DUCK_INTEGER);
    case TYPE_BOOLEAN: return duck.create_logical_type(DUCK_BOOLEAN);
    case TYPE_VARCHAR: return duck.create_logical_type(DUCK_VARCHAR);
    case TYPE_LIST: return logical_list(type);
    case TYPE_STRUCT: return logical_struct(type);
    }
    return NULL;
}
