/* Numbers whose bytes are stored apart: all first bytes of a row, all second ones, and so on. */
#include "tasks.h"
#include "vectors.h"

int FOR_ISA(join_bytes)(const void *argument, int64_t begin, int64_t end) {
    const struct join_bytes_task *task = argument;
    int64_t width = task->width;
    for (int64_t j = begin; j < end; j++) {
        const uint8_t *highest = task->stored + 4 * j * width;
        const uint8_t *high = highest + width, *low = high + width, *lowest = low + width;
        uint32_t *numbers = task->numbers + j * width;
        for (int64_t i = task->first; i < task->end; i++)
            numbers[i] = (uint32_t)highest[i] << 24 | (uint32_t)high[i] << 16 | (uint32_t)low[i] << 8 | lowest[i];
    }
    return 0;
}
