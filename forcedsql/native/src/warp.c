/* Images warped by affine maps, each with a map of its own. */
#include "warp.h"
#include "image_sum.h"
#include "scratch.h"
#include "tasks.h"

/* Room for one image: the source with zeros around it, what it is warped to, and a row's places. */
struct workspace {
    int64_t stride;
    double *padded, *warped;
    struct places places;
};

/* The sum of taps x taps pixels of the source, each times its weights; `taps` fill `vectors` vectors. */
INLINE double interpolate(const double *source, int64_t stride, const double *weights_x,
                          const double *weights_y, const int64_t taps, const int vectors) {
    doubles sum = all_of(0.0);
    for (int v = 0; v < vectors; v++) {
        doubles lines = all_of(0.0);
        for (int64_t j = 0; j < taps; j++) lines += weights_y[j] * load(source + j * stride + v * LANES);
        /* Past the last tap there may be anything. */
        int64_t left = taps - v * LANES;
        sum += where(first_lanes(left < LANES ? left : LANES), lines) * load(weights_x + v * LANES);
    }
    return sum_of_lanes(sum);
}

INLINE double pixel_at(const forcedsql_warping_kernel *kernel, const struct workspace *space, int64_t i,
                       const int64_t taps) {
    const struct places *places = &space->places;
    if (places->column[i] == OUTSIDE) return 0.0;
    const double *source = space->padded + places->line[i] * space->stride + places->column[i];
    const double *weights_x = kernel->weights + places->entry_x[i] * kernel->stride;
    const double *weights_y = kernel->weights + places->entry_y[i] * kernel->stride;
    return interpolate(source, space->stride, weights_x, weights_y, taps, (int)((taps + LANES - 1) / LANES));
}

static void pad(const double *image, int64_t row_stride, int64_t height, int64_t width, int64_t padding,
                const struct workspace *space) {
    memset(space->padded, 0, (size_t)((height + 2 * padding) * space->stride) * sizeof(double));
    for (int64_t j = 0; j < height; j++)
        copy(space->padded + (j + padding) * space->stride + padding, image + j * row_stride, width);
}

/* Warp the padded image to 2 half_y + 1 rows of 2 half_x + 1 pixels. */
static void warp(const struct add_warped_task *task, int64_t i, const struct workspace *space) {
    const forcedsql_warping_kernel *kernel = task->kernel;
    const double *matrix = task->matrix + 4 * i;
    int64_t half_x = task->half_width[i], half_y = task->half_height[i], size = 2 * half_x + 1;
    int64_t first = kernel->padding + kernel->first, border = 2 * kernel->padding - kernel->taps + 1;
    struct affine column = {matrix[0], matrix[1], task->x[i] + (double)first};
    struct affine line = {matrix[2], matrix[3], task->y[i] + (double)first};
    double *to = space->warped;
    for (int64_t y = -half_y; y <= half_y; y++, to += size) {
        FOR_ISA(find_places)(column, line, y, half_x, task->block.width[i] + border,
                             task->block.height[i] + border, kernel->phases, space->places);
        if (kernel->taps == 6)
            for (int64_t k = 0; k < size; k++) to[k] = pixel_at(kernel, space, k, 6);
        else
            for (int64_t k = 0; k < size; k++) to[k] = pixel_at(kernel, space, k, kernel->taps);
    }
}

/* Add the warped image over its sum, times the weight, to the middle of its plane. */
static void add(const struct add_warped_task *task, int64_t i, const double *warped, double sum) {
    int64_t width = 2 * task->half_width[i] + 1, height = 2 * task->half_height[i] + 1;
    int64_t left = (task->plane_width - width) / 2, bottom = (task->plane_height - height) / 2;
    double *plane = task->planes + task->rows[i] * task->plane_height * task->plane_width;
    for (int64_t j = 0; j < height; j++, warped += width) {
        double *to = plane + (bottom + j) * task->plane_width + left;
        int64_t k = 0;
        for (; k + LANES <= width; k += LANES)
            store(to + k, load(to + k) + task->weight * (load(warped + k) / sum));
        for (; k < width; k++) to[k] += task->weight * (warped[k] / sum);
    }
}

/* Reserve room for the largest image of a step; NULL without memory. */
static double *make_room(const struct add_warped_task *task, int64_t begin, int64_t end,
                         struct workspace *space) {
    int64_t height = 0, width = 0, half_x = 0, half_y = 0;
    for (int64_t i = begin; i < end; i++) {
        if (!task->valid[i]) continue;
        if (task->block.height[i] > height) height = task->block.height[i];
        if (task->block.width[i] > width) width = task->block.width[i];
        if (task->half_width[i] > half_x) half_x = task->half_width[i];
        if (task->half_height[i] > half_y) half_y = task->half_height[i];
    }
    int64_t padding = 2 * task->kernel->padding;
    /* The taps of the last pixel are read in whole vectors. */
    space->stride = round_up(width + padding + MAX_LANES, MAX_LANES);
    int64_t padded = (height + padding) * space->stride + MAX_LANES;
    int64_t warped = round_up((2 * half_y + 1) * (2 * half_x + 1), MAX_LANES);
    int64_t listed = round_up(2 * half_x + 1, 2 * MAX_LANES);
    double *room = scratch(padded + warped + 2 * listed, sizeof(double));
    if (!room) return NULL;
    memset(room, 0, (size_t)padded * sizeof(double));
    space->padded = room;
    space->warped = room + padded;
    int32_t *lists = (int32_t *)(space->warped + warped);
    space->places = (struct places){lists, lists + listed, lists + 2 * listed, lists + 3 * listed};
    return room;
}

int FOR_ISA(add_warped)(const void *argument, int64_t begin, int64_t end) {
    const struct add_warped_task *task = argument;
    struct workspace space;
    double *room = make_room(task, begin, end, &space);
    if (!room) return -1;
    for (int64_t i = begin; i < end; i++) {
        if (!task->valid[i]) continue;
        int64_t height = task->block.height[i], width = task->block.width[i];
        int64_t pixels = (2 * task->half_height[i] + 1) * (2 * task->half_width[i] + 1);
        double sum;
        pad(task->block.images + i * task->block.stride, task->block.row_stride, height, width,
            task->kernel->padding, &space);
        warp(task, i, &space);
        task->valid[i] = has_sum(space.warped, pixels, &sum);
        if (task->valid[i]) add(task, i, space.warped, sum);
    }
    free(room);
    return 0;
}
