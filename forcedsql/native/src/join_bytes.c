/* Numbers whose bytes are stored apart: all first bytes of a row, all second ones, and so on. */
#include "tasks.h"
#include "vectors.h"

int FOR_ISA(join_bytes)(const void *argument, int64_t begin, int64_t end) {
    const struct join_bytes_task *task = argument;
    int64_t width = task->width;
    for (int64_t j = begin; j < end; j++) {
        const uint8_t *first = task->stored + 4 * j * width;
        const uint8_t *second = first + width, *third = second + width, *last = third + width;
        uint32_t *numbers = task->numbers + j * width;
        for (int64_t i = 0; i < width; i++)
            numbers[i] = (uint32_t)first[i] << 24 | (uint32_t)second[i] << 16 | (uint32_t)third[i] << 8 | last[i];
    }
    return 0;
}
