/* Fluxes in sinc apertures: coefficients from low-rank factors, then weighted sums of pixels. */
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

enum { ROWS = 4, MOST_VECTORS = 4 };

/* The pixels around a position: in place where they are all in the image, else a copy. */
struct pixels {
    const float *image, *variance;
    int64_t row_stride;
};

struct workspace {
    int64_t widest, stride;      /* of the widest aperture; room per vector and per row */
    double *across, *along;      /* (rank, stride): moved vectors of the columns and of the rows */
    double *coefficients;        /* (ROWS, stride) */
    float *image, *variance;     /* (widest, widest) with room for a vector more: copies */
};

static void copy_box(const forcedsql_planes *planes, int64_t x0, int64_t y0, int64_t size,
                     const float *plane, float *copy) {
    int64_t left = x0 < 0 ? -x0 : 0, right = x0 + size > planes->columns ? planes->columns - x0 : size;
    memset(copy, 0, (size_t)(size * size) * sizeof(float));
    for (int64_t j = 0; j < size; j++)
        if (y0 + j >= 0 && y0 + j < planes->rows && left < right)
            memcpy(copy + j * size + left, plane + (y0 + j) * planes->columns + x0 + left,
                   (size_t)(right - left) * sizeof(float));
}

/* Return the widest box, which may be read a vector past its last pixel. */
static struct pixels box_around(const forcedsql_planes *planes, int64_t column, int64_t row,
                                const struct workspace *space) {
    int64_t size = space->widest, x0 = column - size / 2, y0 = row - size / 2;
    int64_t end = (y0 + size - 1) * planes->columns + x0 + size;
    if (x0 >= 0 && y0 >= 0 && x0 + size <= planes->columns && y0 + size <= planes->rows &&
        end + MAX_LANES <= planes->rows * planes->columns) {
        int64_t start = y0 * planes->columns + x0;
        return (struct pixels){planes->image + start, planes->variance + start, planes->columns};
    }
    copy_box(planes, x0, y0, size, planes->image, space->image);
    copy_box(planes, x0, y0, size, planes->variance, space->variance);
    return (struct pixels){space->image, space->variance, size};
}

/* Write `vectors` vectors of factor times the sum of terms times weights. */
INLINE void weigh_terms(const double *vector, int64_t term_stride, const double *weights, int64_t terms,
                        double factor, double *moved, const int vectors) {
    doubles sums[MOST_VECTORS];
    for (int v = 0; v < vectors; v++) sums[v] = all_of(0.0);
    for (int64_t t = 0; t < terms; t++, vector += term_stride)
        for (int v = 0; v < vectors; v++) sums[v] += weights[t] * load(vector + v * LANES);
    for (int v = 0; v < vectors; v++) store(moved + v * LANES, factor * sums[v]);
}

/* moved[s, i] = factor[s] times element first + i of vector s moved by a fraction. */
static void move_vectors(const forcedsql_sinc_aperture *aperture, const double *weights, int64_t terms,
                         int64_t first, const double *factor, double *moved, int64_t stride) {
    for (int64_t s = 0; s < aperture->rank; s++) {
        const double *vector = aperture->vectors + s * aperture->vector_stride + first;
        double *to = moved + s * stride, scale = factor ? factor[s] : 1.0;
        int64_t i = 0, step = aperture->term_stride;
        for (; i + 2 * LANES < aperture->moved; i += 4 * LANES)
            weigh_terms(vector + i, step, weights, terms, scale, to + i, 4);
        for (; i < aperture->moved; i += LANES)
            weigh_terms(vector + i, step, weights, terms, scale, to + i, 1);
    }
}

/* Write `vectors` columns of vectors of ROWS rows of sum over s of along[s, j] across[s, i]. */
INLINE void multiply(const double *along, const double *across, int64_t rank, int64_t stride,
                     double *product, const int vectors) {
    doubles sums[ROWS][MOST_VECTORS];
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < vectors; v++) sums[r][v] = all_of(0.0);
    for (int64_t s = 0; s < rank; s++, along += stride, across += stride)
        for (int v = 0; v < vectors; v++) {
            doubles column = load(across + v * LANES);
            for (int r = 0; r < ROWS; r++) sums[r][v] += along[r] * column;
        }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < vectors; v++) store(product + r * stride + v * LANES, sums[r][v]);
}

static void multiply_rows(const struct workspace *space, int64_t rank, int64_t row, int64_t moved,
                          double *product) {
    const double *along = space->along + row;
    int64_t i = 0;
    for (; i + LANES < moved; i += 2 * LANES)
        multiply(along, space->across + i, rank, space->stride, product + i, 2);
    if (i < moved) multiply(along, space->across + i, rank, space->stride, product + i, 1);
}

struct sums {
    doubles flux, variance;
};

/* Add `rows` rows of coefficients times pixels. */
INLINE void add_rows(struct sums sums[ROWS], const double *coefficients, int64_t stride, struct pixels box,
                     int64_t start, int64_t width, const int rows) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES)
        for (int r = 0; r < rows; r++) {
            int64_t at = start + r * box.row_stride + i;
            doubles c = load(coefficients + r * stride + i);
            sums[r].flux += c * load_floats(box.image + at);
            sums[r].variance += c * c * load_floats(box.variance + at);
        }
    if (i == width) return;
    longs rest = first_lanes(width - i);
    for (int r = 0; r < rows; r++) {
        int64_t at = start + r * box.row_stride + i;
        doubles c = where(rest, load(coefficients + r * stride + i));
        sums[r].flux += c * where(rest, load_floats(box.image + at));
        sums[r].variance += c * c * where(rest, load_floats(box.variance + at));
    }
}

/* Frame rows of moved coefficients with the columns that do not move. */
static void add_border(const forcedsql_sinc_aperture *aperture, int64_t row, int64_t rows, int64_t first_x,
                       double *lines, int64_t stride) {
    int64_t after = first_x + aperture->moved, width = aperture->width;
    for (int64_t r = 0; r < rows; r++) {
        const double *stored = aperture->coefficients + (row + r) * width;
        memcpy(lines + r * stride, stored, (size_t)first_x * sizeof(double));
        if (after < width)
            memcpy(lines + r * stride + after, stored + after, (size_t)(width - after) * sizeof(double));
    }
}

/* Sum an aperture: the rows that move in blocks, then those below and above. */
static void sum_aperture(const forcedsql_sinc_aperture *aperture, const struct workspace *space,
                         struct pixels box, int64_t first_x, int64_t first_y, double *flux,
                         double *variance) {
    int64_t width = aperture->width, moved = aperture->moved, margin = (space->widest - width) / 2;
    int64_t start = margin * box.row_stride + margin;
    struct sums sums[ROWS];
    for (int r = 0; r < ROWS; r++) sums[r] = (struct sums){all_of(0.0), all_of(0.0)};
    for (int64_t j = 0; j < moved; j += ROWS) {
        int64_t row = first_y + j, rows = moved - j < ROWS ? moved - j : ROWS;
        multiply_rows(space, aperture->rank, j, moved, space->coefficients + first_x);
        add_border(aperture, row, rows, first_x, space->coefficients, space->stride);
        if (rows == ROWS)
            add_rows(sums, space->coefficients, space->stride, box, start + row * box.row_stride, width, ROWS);
        else
            for (int64_t r = 0; r < rows; r++)
                add_rows(sums, space->coefficients + r * space->stride, 0, box,
                         start + (row + r) * box.row_stride, width, 1);
    }
    for (int64_t j = 0; j < width - moved; j++) {
        int64_t row = j < first_y ? j : j + moved;
        add_rows(sums, aperture->coefficients + row * width, 0, box, start + row * box.row_stride, width, 1);
    }
    *flux = sum_of_lanes((sums[0].flux + sums[1].flux) + (sums[2].flux + sums[3].flux));
    *variance = sum_of_lanes((sums[0].variance + sums[1].variance) + (sums[2].variance + sums[3].variance));
}

static int64_t measure_needs(const struct sinc_sums_task *task, struct workspace *space) {
    int64_t rank = 0;
    for (int64_t a = 0; a < task->apertures; a++) {
        if (task->aperture[a].width > space->widest) space->widest = task->aperture[a].width;
        if (task->aperture[a].rank > rank) rank = task->aperture[a].rank;
    }
    space->stride = round_up(space->widest, MAX_LANES) + MOST_VECTORS * MAX_LANES;
    return rank;
}

int FOR_ISA(sinc_sums)(const void *argument, int64_t begin, int64_t end) {
    const struct sinc_sums_task *task = argument;
    struct workspace space = {0};
    int64_t vectors = measure_needs(task, &space) * space.stride;
    int64_t copied = round_up(space.widest * space.widest + MAX_LANES, 16);
    double *room = scratch(2 * vectors + ROWS * space.stride + copied, sizeof(double));
    if (!room) return -1;
    memset(room, 0, (size_t)(2 * vectors + ROWS * space.stride + copied) * sizeof(double));
    space.across = room;
    space.along = room + vectors;
    space.coefficients = room + 2 * vectors;
    space.image = (float *)(space.coefficients + ROWS * space.stride);
    space.variance = space.image + copied;
    for (int64_t i = begin; i < end; i++) {
        struct pixels box = box_around(task->planes, task->column[i], task->row[i], &space);
        const double *weights_x = task->weights_x + i * task->terms;
        const double *weights_y = task->weights_y + i * task->terms;
        int64_t first_x = task->first_x[i], first_y = task->first_y[i];
        for (int64_t a = 0; a < task->apertures; a++) {
            const forcedsql_sinc_aperture *aperture = task->aperture + a;
            move_vectors(aperture, weights_x, task->terms, first_x, NULL, space.across, space.stride);
            move_vectors(aperture, weights_y, task->terms, first_y, aperture->eigenvalues, space.along,
                         space.stride);
            int64_t out = i * task->apertures + a;
            sum_aperture(aperture, &space, box, first_x, first_y, task->flux + out, task->variance + out);
        }
    }
    free(room);
    return 0;
}
