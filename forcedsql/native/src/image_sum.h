/* The sum that an image is divided by. */
#ifndef FORCEDSQL_IMAGE_SUM_H
#define FORCEDSQL_IMAGE_SUM_H
#include "vectors.h"

#include <math.h>

/* Return whether an image has a sum that its pixels can be divided by. */
static int has_sum(const double *pixels, int64_t count, double *sum) {
    doubles total = all_of(0.0), peak = all_of(0.0);
    int64_t k = 0;
    for (; k + LANES <= count; k += LANES) {
        doubles v = load(pixels + k), size = choose(v < all_of(0.0), -v, v);
        total += v;
        peak = choose(size > peak, size, peak);
    }
    double rest = 0.0, largest = 0.0;
    for (; k < count; k++) {
        rest += pixels[k];
        largest = fmax(largest, fabs(pixels[k]));
    }
    for (int lane = 0; lane < LANES; lane++) largest = fmax(largest, peak[lane]);
    *sum = sum_of_lanes(total) + rest;
    return *sum != 0.0 && isfinite(*sum) && isfinite(largest / *sum);
}

#endif
