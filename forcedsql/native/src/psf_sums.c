/* The sums of the PSF fit over the pixels of each model's box. */
#include "ahead.h"
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

#include <math.h>

enum { TOGETHER = 4 };

/* The pixels of one box, as double vectors: model, image and variance. */
struct box {
    int64_t pixels;
    double *model, *image, *variance;
};

/* Part of a box of `size` from `first` that is within 0 to `limit`. */
static void clip(int64_t first, int64_t size, int64_t limit, int64_t *begin, int64_t *end) {
    *begin = first >= 0 ? 0 : first > -size ? -first : size;
    *end = first <= limit - size ? size : first < limit ? limit - first : 0;
    if (*end < *begin) *end = *begin;
}

/* Leave pixel p out: it then adds nothing to any sum. */
static void leave_out(struct box *box, int64_t p) {
    box->model[p] = 0.0;
    box->image[p] = 0.0;
    box->variance[p] = 1.0;
}

/* Copy a box, and ask for that of the next position; return how many of its pixels are used. */
static int64_t gather(const struct psf_sums_task *task, int64_t i, int64_t next, struct box *box) {
    const forcedsql_planes *planes = task->planes;
    int64_t height = task->height, width = task->width, used = 0;
    int64_t left, right, bottom, top;
    clip(task->x0[i], width, planes->columns, &left, &right);
    clip(task->y0[i], height, planes->rows, &bottom, &top);
    int whole = left == 0 && right == width && bottom == 0 && top == height;
    if (!whole)
        for (int64_t p = 0; p < box->pixels; p++) leave_out(box, p);
    for (int64_t j = bottom; j < top; j++) {
        ask_for_row(planes, task->y0[next] + j, task->x0[next], task->x0[next] + width);
        int64_t from = (task->y0[i] + j) * planes->columns + task->x0[i] + left;
        int64_t to = j * width + left, count = right - left;
        copy(box->model + to, task->model + i * box->pixels + to, count);
        for (int64_t k = 0; k < count; k++) box->image[to + k] = planes->image[from + k];
        for (int64_t k = 0; k < count; k++) box->variance[to + k] = planes->variance[from + k];
        used += count;
        if (!task->bad_bits) continue;
        for (int64_t k = 0; k < count; k++)
            if (planes->mask[from + k] & task->bad_bits) {
                leave_out(box, to + k);
                used--;
            }
    }
    return used;
}

static void sum_model(const struct box *box, double sums[4]) {
    doubles m_sum = all_of(0.0), mm_sum = m_sum, m_image = m_sum, mm_variance = m_sum;
    for (int64_t p = 0; p < box->pixels; p += LANES) {
        doubles m = load(box->model + p), mm = m * m;
        m_sum += m;
        mm_sum += mm;
        m_image += m * load(box->image + p);
        mm_variance += mm * load(box->variance + p);
    }
    sums[0] = sum_of_lanes(m_sum);
    sums[1] = sum_of_lanes(mm_sum);
    sums[2] = sum_of_lanes(m_image);
    sums[3] = sum_of_lanes(mm_variance);
}

INLINE doubles squared_residual(const struct box *box, double amplitude, int64_t p) {
    doubles residual = load(box->image + p) - amplitude * load(box->model + p);
    return residual * residual;
}

struct fraction {
    doubles top, bottom;
};

INLINE struct fraction added(struct fraction a, struct fraction b) {
    return (struct fraction){a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom};
}

INLINE struct fraction term(const struct box *box, double amplitude, int64_t p) {
    return (struct fraction){squared_residual(box, amplitude, p), load(box->variance + p)};
}

/* Divisions cost most of this sum, so TOGETHER fractions share one; where that is no number, as
   next to a variance of zero, each has its own. */
static double chi_squared(const struct box *box, double amplitude) {
    doubles sum = all_of(0.0);
    for (int64_t p = 0; p < box->pixels; p += TOGETHER * LANES) {
        struct fraction first = added(term(box, amplitude, p), term(box, amplitude, p + LANES));
        struct fraction second =
            added(term(box, amplitude, p + 2 * LANES), term(box, amplitude, p + 3 * LANES));
        struct fraction all = added(first, second);
        sum += all.top / all.bottom;
    }
    double chi2 = sum_of_lanes(sum);
    if (isfinite(chi2)) return chi2;
    sum = all_of(0.0);
    for (int64_t p = 0; p < box->pixels; p += LANES) {
        struct fraction one = term(box, amplitude, p);
        sum += one.top / one.bottom;
    }
    return sum_of_lanes(sum);
}

int FOR_ISA(psf_sums)(const void *argument, int64_t begin, int64_t end) {
    const struct psf_sums_task *task = argument;
    struct box box = {.pixels = task->height * task->width};
    int64_t padded = round_up(box.pixels, TOGETHER * MAX_LANES);
    double *room = scratch(3 * padded, sizeof(double));
    if (!room) return -1;
    box.model = room;
    box.image = room + padded;
    box.variance = room + 2 * padded;
    for (int64_t p = box.pixels; p < padded; p++) leave_out(&box, p);
    for (int64_t i = begin; i < end; i++) {
        double sums[4];
        int64_t used = gather(task, i, i + 1 < end ? i + 1 : i, &box);
        sum_model(&box, sums);
        double chi2 = chi_squared(&box, sums[2] / sums[1]);
        for (int k = 0; k < 4; k++) task->sums[k * task->n + i] = sums[k];
        task->sums[4 * task->n + i] = chi2;
        task->npixels[i] = used;
    }
    free(room);
    return 0;
}
