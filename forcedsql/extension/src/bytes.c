/* Bytes that grow, and bytes that are read with every length checked. */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 8, FIRST_CAPACITY = 1 << 12 };

void *buffer_add(struct buffer *buffer, size_t size) {
    if (buffer->failed) return NULL;
    if (size > buffer->capacity - buffer->size) {
        size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
        while (capacity - buffer->size < size && capacity <= SIZE_MAX / 2) capacity *= 2;
        uint8_t *grown = capacity - buffer->size < size ? NULL : realloc(buffer->data, capacity);
        if (!grown) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    void *place = buffer->data + buffer->size;
    buffer->size += size;
    return place;
}

void buffer_put(struct buffer *buffer, const void *data, size_t size) {
    void *place = buffer_add(buffer, size);
    if (place && size) memcpy(place, data, size);
}

void buffer_put_u32(struct buffer *buffer, uint32_t value) { buffer_put(buffer, &value, sizeof value); }

void buffer_put_i64(struct buffer *buffer, int64_t value) { buffer_put(buffer, &value, sizeof value); }

void buffer_put_text(struct buffer *buffer, const char *text, size_t length) {
    if (length > UINT32_MAX) {
        buffer->failed = true;
        return;
    }
    buffer_put_u32(buffer, (uint32_t)length);
    buffer_put(buffer, text, length);
}

void buffer_align(struct buffer *buffer) {
    static const uint8_t zeros[ALIGNMENT];
    buffer_put(buffer, zeros, -buffer->size % ALIGNMENT);
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

const void *reader_take(struct reader *reader, uint64_t size) {
    if (reader->failed || size > reader->size - reader->place) {
        reader->failed = true;
        return NULL;
    }
    const void *place = reader->start + reader->place;
    reader->place += size;
    return place;
}

uint8_t reader_u8(struct reader *reader) {
    const uint8_t *place = reader_take(reader, 1);
    return place ? *place : 0;
}

uint32_t reader_u32(struct reader *reader) {
    uint32_t value = 0;
    const void *place = reader_take(reader, sizeof value);
    if (place) memcpy(&value, place, sizeof value);
    return value;
}

int64_t reader_i64(struct reader *reader) {
    int64_t value = 0;
    const void *place = reader_take(reader, sizeof value);
    if (place) memcpy(&value, place, sizeof value);
    return value;
}

const void *reader_array(struct reader *reader, uint64_t count, size_t width) {
    if (count > SIZE_MAX / width) {
        reader->failed = true;
        return NULL;
    }
    return reader_take(reader, count * width);
}

char *reader_text(struct reader *reader) {
    uint32_t length = reader_u32(reader);
    const char *place = reader_take(reader, length);
    if (!place) return NULL;
    char *text = memchr(place, 0, length) ? NULL : malloc((size_t)length + 1);
    if (!text) {
        reader->failed = true;
        return NULL;
    }
    memcpy(text, place, length);
    text[length] = 0;
    return text;
}

void reader_align(struct reader *reader) { reader_take(reader, -reader->place % ALIGNMENT); }
