/* Fluxes in sinc apertures: coefficients from low-rank factors, then weighted sums of pixels. */
#include "ahead.h"
#include "band.h"
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

enum { ROWS = 4, VECTORS = 4 };

/* Vectors of columns whose coefficients are in registers together. */
enum { ACROSS = LANES == 8 ? 4 : 2 };

/* The pixels around a position: in place where they are all in the image, else a copy. */
struct pixels {
    const float *image, *variance;
    int64_t row_stride;
};

/* What moves vectors along one axis: taps as a band, or the weights of the terms. */
struct shift {
    int64_t first;  /* element that moves first */
    int64_t start;  /* element that its first tap or term is of */
    double *weights;
    doubles band[BAND];
};

struct workspace {
    int64_t widest, stride;   /* width of the widest aperture; room per moved vector */
    int64_t rank, terms;      /* the most of any aperture */
    struct shift shift_x, shift_y;
    double *across, *along;   /* (rank, stride): moved vectors of the columns and of the rows */
    float *image, *variance;  /* (widest, widest) with room for a vector more: copies */
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
    if (x0 >= 0 && y0 >= 0 && x0 <= planes->columns - size && y0 <= planes->rows - size) {
        int64_t start = y0 * planes->columns + x0, end = start + (size - 1) * planes->columns + size;
        if (end + MAX_LANES <= planes->rows * planes->columns)
            return (struct pixels){planes->image + start, planes->variance + start, planes->columns};
    }
    copy_box(planes, x0, y0, size, planes->image, space->image);
    copy_box(planes, x0, y0, size, planes->variance, space->variance);
    return (struct pixels){space->image, space->variance, size};
}

/* Set a shift by Lanczos-5 taps. */
static void set_taps(struct shift *shift, double fraction) {
    double taps[TAPS];
    int first_tap = lanczos5_taps(fraction, taps);
    make_band(taps, shift->band);
    shift->first = fraction > 0.0 ? ORDER : ORDER - 1;
    shift->start = shift->first + first_tap;
}

/* Set a shift by Chebyshev polynomials of twice the fraction. */
static void set_polynomials(struct shift *shift, double fraction, int64_t terms) {
    shift->first = shift->start = 0;
    for (int64_t t = 0; t < terms; t++)
        shift->weights[t] = t == 0   ? 1.0
                            : t == 1 ? 2.0 * fraction
                                     : 4.0 * fraction * shift->weights[t - 1] - shift->weights[t - 2];
}

static void set_shift(struct shift *shift, double fraction, const forcedsql_sinc_aperture *aperture,
                      int64_t terms) {
    if (aperture->term_stride == 1)
        set_taps(shift, fraction);
    else
        set_polynomials(shift, fraction, terms);
}

/* VECTORS vectors of the sum of terms times weights. */
INLINE void weigh_terms(const double *vector, int64_t term_stride, const double *weights, int64_t terms,
                        double *moved) {
    doubles sums[VECTORS];
    UNROLL for (int v = 0; v < VECTORS; v++) sums[v] = all_of(0.0);
    for (int64_t t = 0; t < terms; t++, vector += term_stride)
        UNROLL for (int v = 0; v < VECTORS; v++) sums[v] += weights[t] * load(vector + v * LANES);
    UNROLL for (int v = 0; v < VECTORS; v++) store(moved + v * LANES, sums[v]);
}

/* moved[s, i] = element first + i of vector s moved by a fraction. */
static void move_vectors(const forcedsql_sinc_aperture *aperture, const double *vectors,
                         const struct shift *shift, double *moved, int64_t stride) {
    for (int64_t s = 0; s < aperture->rank; s++) {
        const double *vector = vectors + s * aperture->vector_stride + shift->start;
        double *to = moved + s * stride;
        int64_t i = 0, step = aperture->term_stride;
        if (step != 1)
            for (; i < aperture->moved; i += VECTORS * LANES)
                weigh_terms(vector + i, step, shift->weights, aperture->terms, to + i);
        for (; i + 2 * LANES < aperture->moved; i += VECTORS * LANES)
            apply_band(shift->band, vector + i, LANES, to + i, LANES, VECTORS);
        for (; i < aperture->moved; i += LANES)
            apply_band(shift->band, vector + i, LANES, to + i, LANES, 1);
    }
}

struct sums {
    doubles flux, variance;
};

INLINE void add_pixels(struct sums *sums, doubles coefficients, struct pixels box, int64_t at) {
    sums->flux += coefficients * load_floats(box.image + at);
    sums->variance += coefficients * coefficients * load_floats(box.variance + at);
}

/* The same for the first `count` lanes only. */
INLINE void add_some_pixels(struct sums *sums, doubles coefficients, struct pixels box, int64_t at,
                            int64_t count) {
    doubles c = first_of(coefficients, count), image = first_of_floats(box.image + at, count);
    sums->flux += c * image;
    sums->variance += c * c * first_of_floats(box.variance + at, count);
}

/* Add ROWS rows of `vectors` vectors of coefficients: the sum over s of along[s, row] across[s, column].
   Only `count` columns count, which reach into the last vector. */
INLINE void add_block(struct sums sums[ROWS], const double *along, const double *across, int64_t rank,
                      int64_t stride, struct pixels box, int64_t at, int64_t rows, int64_t count,
                      const int vectors) {
    doubles c[ROWS][ACROSS];
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < vectors; v++) c[r][v] = all_of(0.0);
    for (int64_t s = 0; s < rank; s++, along += stride, across += stride)
        UNROLL for (int v = 0; v < vectors; v++) {
            doubles columns = load(across + v * LANES);
            UNROLL for (int r = 0; r < ROWS; r++) c[r][v] += along[r] * columns;
        }
    int whole = rows >= ROWS && count >= vectors * LANES;
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < vectors; v++) {
            int64_t place = at + r * box.row_stride + v * LANES, left = count - v * LANES;
            if (whole)
                add_pixels(&sums[r], c[r][v], box, place);
            else if (r < rows)
                add_some_pixels(&sums[r], c[r][v], box, place, left < LANES ? left : LANES);
        }
}

/* Add the part of the coefficients that moves; `at` is its first pixel. */
static void add_moved(struct sums sums[ROWS], const forcedsql_sinc_aperture *aperture,
                      const struct workspace *space, struct pixels box, int64_t at) {
    int64_t moved = aperture->moved, rank = aperture->rank, stride = space->stride;
    for (int64_t j = 0; j < moved; j += ROWS, at += ROWS * box.row_stride) {
        const double *along = space->along + j;
        for (int64_t i = 0; i < moved; i += ACROSS * LANES) {
            const double *across = space->across + i;
            int64_t left = moved - i, rows = moved - j, vectors = (left + LANES - 1) / LANES;
            if (vectors >= ACROSS)
                add_block(sums, along, across, rank, stride, box, at + i, rows, left, ACROSS);
            else if (vectors == 3)
                add_block(sums, along, across, rank, stride, box, at + i, rows, left, ACROSS > 3 ? 3 : ACROSS);
            else if (vectors == 2)
                add_block(sums, along, across, rank, stride, box, at + i, rows, left, 2);
            else
                add_block(sums, along, across, rank, stride, box, at + i, rows, left, 1);
        }
    }
}

/* Add a run of coefficients that do not move. */
INLINE void add_run(struct sums *sums, const double *coefficients, struct pixels box, int64_t at,
                    int64_t count) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) add_pixels(sums, load(coefficients + i), box, at + i);
    if (i < count) add_some_pixels(sums, load(coefficients + i), box, at + i, count - i);
}

/* Add the frame of coefficients around those that move; `at` is the aperture's first pixel. */
static void add_frame(struct sums sums[ROWS], const forcedsql_sinc_aperture *aperture, int64_t first_x,
                      int64_t first_y, struct pixels box, int64_t at) {
    int64_t width = aperture->width, after = first_x + aperture->moved;
    for (int64_t j = 0; j < width; j++, at += box.row_stride) {
        const double *row = aperture->coefficients + j * width;
        if (j >= first_y && j < first_y + aperture->moved) {
            add_run(&sums[0], row, box, at, first_x);
            add_run(&sums[1], row + after, box, at + after, width - after);
        } else {
            add_run(&sums[2], row, box, at, width);
        }
    }
}

static void sum_aperture(const forcedsql_sinc_aperture *aperture, const struct workspace *space,
                         struct pixels box, int64_t first_x, int64_t first_y, double *flux,
                         double *variance) {
    int64_t margin = (space->widest - aperture->width) / 2, at = margin * box.row_stride + margin;
    struct sums sums[ROWS];
    for (int r = 0; r < ROWS; r++) sums[r] = (struct sums){all_of(0.0), all_of(0.0)};
    add_moved(sums, aperture, space, box, at + first_y * box.row_stride + first_x);
    if (aperture->moved < aperture->width) add_frame(sums, aperture, first_x, first_y, box, at);
    *flux = sum_of_lanes((sums[0].flux + sums[1].flux) + (sums[2].flux + sums[3].flux));
    *variance = sum_of_lanes((sums[0].variance + sums[1].variance) + (sums[2].variance + sums[3].variance));
}

static void measure_needs(const struct sinc_sums_task *task, struct workspace *space) {
    for (int64_t a = 0; a < task->apertures; a++) {
        const forcedsql_sinc_aperture *aperture = task->aperture + a;
        if (aperture->width > space->widest) space->widest = aperture->width;
        if (aperture->rank > space->rank) space->rank = aperture->rank;
        if (aperture->terms > space->terms) space->terms = aperture->terms;
    }
    space->stride = round_up(space->widest, MAX_LANES) + VECTORS * MAX_LANES;
}

/* Reserve what a workspace points into, and return it; NULL without memory. */
static double *make_room(struct workspace *space) {
    int64_t vectors = space->rank * space->stride, terms = round_up(space->terms, MAX_LANES);
    int64_t pixels = round_up(space->widest * space->widest + MAX_LANES, 2 * MAX_LANES) / 2;
    int64_t count = 2 * (vectors + terms + pixels);
    double *room = scratch(count, sizeof(double));
    if (!room) return NULL;
    memset(room, 0, (size_t)count * sizeof(double));
    space->across = room;
    space->along = space->across + vectors;
    space->shift_x.weights = space->along + vectors;
    space->shift_y.weights = space->shift_x.weights + terms;
    space->image = (float *)(space->shift_y.weights + terms);
    space->variance = space->image + 2 * pixels;
    return room;
}

/* Ask for one of as many parts of a position's widest box as there are apertures. */
INLINE void ask_for_part(const struct sinc_sums_task *task, int64_t i, int64_t size, int64_t part) {
    int64_t x0 = task->column[i] - size / 2, y0 = task->row[i] - size / 2;
    for (int64_t j = size * part / task->apertures; j < size * (part + 1) / task->apertures; j++)
        ask_for_row(task->planes, y0 + j, x0, x0 + size);
}

static void sum_position(const struct sinc_sums_task *task, int64_t i, int64_t next, struct workspace *space) {
    struct pixels box = box_around(task->planes, task->column[i], task->row[i], space);
    struct shift *shift_x = &space->shift_x, *shift_y = &space->shift_y;
    set_shift(shift_x, task->fraction_x[i], task->aperture, space->terms);
    set_shift(shift_y, task->fraction_y[i], task->aperture, space->terms);
    for (int64_t a = 0; a < task->apertures; a++) {
        const forcedsql_sinc_aperture *aperture = task->aperture + a;
        int64_t out = i * task->apertures + a;
        ask_for_part(task, next, space->widest, a);
        move_vectors(aperture, aperture->vectors, shift_x, space->across, space->stride);
        move_vectors(aperture, aperture->scaled_vectors, shift_y, space->along, space->stride);
        sum_aperture(aperture, space, box, shift_x->first, shift_y->first, task->flux + out,
                     task->variance + out);
    }
}

int FOR_ISA(sinc_sums)(const void *argument, int64_t begin, int64_t end) {
    const struct sinc_sums_task *task = argument;
    struct workspace space = {0};
    if (task->apertures == 0) return 0;
    measure_needs(task, &space);
    double *room = make_room(&space);
    if (!room) return -1;
    for (int64_t i = begin; i < end; i++) sum_position(task, i, i + 1 < end ? i + 1 : i, &space);
    free(room);
    return 0;
}
