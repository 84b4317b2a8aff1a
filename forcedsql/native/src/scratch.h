#ifndef FORCEDSQL_SCRATCH_H
#define FORCEDSQL_SCRATCH_H
#include <stdint.h>
#include <stdlib.h>

/* Reserve `count` elements of `size` bytes each, on a cache line of their own; NULL without memory. */
static inline void *scratch(int64_t count, size_t size) {
    size_t bytes = ((size_t)count * size + 63) / 64 * 64;
    return aligned_alloc(64, bytes ? bytes : 64);
}

#endif
