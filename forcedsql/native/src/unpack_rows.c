/* Rows of pixels that are gzipped one by one, the most significant byte of a number first. */
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

#include <string.h>

/* Four bytes are what image, variance and mask have. */
static void join_four(const struct unpack_rows_task *task, const uint8_t *stored, uint8_t *numbers) {
    int64_t width = task->width;
    const uint8_t *highest = stored, *high = highest + width, *low = high + width, *lowest = low + width;
    for (int64_t i = task->first; i < task->end; i++) {
        uint32_t number = (uint32_t)highest[i] << 24 | (uint32_t)high[i] << 16 | (uint32_t)low[i] << 8 | lowest[i];
        memcpy(numbers + 4 * i, &number, sizeof number);
    }
}

static void join_bytes(const struct unpack_rows_task *task, const uint8_t *stored, uint8_t *numbers) {
    int64_t size = task->size;
    int64_t next_byte = task->shuffled ? task->width : 1, next_number = task->shuffled ? 1 : size;
    for (int64_t byte = 0; byte < size; byte++) {
        int64_t place = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? size - 1 - byte : byte;
        const uint8_t *bytes = stored + byte * next_byte;
        for (int64_t i = task->first; i < task->end; i++) numbers[size * i + place] = bytes[i * next_number];
    }
}

/* Return how many bytes a member held, -1 if it is damaged or holds more than a row.

   libdeflate may look at all that follows the member: near the end of its input it goes byte by byte,
   and the members of constant rows are all end. */
static int64_t unpack(const struct unpack_rows_task *task, void *decompressor, int64_t row, uint8_t *stored) {
    int64_t begin = row ? task->ends[row - 1] : 0;
    size_t read = 0, held = 0, available = (size_t)(task->ends[task->n - 1] - begin);
    int fault = task->libdeflate->gzip_decompress_ex(decompressor, task->packed + begin, available, stored,
                                                     (size_t)(task->width * task->size), &read, &held);
    return fault || (int64_t)read > task->ends[row] - begin ? -1 : (int64_t)held;
}

int FOR_ISA(unpack_rows)(const void *argument, int64_t begin, int64_t end) {
    const struct unpack_rows_task *task = argument;
    int64_t row_bytes = task->width * task->size;
    void *decompressor = task->libdeflate->alloc_decompressor();
    uint8_t *stored = scratch(row_bytes, 1);
    int ready = decompressor && stored;
    for (int64_t row = begin; ready && row < end; row++) {
        task->held[row] = unpack(task, decompressor, row, stored);
        if (task->held[row] != row_bytes) continue;
        uint8_t *numbers = task->numbers + row * row_bytes;
        if (task->shuffled && task->size == 4)
            join_four(task, stored, numbers);
        else
            join_bytes(task, stored, numbers);
    }
    free(stored);
    if (decompressor) task->libdeflate->free_decompressor(decompressor);
    return ready ? 0 : -1;
}
