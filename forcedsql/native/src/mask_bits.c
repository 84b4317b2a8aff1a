/* What the mask says inside ellipses and around positions.

   Which pixels an ellipse holds is decided in plain IEEE arithmetic, as NumPy does it: this
   file is compiled without fused multiply-add. */
#include "tasks.h"
#include "vectors.h"

#include <math.h>

/* OR the mask over columns `from` to `to` of a row, both included; NaN makes the row empty. */
static int32_t row_bits(const forcedsql_planes *planes, int64_t row, double from, double to) {
    double last = (double)(planes->columns - 1);
    if (!(from <= to) || !(to >= 0.0) || !(from <= last)) return 0;
    int64_t begin = from > 0.0 ? (int64_t)from : 0, end = to < last ? (int64_t)to : planes->columns - 1;
    const int32_t *mask = planes->mask + row * planes->columns;
    int32_t bits = 0;
    for (int64_t k = begin; k <= end; k++) bits |= mask[k];
    return bits;
}

/* The formulas and their order are the NumPy kernel's, its box around the ellipse included. */
static int32_t ellipse(const forcedsql_planes *planes, double x, double y, const double *quadrupole) {
    double xx = quadrupole[0], yy = quadrupole[1], xy = quadrupole[2];
    double reach = ceil(sqrt(xx > yy ? xx : yy)) + 1.0;
    double slope = xy / yy, squared = xx - xy * slope, fall = squared / yy;
    double box_x = floor(x) - reach, box_y = floor(y) - reach, size = 2.0 * reach + 2.0;
    double end = box_y + size < (double)planes->rows ? box_y + size : (double)planes->rows;
    int32_t bits = 0;
    for (double row = box_y > 0.0 ? box_y : 0.0; row < end; row += 1.0) {
        double dy = row - y, half_squared = squared - fall * dy * dy;
        if (half_squared < 0.0) continue;
        double middle = x + slope * dy, half = sqrt(half_squared);
        double from = ceil(middle - half), to = floor(middle + half);
        if (from < box_x) from = box_x;
        if (to > box_x + size - 1.0) to = box_x + size - 1.0;
        bits |= row_bits(planes, (int64_t)row, from, to);
    }
    return bits;
}

int FOR_ISA(ellipse_bits)(const void *argument, int64_t begin, int64_t end) {
    const struct ellipse_bits_task *task = argument;
    for (int64_t i = begin; i < end; i++)
        task->bits[i] = ellipse(task->planes, task->x[i], task->y[i], task->quadrupole + 3 * i);
    return 0;
}

int FOR_ISA(centre_bits)(const void *argument, int64_t begin, int64_t end) {
    const struct centre_bits_task *task = argument;
    const forcedsql_planes *planes = task->planes;
    for (int64_t i = begin; i < end; i++) {
        int32_t any = 0, all = -1;
        for (int64_t row = task->row[i] - 1; row <= task->row[i] + 1; row++)
            for (int64_t column = task->column[i] - 1; column <= task->column[i] + 1; column++)
                if (row >= 0 && row < planes->rows && column >= 0 && column < planes->columns) {
                    any |= planes->mask[row * planes->columns + column];
                    all &= planes->mask[row * planes->columns + column];
                }
        task->any_bits[i] = any;
        task->all_bits[i] = all;
    }
    return 0;
}
