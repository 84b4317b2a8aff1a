/* Bytes that grow, and bytes that are read with every length checked. */
#ifndef FORCEDSQL_BYTES_H
#define FORCEDSQL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts as zeros.  `failed` is set where there was no memory; what is put then is lost. */
struct buffer {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
};

/* Return the place of `size` further bytes, or NULL. */
void *buffer_add(struct buffer *buffer, size_t size);
void buffer_put(struct buffer *buffer, const void *data, size_t size);
void buffer_put_u32(struct buffer *buffer, uint32_t value);
void buffer_put_i64(struct buffer *buffer, int64_t value);
/* A length of 32 bits, then the bytes. */
void buffer_put_text(struct buffer *buffer, const char *text, size_t length);
/* Zeros up to the next multiple of eight. */
void buffer_align(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

/* `failed` is set by the first read that goes beyond the end; all later ones give zeros. */
struct reader {
    const uint8_t *start;
    size_t size, place;
    bool failed;
};

const void *reader_take(struct reader *reader, uint64_t size);
uint8_t reader_u8(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
int64_t reader_i64(struct reader *reader);
/* Return `count` elements of `width` bytes, NULL if they are not all there. */
const void *reader_array(struct reader *reader, uint64_t count, size_t width);
/* Return a new string ended by a zero, NULL if it is not there or holds a zero itself. */
char *reader_text(struct reader *reader);
void reader_align(struct reader *reader);

#endif
