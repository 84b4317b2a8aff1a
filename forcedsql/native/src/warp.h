/* Where the pixels of a warped image come from. */
#ifndef FORCEDSQL_WARP_H
#define FORCEDSQL_WARP_H
#include "interface.h"
#include "vectors.h"

/* One source coordinate as a function of destination pixels: a x + b y + c. */
struct affine {
    double a, b, c;
};

/* A row of destination pixels, of columns -half to half: which pixels of the padded source the
   taps of each begin at, and the entries of the kernel's table that weigh them.  A pixel whose
   taps leave the source begins at OUTSIDE. */
struct places {
    int32_t *column, *line, *entry_x, *entry_y;
};

enum { OUTSIDE = -1 };

/* Find the places of row `y`; `columns` and `lines` are where the first tap may lie.  Lists have
   room for whole vectors. */
void FOR_ISA(find_places)(struct affine column, struct affine line, int64_t y, int64_t half,
                          int64_t columns, int64_t lines, int64_t phases, struct places places);

#endif
