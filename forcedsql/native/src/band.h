/* Lanczos-5 shifts of rows of numbers: ten taps, applied to vectors of neighbours.

   Reading each tap's neighbours would split most reads over two cache lines.  Here every
   input is read once, and multiplied by the weights that it has in a vector of outputs. */
#ifndef FORCEDSQL_BAND_H
#define FORCEDSQL_BAND_H
#include "taps.h"
#include "vectors.h"

enum { BAND = LANES + TAPS - 1 };

/* band[d] holds what input i + d adds to outputs i, i + 1, ...: lane l is taps[d - l] or 0. */
INLINE void make_band(const double taps[TAPS], doubles band[BAND]) {
    double reversed[BAND + LANES] = {0.0};
    for (int t = 0; t < TAPS; t++) reversed[BAND - 1 - t] = taps[t];
    UNROLL for (int d = 0; d < BAND; d++) band[d] = load(reversed + BAND - 1 - d);
}

/* Outputs 0 to LANES - 1 of ROWS rows of inputs: the sum of taps[t] in[i + t]. */
INLINE void apply_band(const doubles band[BAND], const double *in, int64_t in_stride, double *out,
                       int64_t out_stride, const int rows) {
    doubles sums[4];
    UNROLL for (int r = 0; r < rows; r++) sums[r] = all_of(0.0);
    UNROLL for (int d = 0; d < BAND; d++)
        UNROLL for (int r = 0; r < rows; r++) sums[r] += in[r * in_stride + d] * band[d];
    UNROLL for (int r = 0; r < rows; r++) store(out + r * out_stride, sums[r]);
}

#endif
