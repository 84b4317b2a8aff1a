/* PSF images: sums of basis images, and Lanczos-5 shifts by a fraction of a pixel. */
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
   ORDER rows of zeros.  The zeros are set once: nothing else is ever written there. */
struct canvas {
    int64_t stride;
    double *padded, *rows, *result;
};

static void move_along_x(const struct canvas *canvas, const double *image, int64_t row_stride,
                         int64_t height, int64_t width, const double *taps) {
    doubles band[BAND];
    make_band(taps, band);
    memset(canvas->padded, 0, (size_t)(ROWS * canvas->stride) * sizeof(double));
    for (int64_t j = 0; j < height; j += ROWS) {
        for (int64_t r = 0; r < ROWS; r++) {
            double *row = canvas->padded + r * canvas->stride + ORDER;
            if (j + r < height) memcpy(row, image + (j + r) * row_stride, (size_t)width * sizeof(double));
        }
        for (int64_t i = 0; i < width; i += LANES)
            apply_band(band, canvas->padded + i, canvas->stride,
                       canvas->rows + (j + ORDER) * canvas->stride + i, canvas->stride, ROWS);
    }
    memset(canvas->rows + (height + ORDER) * canvas->stride, 0,
           (size_t)((ORDER + ROWS) * canvas->stride) * sizeof(double));
}

/* ROWS rows of the sum of taps[t] times the row t further on. */
static void move_along_y(const struct canvas *canvas, int64_t row, int64_t width, const doubles taps[TAPS]) {
    for (int64_t i = 0; i < width; i += LANES) {
        const double *in = canvas->rows + row * canvas->stride + i;
        doubles sums[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++) sums[r] = all_of(0.0);
        UNROLL for (int t = 0; t < TAPS + ROWS - 1; t++) {
            doubles line = load(in + t * canvas->stride);
            UNROLL for (int r = 0; r < ROWS; r++)
                if (t >= r && t - r < TAPS) sums[r] += taps[t - r] * line;
        }
        UNROLL for (int r = 0; r < ROWS; r++) store(canvas->result + r * canvas->stride + i, sums[r]);
    }
}

static void shift(const struct shift_images_task *task, int64_t i, const struct canvas *canvas) {
    const struct image_block *block = &task->block;
    double *moved = task->moved + i * task->moved_stride;
    int64_t height = block->height[i], width = block->width[i];
    doubles taps_y[TAPS];
    for (int t = 0; t < TAPS; t++) taps_y[t] = all_of(task->taps_y[i * TAPS + t]);
    move_along_x(canvas, block->images + i * block->stride, block->row_stride, height, width,
                 task->taps_x + i * TAPS);
    for (int64_t j = 0; j < task->plane_height; j++) {
        double *to = moved + j * task->moved_row_stride;
        int64_t filled = j < height ? width : 0;
        if (j < height && j % ROWS == 0) move_along_y(canvas, j, width, taps_y);
        memcpy(to, canvas->result + j % ROWS * canvas->stride, (size_t)filled * sizeof(double));
        memset(to + filled, 0, (size_t)(task->plane_width - filled) * sizeof(double));
    }
}

int FOR_ISA(shift_images)(const void *argument, int64_t begin, int64_t end) {
    const struct shift_images_task *task = argument;
    int64_t stride = round_up(task->plane_width + 2 * ORDER + MAX_LANES, MAX_LANES);
    int64_t rows = task->plane_height + 2 * (ORDER + ROWS);
    double *room = scratch(stride * (rows + 2 * ROWS), sizeof(double));
    if (!room) return -1;
    struct canvas canvas = {stride, room, room + stride * ROWS, room + stride * (ROWS + rows)};
    memset(room, 0, (size_t)(stride * (rows + 2 * ROWS)) * sizeof(double));
    for (int64_t i = begin; i < end; i++) shift(task, i, &canvas);
    free(room);
    return 0;
}
