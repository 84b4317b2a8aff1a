/* PSF images: sums of basis images, and Lanczos-5 shifts by a fraction of a pixel. */
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

enum { TAPS = 11, ORDER = 5, COMBINED_VECTORS = 4 };

/* `count` vectors of a weighted sum of basis images. */
INLINE void combine(const double *basis, const double *weights, int64_t terms, int64_t pixels, double *image,
                    const int count) {
    doubles sums[COMBINED_VECTORS];
    for (int v = 0; v < count; v++) sums[v] = all_of(0.0);
    for (int64_t k = 0; k < terms; k++)
        for (int v = 0; v < count; v++) sums[v] += weights[k] * load(basis + k * pixels + v * LANES);
    for (int v = 0; v < count; v++) store(image + v * LANES, sums[v]);
}

int FOR_ISA(combine_images)(const void *argument, int64_t begin, int64_t end) {
    const struct combine_images_task *task = argument;
    int64_t pixels = task->pixels, step = COMBINED_VECTORS * LANES;
    for (int64_t i = begin; i < end; i++) {
        const double *weights = task->weights + i * task->terms;
        double *image = task->images + i * pixels;
        int64_t p = 0;
        for (; p + step <= pixels; p += step)
            combine(task->basis + p, weights, task->terms, pixels, image + p, COMBINED_VECTORS);
        for (; p + LANES <= pixels; p += LANES)
            combine(task->basis + p, weights, task->terms, pixels, image + p, 1);
        for (; p < pixels; p++) {
            image[p] = 0.0;
            for (int64_t k = 0; k < task->terms; k++) image[p] += weights[k] * task->basis[k * pixels + p];
        }
    }
    return 0;
}

/* out[i] = sum of taps[t] in[i + t * step] for a row of vectors. */
INLINE void weigh(const double *in, int64_t step, const doubles taps[TAPS], double *out, int64_t width) {
    for (int64_t i = 0; i < width; i += LANES) {
        doubles even = all_of(0.0), odd = even;
        for (int t = 0; t < TAPS; t += 2) even += taps[t] * load(in + i + t * step);
        for (int t = 1; t < TAPS; t += 2) odd += taps[t] * load(in + i + t * step);
        store(out + i, even + odd);
    }
}

/* Room for one image: a padded row, and all rows moved along x between ORDER rows of zeros. */
struct canvas {
    int64_t stride;
    double *row, *rows, *result;
};

static void shift(const struct shift_images_task *task, int64_t i, const struct canvas *canvas) {
    const struct image_block *block = &task->block;
    const double *image = block->images + i * block->stride;
    double *moved = task->moved + i * task->moved_stride;
    int64_t height = block->height[i], width = block->width[i], stride = canvas->stride;
    size_t bytes = (size_t)width * sizeof(double);
    doubles taps_x[TAPS], taps_y[TAPS];
    for (int t = 0; t < TAPS; t++) {
        taps_x[t] = all_of(task->taps_x[i * TAPS + t]);
        taps_y[t] = all_of(task->taps_y[i * TAPS + t]);
    }
    memset(canvas->row, 0, (size_t)stride * sizeof(double));
    for (int64_t j = 0; j < height; j++) {
        memcpy(canvas->row + ORDER, image + j * block->row_stride, bytes);
        weigh(canvas->row, 1, taps_x, canvas->rows + (j + ORDER) * stride, width);
    }
    memset(canvas->rows + (height + ORDER) * stride, 0, (size_t)(ORDER * stride) * sizeof(double));
    for (int64_t j = 0; j < task->plane_height; j++) {
        double *to = moved + j * task->moved_row_stride;
        if (j < height) {
            weigh(canvas->rows + j * stride, stride, taps_y, canvas->result, width);
            memcpy(to, canvas->result, bytes);
        }
        int64_t filled = j < height ? width : 0;
        memset(to + filled, 0, (size_t)(task->plane_width - filled) * sizeof(double));
    }
}

int FOR_ISA(shift_images)(const void *argument, int64_t begin, int64_t end) {
    const struct shift_images_task *task = argument;
    int64_t stride = round_up(task->plane_width + 2 * ORDER, MAX_LANES) + MAX_LANES;
    int64_t rows = task->plane_height + 2 * ORDER;
    double *room = scratch(stride * (rows + 2), sizeof(double));
    if (!room) return -1;
    struct canvas canvas = {stride, room, room + stride, room + stride * (rows + 1)};
    memset(room, 0, (size_t)(stride * (rows + 2)) * sizeof(double));
    for (int64_t i = begin; i < end; i++) shift(task, i, &canvas);
    free(room);
    return 0;
}
