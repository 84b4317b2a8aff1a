/* Asking for the pixels of the next position while this one is worked on.

   Positions come in an order that keeps their pixels close together, but boxes of a few
   hundred bytes a row are too short for the processor to see what comes next. */
#ifndef FORCEDSQL_AHEAD_H
#define FORCEDSQL_AHEAD_H
#include "tasks.h"
#include "vectors.h"

enum { FLOATS_PER_LINE = 16 };

/* Ask for image and variance of a row from column `first` to before `last`, as far as they exist.
   Inlined early: GCC drops calls of functions that do nothing but ask. */
INLINE void ask_for_row(const forcedsql_planes *planes, int64_t row, int64_t first, int64_t last) {
    if (row < 0 || row >= planes->rows) return;
    first = first < 0 ? 0 : first;
    last = last > planes->columns ? planes->columns : last;
    for (int64_t i = first; i < last + FLOATS_PER_LINE - 1; i += FLOATS_PER_LINE) {
        int64_t at = row * planes->columns + (i < last ? i : last - 1);
        __builtin_prefetch(planes->image + at, 0, 2);
        __builtin_prefetch(planes->variance + at, 0, 2);
    }
}

/* Ask for box i, if there is one. */
INLINE void ask_for_box(const struct boxes *boxes, int64_t i) {
    if (!boxes->planes) return;
    for (int64_t j = 0; j < boxes->height; j++)
        ask_for_row(boxes->planes, boxes->y0[i] + j, boxes->x0[i], boxes->x0[i] + boxes->width);
}

#endif
