/* Images drawn from grids of points that a Lanczos interpolant joins, one pixel from point to point. */
#include "image_sum.h"
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

/* So many grids are combined at once; so many rows are drawn at once. */
enum { AT_ONCE = 8, ROWS = 4 };

static const double PI = 3.14159265358979323846, NEAR_ZERO = 1e-8;

forcedsql_work FOR_ISA(combine_images);

/* Room for one image.  Weight k of the taps is that of the point k - order past a pixel; there are
   ROWS - 1 zeros before and after them. */
struct canvas {
    int64_t taps, line_stride, row_stride;
    double *sines, *cosines;      /* of pi d / order, d from -order on */
    double *across, *along;       /* taps of columns and of rows */
    double *lines;                /* ROWS rows of points with zeros around them */
    double *rows;                 /* all rows of points, drawn along x, with rows of zeros around them */
    double *points;               /* AT_ONCE grids */
};

/* What the plain kernel sums up to over a grid: 1 - 2 sum of K_j (1 - cos(2 pi j t)). */
static double constant_sum(const struct draw_grids_task *task, double cosine) {
    double total = 1.0, before = 1.0, now = cosine;
    for (int64_t j = 0; j < task->ripple_count; j++) {
        double next = 2.0 * cosine * now - before;
        total -= 2.0 * task->ripples[j] * (1.0 - now);
        before = now;
        now = next;
    }
    return total;
}

/* Set the taps that draw pixels whose points lie `fraction` further on; forcedsql/psf/interpolant.py
   says what they are.  Only where a point is close is the sine of a sum too rough. */
static void set_taps(const struct draw_grids_task *task, const struct canvas *canvas, double fraction,
                     double *taps) {
    int64_t order = task->order;
    double fast = sin(PI * fraction), slow = sin(PI * fraction / (double)order);
    double slow_cosine = cos(PI * fraction / (double)order), n = (double)order;
    double scale = n / (PI * PI) / constant_sum(task, 1.0 - 2.0 * fast * fast);
    for (int64_t k = 0; k < canvas->taps; k++) {
        int64_t d = order - k;
        double t = (double)d - fraction;
        double fast_sine = d % 2 ? fast : -fast;
        double slow_sine = canvas->sines[order + d] * slow_cosine - canvas->cosines[order + d] * slow;
        if (fabs(t) < 0.75) {
            fast_sine = sin(PI * t);
            slow_sine = sin(PI * t / n);
        }
        double weight = fabs(t) < n ? fast_sine * slow_sine / (t * t) : 0.0;
        taps[k] = scale * (fabs(t) < NEAR_ZERO ? PI * PI / n : weight);
    }
}

/* Rows `row` to row + ROWS - 1 of points, drawn along x. */
static void draw_along_x(const struct draw_grids_task *task, const struct canvas *canvas, int64_t row,
                         const double *points) {
    int64_t stride = canvas->line_stride, to_column = task->width / 2 - task->size / 2 + task->order;
    int64_t first = to_column < 0 ? -to_column : 0, room = task->width + 2 * task->order - to_column;
    int64_t last = room < task->size ? room : task->size;
    memset(canvas->lines, 0, (size_t)(ROWS * stride) * sizeof(double));
    for (int64_t r = 0; r < ROWS && row + r < task->size; r++)
        if (first < last)
            copy(canvas->lines + r * stride + to_column + first, points + (row + r) * task->size + first, last - first);
    int64_t to_row = row + task->width / 2 - task->size / 2 + task->order;
    for (int64_t i = 0; i < task->width; i += LANES) {
        doubles sums[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++) sums[r] = all_of(0.0);
        for (int64_t k = 0; k < canvas->taps; k++)
            UNROLL for (int r = 0; r < ROWS; r++)
                sums[r] += canvas->across[k] * load(canvas->lines + r * stride + i + k);
        for (int64_t r = 0; r < ROWS && row + r < task->size; r++)
            if (to_row + r >= 0 && to_row + r < task->width + 2 * task->order)
                store(canvas->rows + (to_row + r) * canvas->row_stride + i, sums[r]);
    }
}

/* Rows `row` to row + ROWS - 1 of the image. */
static void draw_along_y(const struct draw_grids_task *task, const struct canvas *canvas, int64_t row,
                         double *image) {
    for (int64_t i = 0; i < task->width; i += LANES) {
        const double *in = canvas->rows + row * canvas->row_stride + i;
        doubles sums[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++) sums[r] = all_of(0.0);
        for (int64_t t = 0; t < canvas->taps + ROWS - 1; t++) {
            doubles line = load(in + t * canvas->row_stride);
            UNROLL for (int r = 0; r < ROWS; r++) sums[r] += canvas->along[t - r] * line;
        }
        for (int64_t r = 0; r < ROWS && row + r < task->width; r++) {
            double *to = image + (row + r) * task->width + i;
            if (i + LANES <= task->width)
                store(to, sums[r]);
            else
                store_some(to, sums[r], task->width - i);
        }
    }
}

/* Draw an image and divide it by its sum; without one it becomes zero. */
static void draw(const struct draw_grids_task *task, const struct canvas *canvas, int64_t i,
                 const double *points) {
    int64_t pixels = task->width * task->width;
    double *image = task->images + i * pixels, sum;
    set_taps(task, canvas, task->dx[i], canvas->across);
    set_taps(task, canvas, task->dy[i], canvas->along);
    for (int64_t row = 0; row < task->size; row += ROWS) draw_along_x(task, canvas, row, points);
    for (int64_t row = 0; row < task->width; row += ROWS) draw_along_y(task, canvas, row, image);
    task->valid[i] = task->valid[i] && has_sum(image, pixels, &sum);
    if (task->valid[i])
        for (int64_t p = 0; p < pixels; p++) image[p] /= sum;
    else
        for (int64_t p = 0; p < pixels; p++) image[p] = 0.0;
}

/* Reserve what a canvas points into, all zero but the sines, and return it; NULL without memory. */
static double *make_room(const struct draw_grids_task *task, struct canvas *canvas) {
    int64_t order = task->order, rows = task->width + 2 * order + ROWS;
    canvas->taps = 2 * order + 1;
    canvas->row_stride = round_up(task->width, MAX_LANES);
    canvas->line_stride = canvas->row_stride + round_up(2 * order, MAX_LANES);
    int64_t taps = round_up(canvas->taps + 2 * (ROWS - 1), MAX_LANES);
    int64_t points = AT_ONCE * round_up(task->size * task->size, MAX_LANES);
    int64_t count = 4 * taps + ROWS * canvas->line_stride + rows * canvas->row_stride + points;
    double *room = scratch(count, sizeof(double));
    if (!room) return NULL;
    memset(room, 0, (size_t)count * sizeof(double));
    canvas->lines = room;
    canvas->rows = canvas->lines + ROWS * canvas->line_stride;
    canvas->points = canvas->rows + rows * canvas->row_stride;
    canvas->sines = canvas->points + points;
    canvas->cosines = canvas->sines + taps;
    canvas->across = canvas->cosines + taps + ROWS - 1;
    canvas->along = canvas->across + taps;
    for (int64_t k = 0; k < canvas->taps; k++) {
        canvas->sines[k] = sin(PI * (double)(k - order) / (double)order);
        canvas->cosines[k] = cos(PI * (double)(k - order) / (double)order);
    }
    return room;
}

int FOR_ISA(draw_grids)(const void *argument, int64_t begin, int64_t end) {
    const struct draw_grids_task *task = argument;
    struct canvas canvas;
    double *room = make_room(task, &canvas);
    if (!room) return -1;
    int64_t size = task->size * task->size;
    for (int64_t i = begin; i < end; i += AT_ONCE) {
        int64_t count = i + AT_ONCE < end ? AT_ONCE : end - i;
        struct combine_images_task combine = {task->terms, size, task->weights + i * task->terms, task->basis,
                                              canvas.points};
        FOR_ISA(combine_images)(&combine, 0, count);
        for (int64_t k = 0; k < count; k++) draw(task, &canvas, i + k, canvas.points + k * size);
    }
    free(room);
    return 0;
}
