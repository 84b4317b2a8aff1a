/* PSF images: sums of basis images, and Lanczos-5 shifts by a fraction of a pixel. */
#include "ahead.h"
#include "band.h"
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

enum { IMAGES = 4, ROWS = 4 };

/* One vector of the weighted sums of basis images, for images that lie one after the other. */
INLINE void combine(const struct combine_images_task *task, int64_t i, int64_t p, const int images) {
    const double *weights = task->weights + i * task->terms;
    doubles sums[IMAGES];
    for (int n = 0; n < images; n++) sums[n] = all_of(0.0);
    for (int64_t k = 0; k < task->terms; k++) {
        doubles basis = load(task->basis + k * task->pixels + p);
        for (int n = 0; n < images; n++) sums[n] += weights[n * task->terms + k] * basis;
    }
    for (int n = 0; n < images; n++) store(task->images + (i + n) * task->pixels + p, sums[n]);
}

/* The pixels that are left when whole vectors are done. */
static void combine_rest(const struct combine_images_task *task, int64_t i, int64_t p) {
    for (; p < task->pixels; p++) {
        double sum = 0.0;
        for (int64_t k = 0; k < task->terms; k++)
            sum += task->weights[i * task->terms + k] * task->basis[k * task->pixels + p];
        task->images[i * task->pixels + p] = sum;
    }
}

int FOR_ISA(combine_images)(const void *argument, int64_t begin, int64_t end) {
    const struct combine_images_task *task = argument;
    int64_t whole = task->pixels / LANES * LANES, i = begin;
    for (; i + IMAGES <= end; i += IMAGES)
        for (int64_t p = 0; p < whole; p += LANES) combine(task, i, p, IMAGES);
    for (; i < end; i++)
        for (int64_t p = 0; p < whole; p += LANES) combine(task, i, p, 1);
    for (i = begin; i < end; i++) combine_rest(task, i, whole);
    return 0;
}

/* Room for one image: some rows with zeros around them, and all rows moved along x between
   ORDER rows of zeros. */
struct canvas {
    int64_t stride;
    double *padded, *rows;
};

static void move_along_x(const struct canvas *canvas, const double *image, int64_t row_stride,
                         int64_t height, int64_t width, double dx) {
    doubles band[BAND];
    int64_t stride = canvas->stride;
    double taps[TAPS];
    int first = lanczos5_taps(dx, taps);
    make_band(taps, band);
    memset(canvas->padded, 0, (size_t)(ROWS * stride) * sizeof(double));
    for (int64_t j = 0; j < height; j += ROWS) {
        for (int64_t r = 0; r < ROWS && j + r < height; r++)
            copy(canvas->padded + r * stride + ORDER, image + (j + r) * row_stride, width);
        for (int64_t i = 0; i < width; i += LANES)
            apply_band(band, canvas->padded + first + i, stride, canvas->rows + (j + ORDER) * stride + i, stride, ROWS);
    }
    memset(canvas->rows + (height + ORDER) * stride, 0, (size_t)((ORDER + ROWS) * stride) * sizeof(double));
}

/* ROWS rows of the sum of taps[t] times row `row` + t of the canvas; `rows` of them are wanted. */
static void move_along_y(const struct canvas *canvas, int64_t row, int64_t width, const doubles taps[TAPS],
                         double *to, int64_t to_stride, int64_t rows) {
    for (int64_t i = 0; i < width; i += LANES) {
        const double *in = canvas->rows + row * canvas->stride + i;
        doubles sums[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++) sums[r] = all_of(0.0);
        UNROLL for (int t = 0; t < TAPS + ROWS - 1; t++) {
            doubles line = load(in + t * canvas->stride);
            UNROLL for (int r = 0; r < ROWS; r++) {
                if (t >= r && t - r < TAPS) sums[r] += taps[t - r] * line;
            }
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            if (r >= rows) break;
            if (i + LANES <= width)
                store(to + r * to_stride + i, sums[r]);
            else
                store_some(to + r * to_stride + i, sums[r], width - i);
        }
    }
}

static void shift(const struct shift_images_task *task, int64_t i, const struct canvas *canvas) {
    const struct image_block *block = &task->block;
    double *moved = task->moved + i * task->moved_stride;
    int64_t height = block->height[i], width = block->width[i], stride = task->moved_row_stride;
    double taps[TAPS];
    doubles taps_y[TAPS];
    int first = lanczos5_taps(task->dy[i], taps);
    for (int t = 0; t < TAPS; t++) taps_y[t] = all_of(taps[t]);
    move_along_x(canvas, block->images + i * block->stride, block->row_stride, height, width,
                 task->dx[i]);
    for (int64_t j = 0; j < height; j += ROWS)
        move_along_y(canvas, j + first, width, taps_y, moved + j * stride, stride, height - j);
    for (int64_t j = 0; j < task->plane_height; j++) {
        int64_t filled = j < height ? width : 0;
        for (int64_t k = filled; k < task->plane_width; k++) moved[j * stride + k] = 0.0;
    }
}

int FOR_ISA(shift_images)(const void *argument, int64_t begin, int64_t end) {
    const struct shift_images_task *task = argument;
    int64_t stride = round_up(task->plane_width + 2 * ORDER + MAX_LANES, MAX_LANES);
    int64_t rows = task->plane_height + 2 * (ORDER + ROWS);
    double *room = scratch(stride * (rows + ROWS), sizeof(double));
    if (!room) return -1;
    struct canvas canvas = {stride, room, room + stride * ROWS};
    memset(room, 0, (size_t)(stride * (rows + ROWS)) * sizeof(double));
    for (int64_t i = begin; i < end; i++) {
        ask_for_box(&task->ahead, i);
        shift(task, i, &canvas);
    }
    free(room);
    return 0;
}
