/* Where the pixels of a warped image come from.

   The last bit of a coordinate may decide which entry of the kernel's table a pixel takes, so
   this file is compiled without fused multiply-add: NumPy has none. */
#include "warp.h"

/* Split coordinates into the pixels below them and table entries; `inside` says which count. */
INLINE void split(doubles coordinate, longs inside, int64_t phases, int32_t *pixel, int32_t *entry) {
    coordinate = where(inside, coordinate);
    ints below = truncated(coordinate);
    doubles phase = (coordinate - from_ints(below)) * (double)phases;
    /* A phase of exactly 1, by rounding, takes the last entry. */
    doubles last = all_of((double)(phases - 1));
    ints taken = truncated(choose(phase < last, phase, last));
    memcpy(pixel, &below, sizeof below);
    memcpy(entry, &taken, sizeof taken);
}

void FOR_ISA(find_places)(struct affine column, struct affine line, int64_t y, int64_t half,
                          int64_t columns, int64_t lines, int64_t phases, struct places places) {
    doubles x, zero = all_of(0.0);
    for (int k = 0; k < LANES; k++) x[k] = (double)(k - half);
    double column_y = column.b * (double)y, line_y = line.b * (double)y;
    for (int64_t i = 0; i < 2 * half + 1; i += LANES, x += all_of(LANES)) {
        doubles c = column.a * x + column_y + column.c, l = line.a * x + line_y + line.c;
        longs inside = (c >= zero) & (c < all_of((double)columns)) & (l >= zero) & (l < all_of((double)lines));
        split(c, inside, phases, places.column + i, places.entry_x + i);
        split(l, inside, phases, places.line + i, places.entry_y + i);
        for (int k = 0; k < LANES; k++)
            if (!inside[k]) places.column[i + k] = OUTSIDE;
    }
}
