/* The descriptor, read with every length checked. */
#include "descriptor.h"

#include <stdlib.h>

enum { MOST_TEXTS = 1024, MOST_FUNCTIONS = 1024, MOST_PARAMETERS = 64, MOST_COLUMNS = 256 };

static bool read_texts(struct texts *texts, struct reader *reader) {
    uint32_t count = reader_u32(reader);
    if (reader->failed || count > MOST_TEXTS) return false;
    texts->items = calloc((size_t)count + 1, sizeof *texts->items); /* ends in NULL, as execve wants it */
    if (!texts->items) return false;
    for (; texts->count < count; texts->count++)
        if (!(texts->items[texts->count] = reader_text(reader))) return false;
    return true;
}

static bool read_function(struct function *function, struct reader *reader) {
    if (!read_texts(&function->names, reader) || !function->names.count) return false;
    uint32_t count = reader_u32(reader);
    if (reader->failed || count > MOST_PARAMETERS) return false;
    function->parameters = calloc((size_t)count + 1, sizeof *function->parameters);
    if (!function->parameters) return false;
    while (function->parameter_count < count)
        if (!type_read(&function->parameters[function->parameter_count++], reader)) return false;
    if (!type_read(&function->result, reader)) return false;
    function->together = reader_u32(reader) != 0;
    function->is_constant = reader_u32(reader) != 0;
    function->constant = reader_text(reader);
    return function->constant && !(function->is_constant && function->result.kind != TYPE_VARCHAR);
}

static bool read_functions(struct descriptor *descriptor, struct reader *reader) {
    uint32_t count = reader_u32(reader);
    if (reader->failed || count > MOST_FUNCTIONS) return false;
    descriptor->functions = calloc((size_t)count + 1, sizeof *descriptor->functions);
    if (!descriptor->functions) return false;
    while (descriptor->function_count < count)
        if (!read_function(&descriptor->functions[descriptor->function_count++], reader)) return false;
    return true;
}

const char *descriptor_read(struct descriptor *descriptor, struct buffer bytes) {
    *descriptor = (struct descriptor){.bytes = bytes};
    struct reader reader = {.start = bytes.data, .size = bytes.size};
    if (reader_u32(&reader) != DESCRIPTOR_MAGIC) return "is not a descriptor";
    if (reader_u32(&reader) != DESCRIPTOR_VERSION) return "is of another version of forcedsql";
    reader_take(&reader, reader_u32(&reader)); /* the configuration, which workers read */
    bool whole = read_texts(&descriptor->command, &reader) && descriptor->command.count;
    whole = whole && (descriptor->log = reader_text(&reader));
    descriptor->workers = reader_u32(&reader);
    descriptor->registry_columns = reader_u32(&reader);
    whole = whole && descriptor->registry_columns && descriptor->registry_columns <= MOST_COLUMNS;
    whole = whole && read_texts(&descriptor->registry, &reader) && descriptor->registry.count == 2;
    whole = whole && read_texts(&descriptor->macros, &reader) && read_functions(descriptor, &reader);
    return whole && !reader.failed ? NULL : "is damaged";
}

static void free_texts(struct texts *texts) {
    for (uint32_t i = 0; i < texts->count; i++) free(texts->items[i]);
    free(texts->items);
}

void descriptor_free(struct descriptor *descriptor) {
    for (uint32_t i = 0; i < descriptor->function_count; i++) {
        struct function *function = &descriptor->functions[i];
        for (uint32_t k = 0; k < function->parameter_count; k++) type_free(&function->parameters[k]);
        type_free(&function->result);
        free_texts(&function->names);
        free(function->parameters);
        free(function->constant);
    }
    free(descriptor->functions);
    free_texts(&descriptor->macros);
    free_texts(&descriptor->registry);
    free(descriptor->log);
    free_texts(&descriptor->command);
    buffer_free(&descriptor->bytes);
    *descriptor = (struct descriptor){0};
}
