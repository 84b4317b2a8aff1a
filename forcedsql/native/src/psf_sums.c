/* The sums of the PSF fit over the pixels of each model's box. */
#include "ahead.h"
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

#include <math.h>

/* The pixels of one box: in place where all of them are used, else a copy. */
struct box {
    int64_t height, width;
    const double *model;             /* rows of `width` */
    const float *image, *variance;   /* rows `stride` apart */
    int64_t stride;
};

/* Room for a copy of a box. */
struct copied {
    double *model;
    float *image, *variance;
};

/* Part of a box of `size` from `first` that is within 0 to `limit`. */
static void clip(int64_t first, int64_t size, int64_t limit, int64_t *begin, int64_t *end) {
    *begin = first >= 0 ? 0 : first > -size ? -first : size;
    *end = first <= limit - size ? size : first < limit ? limit - first : 0;
    if (*end < *begin) *end = *begin;
}

/* Leave pixel p out: it then adds nothing to any sum. */
static void leave_out(const struct copied *copied, int64_t p) {
    copied->model[p] = 0.0;
    copied->image[p] = 0.0f;
    copied->variance[p] = 1.0f;
}

/* Copy the pixels of a box that are used; return how many they are. */
static int64_t copy_used(const struct psf_sums_task *task, int64_t i, const struct copied *copied) {
    const forcedsql_planes *planes = task->planes;
    int64_t height = task->height, width = task->width, used = 0;
    const double *model = task->model + i * height * width;
    int64_t left, right, bottom, top;
    clip(task->x0[i], width, planes->columns, &left, &right);
    clip(task->y0[i], height, planes->rows, &bottom, &top);
    for (int64_t p = 0; p < height * width; p++) leave_out(copied, p);
    for (int64_t j = bottom; j < top; j++)
        for (int64_t k = left; k < right; k++) {
            int64_t from = (task->y0[i] + j) * planes->columns + task->x0[i] + k, to = j * width + k;
            if (task->bad_bits && planes->mask[from] & task->bad_bits) continue;
            copied->model[to] = model[to];
            copied->image[to] = planes->image[from];
            copied->variance[to] = planes->variance[from];
            used++;
        }
    return used;
}

static int is_inside(const struct psf_sums_task *task, int64_t i) {
    const forcedsql_planes *planes = task->planes;
    return task->x0[i] >= 0 && task->x0[i] <= planes->columns - task->width && task->y0[i] >= 0 &&
           task->y0[i] <= planes->rows - task->height;
}

/* Return the box of a position, and how many of its pixels are used. */
static struct box box_of(const struct psf_sums_task *task, int64_t i, const struct copied *copied,
                         int64_t *used) {
    const forcedsql_planes *planes = task->planes;
    int64_t height = task->height, width = task->width;
    if (task->bad_bits || !is_inside(task, i)) {
        *used = copy_used(task, i, copied);
        return (struct box){height, width, copied->model, copied->image, copied->variance, width};
    }
    int64_t first = task->y0[i] * planes->columns + task->x0[i];
    *used = height * width;
    return (struct box){height,
                        width,
                        task->model + i * height * width,
                        planes->image + first,
                        planes->variance + first,
                        planes->columns};
}

/* The pixels of one vector: what is past the end of a row adds nothing to any sum. */
struct pixels {
    doubles model, image, variance;
};

INLINE struct pixels pixels_at(const struct box *box, int64_t row, int64_t column) {
    const double *model = box->model + row * box->width + column;
    const float *image = box->image + row * box->stride + column;
    const float *variance = box->variance + row * box->stride + column;
    int64_t left = box->width - column;
    if (left >= LANES) return (struct pixels){load(model), load_floats(image), load_floats(variance)};
    doubles kept = load_first_floats(variance, left);
    return (struct pixels){load_first(model, left), load_first_floats(image, left),
                           choose(first_lanes(left), kept, all_of(1.0))};
}

static void sum_model(const struct box *box, double sums[4]) {
    doubles m_sum = all_of(0.0), mm_sum = m_sum, m_image = m_sum, mm_variance = m_sum;
    for (int64_t j = 0; j < box->height; j++)
        for (int64_t k = 0; k < box->width; k += LANES) {
            struct pixels p = pixels_at(box, j, k);
            doubles mm = p.model * p.model;
            m_sum += p.model;
            mm_sum += mm;
            m_image += p.model * p.image;
            mm_variance += mm * p.variance;
        }
    sums[0] = sum_of_lanes(m_sum);
    sums[1] = sum_of_lanes(mm_sum);
    sums[2] = sum_of_lanes(m_image);
    sums[3] = sum_of_lanes(mm_variance);
}

struct fraction {
    doubles top, bottom;
};

/* What a vector adds to chi^2; 0 / 1 where the box has none. */
INLINE struct fraction term(const struct box *box, double amplitude, int64_t row, int64_t column) {
    if (row >= box->height || column >= box->width) return (struct fraction){all_of(0.0), all_of(1.0)};
    struct pixels p = pixels_at(box, row, column);
    doubles residual = p.image - amplitude * p.model;
    return (struct fraction){residual * residual, p.variance};
}

INLINE struct fraction added(struct fraction a, struct fraction b) {
    return (struct fraction){a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom};
}

/* Divisions cost most of this sum, so four vectors of two rows share one; where that is no number,
   as next to a variance of zero, each has its own. */
static double chi_squared(const struct box *box, double amplitude) {
    doubles sum = all_of(0.0);
    for (int64_t j = 0; j < box->height; j += 2)
        for (int64_t k = 0; k < box->width; k += 2 * LANES) {
            struct fraction first = added(term(box, amplitude, j, k), term(box, amplitude, j, k + LANES));
            struct fraction second =
                added(term(box, amplitude, j + 1, k), term(box, amplitude, j + 1, k + LANES));
            struct fraction all = added(first, second);
            sum += all.top / all.bottom;
        }
    double chi2 = sum_of_lanes(sum);
    if (isfinite(chi2)) return chi2;
    sum = all_of(0.0);
    for (int64_t j = 0; j < box->height; j++)
        for (int64_t k = 0; k < box->width; k += LANES) {
            struct fraction one = term(box, amplitude, j, k);
            sum += one.top / one.bottom;
        }
    return sum_of_lanes(sum);
}

int FOR_ISA(psf_sums)(const void *argument, int64_t begin, int64_t end) {
    const struct psf_sums_task *task = argument;
    int64_t pixels = round_up(task->height * task->width, 2 * MAX_LANES);
    double *room = scratch(2 * pixels, sizeof(double));
    if (!room) return -1;
    struct boxes boxes = {task->asked_for ? NULL : task->planes, task->x0, task->y0, task->height, task->width};
    struct copied copied = {room, (float *)(room + pixels), (float *)(room + pixels) + pixels};
    for (int64_t i = begin; i < end; i++) {
        double sums[4];
        int64_t used;
        struct box box = box_of(task, i, &copied, &used);
        if (i + 1 < end) ask_for_box(&boxes, i + 1);
        sum_model(&box, sums);
        double chi2 = chi_squared(&box, sums[2] / sums[1]);
        for (int k = 0; k < 4; k++) task->sums[k * task->n + i] = sums[k];
        task->sums[4 * task->n + i] = chi2;
        task->npixels[i] = used;
    }
    free(room);
    return 0;
}
