/* Sums over the pixels whose centres are in concentric circles.

   Circles are nested, so every pixel is added once, to the ring it lies in; a circle is the
   sum of its rings.  A pixel that is not finite thus reaches the circles that hold it and no
   other.  Which pixels a circle holds is decided in plain IEEE arithmetic, as NumPy does it:
   this file is compiled without fused multiply-add. */
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

/* The columns [left, right) that a circle holds of the rows from `first` to before `last`. */
struct spans {
    int64_t first, last;
    int32_t *left, *right;
};

/* Sums over a ring: a circle without the next smaller one. */
struct ring {
    doubles flux, variance;
};

INLINE doubles clipped(doubles v, double low, double high) {
    doubles lowest = all_of(low), highest = all_of(high);
    v = choose(v > lowest, v, lowest);  /* NaN goes to the low end */
    return choose(v < highest, v, highest);
}

INLINE double clipped_to(double v, double low, double high) {
    return !(v > low) ? low : v < high ? v : high;
}

INLINE doubles square_root(doubles v) {
    double lanes[LANES];
    store(lanes, v);
    for (int i = 0; i < LANES; i++) lanes[i] = __builtin_sqrt(lanes[i]);
    return load(lanes);
}

/* Find the spans of a circle; rows are the image's, and columns beyond its edges do not count. */
static void find_spans(const forcedsql_planes *planes, double x, double y, double radius,
                       struct spans *spans) {
    spans->first = (int64_t)clipped_to(y - radius, 0.0, (double)planes->rows);
    spans->last = (int64_t)clipped_to(y + radius + 1.0, (double)spans->first, (double)planes->rows);
    doubles squared = all_of(radius * radius), zero = all_of(0.0), one = all_of(1.0), middle = all_of(x);
    double last = (double)planes->columns;
    doubles row;
    for (int i = 0; i < LANES; i++) row[i] = (double)(spans->first + i);
    for (int64_t j = 0; j < spans->last - spans->first; j += LANES, row += all_of(LANES)) {
        doubles dy = row - y;
        doubles half_squared = squared - dy * dy;
        longs outside = half_squared < zero;
        doubles half = square_root(choose(outside, zero, half_squared));
        doubles from = clipped(middle - half, 0.0, last), to = clipped(middle + half, -1.0, last - 1.0);
        doubles whole_from = from_ints(truncated(from));
        doubles whole_to = from_ints(truncated(to));
        whole_from += where(whole_from < from, one);
        whole_to -= where(whole_to > to, one);
        whole_to = choose(outside, whole_from, whole_to + one);
        ints begin = truncated(whole_from), end = truncated(whole_to);
        memcpy(spans->left + j, &begin, sizeof begin);
        memcpy(spans->right + j, &end, sizeof end);
    }
}

/* Add `count` pixels; a whole vector may be read from the last of them on. */
INLINE void add_run(struct ring *ring, const float *image, const float *variance, int64_t count) {
    for (; count >= LANES; count -= LANES, image += LANES, variance += LANES) {
        ring->flux += load_floats(image);
        ring->variance += load_floats(variance);
    }
    if (count > 0) {
        ring->flux += first_of_floats(image, count);
        ring->variance += first_of_floats(variance, count);
    }
}

/* The same near the end of the planes, where only the pixels themselves may be read. */
static void add_last_run(struct ring *ring, const float *image, const float *variance, int64_t count) {
    for (int64_t k = 0; k < count; k++) {
        ring->flux[k % LANES] += image[k];
        ring->variance[k % LANES] += variance[k];
    }
}

/* Sum the pixels between the spans of a circle and those of the next smaller one.

   Between rows the lengths of the runs hardly change, which the branches here live on. */
static struct ring sum_ring(const forcedsql_planes *planes, const struct spans *outer,
                            const struct spans *inner) {
    struct ring left = {all_of(0.0), all_of(0.0)}, right = left, rest = left;
    int64_t columns = planes->columns, inner_first = inner->first, inner_last = inner->last;
    int64_t readable = columns < LANES ? 0 : planes->rows - 1;
    for (int64_t row = outer->first; row < outer->last; row++) {
        int64_t j = row - outer->first, i = row - inner_first;
        int64_t begin = outer->left[j], end = outer->right[j], gap = end, resumed = end;
        const float *image = planes->image + row * columns, *variance = planes->variance + row * columns;
        if (row >= inner_first && row < inner_last && inner->left[i] < inner->right[i]) {
            gap = inner->left[i];
            resumed = inner->right[i];
        }
        if (row < readable) {
            add_run(&left, image + begin, variance + begin, gap - begin);
            add_run(&right, image + resumed, variance + resumed, end - resumed);
        } else {
            add_last_run(&rest, image + begin, variance + begin, gap - begin);
            add_last_run(&rest, image + resumed, variance + resumed, end - resumed);
        }
    }
    return (struct ring){left.flux + right.flux + rest.flux, left.variance + right.variance + rest.variance};
}

static void sum_circles(const struct circle_sums_task *task, int64_t i, struct spans outer,
                        struct spans inner) {
    double flux = 0.0, variance = 0.0;
    inner.first = inner.last = 0;
    for (int64_t k = 0; k < task->circles; k++) {
        find_spans(task->planes, task->x[i], task->y[i], task->radii[k], &outer);
        struct ring ring = sum_ring(task->planes, &outer, &inner);
        flux += sum_of_lanes(ring.flux);
        variance += sum_of_lanes(ring.variance);
        task->flux[i * task->circles + k] = flux;
        task->variance[i * task->circles + k] = variance;
        struct spans swapped = inner;
        inner = outer;
        outer = swapped;
    }
}

int FOR_ISA(circle_sums)(const void *argument, int64_t begin, int64_t end) {
    const struct circle_sums_task *task = argument;
    if (task->circles == 0) return 0;
    double largest = 0.0;
    for (int64_t k = 0; k < task->circles; k++)
        if (task->radii[k] > largest) largest = task->radii[k];
    double rows = clipped_to(2.0 * largest + 4.0, 0.0, (double)task->planes->rows);
    int64_t room = round_up((int64_t)rows + MAX_LANES, MAX_LANES);
    int32_t *spans = scratch(4 * room, sizeof(int32_t));
    if (!spans) return -1;
    struct spans outer = {0, 0, spans, spans + room}, inner = {0, 0, spans + 2 * room, spans + 3 * room};
    for (int64_t i = begin; i < end; i++) sum_circles(task, i, outer, inner);
    free(spans);
    return 0;
}
