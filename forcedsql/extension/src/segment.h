/* Memory shared with one worker; it has no name, so nothing is left behind. */
#ifndef FORCEDSQL_SEGMENT_H
#define FORCEDSQL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment {
    int file;
    uint8_t *start;
    size_t size;
};

bool segment_make(struct segment *segment);
/* Make the segment at least so large. */
bool segment_grow(struct segment *segment, size_t size);
/* Map what the worker may have added to it; false if it is not so large. */
bool segment_reach(struct segment *segment, uint64_t size);
/* Give the memory of large results back to the system. */
void segment_trim(struct segment *segment);
void segment_free(struct segment *segment);

#endif
