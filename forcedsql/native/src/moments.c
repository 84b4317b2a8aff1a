/* Adaptive moments of one image after the other.

   The algorithm, its limits and where it rounds to single precision are those of
   forcedsql/psf/moments.py, which says where they come from. */
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

#include <float.h>
#include <math.h>

static const double START = 1.5, SMALLEST_DETERMINANT = FLT_EPSILON, LARGEST_INVERSE = 1e6;
static const double SUBPIXEL_VARIANCE = 0.25, BOX_SIGMAS = 4.0, LARGEST_BOX = 1000.0;
static const double WEIGHT_LIMIT = 14.0, SUBPIXEL_WEIGHT_LIMIT = 9.0;
static const double SUBPIXELS[4] = {-0.375, -0.125, 0.125, 0.375};
static const float ELLIPTICITY_TOLERANCE = 1e-5f, SIZE_TOLERANCE = 1e-4f, NEVER = 1e6f;
enum { MAX_ITERATIONS = 100 };

/* A symmetric 2 x 2 matrix. */
struct matrix {
    double xx, xy, yy;
};

/* Sums of I g, x^2 I g, x y I g and y^2 I g. */
struct sums {
    double total, xx, xy, yy;
};

/* The box of an image that counts, as pairs of pixels opposite each other about the centre, which
   have one weight.  Powers are of the offset (x, y) of `value`; `mirror` is at (-x, -y).  Lists are
   padded with zeros to whole vectors. */
struct box {
    int64_t cut_half, half_x, half_y, pairs;
    float *value, *mirror;
    double *x, *y, *inside;
    double *xx, *xy, *yy;
};

struct image {
    const double *values;
    int64_t row_stride, height, width, centre_x, centre_y;
};

struct fit {
    struct matrix weight, inverse;
    int64_t half_box;
    int subpixel, iteration;
    float e1, e2, xx;
};

enum step { GOING, CONVERGED, FAILED };

static struct matrix inverted(struct matrix m, double *determinant) {
    *determinant = m.xx * m.yy - m.xy * m.xy;
    return (struct matrix){m.yy / *determinant, -m.xy / *determinant, m.xx / *determinant};
}

/* Half of the smallest symmetric range about `centre` that holds the pixels within `half` of it. */
static int64_t half_of_range(int64_t centre, int64_t size, int64_t half) {
    int64_t farthest = llabs(centre) > llabs(size - 1 - centre) ? llabs(centre) : llabs(size - 1 - centre);
    return farthest < half ? farthest : half;
}

/* List the offsets of half of a box about the centre: the row of the centre, and those above. */
static void list_offsets(struct box *box) {
    int64_t p = 0;
    for (int64_t y = 0; y <= box->half_y; y++)
        for (int64_t x = -box->half_x; x <= box->half_x; x++, p++) {
            box->x[p] = (double)x;
            box->y[p] = (double)y;
        }
    for (; p % LANES; p++) box->x[p] = box->y[p] = 0.0;
    box->pairs = p;
}

static void set_powers(struct box *box, double offset_x, double offset_y) {
    for (int64_t p = 0; p < box->pairs; p += LANES) {
        doubles x = load(box->x + p) + offset_x, y = load(box->y + p) + offset_y;
        store(box->xx + p, x * x);
        store(box->xy + p, x * y);
        store(box->yy + p, y * y);
    }
}

/* Take `count` pixels of a row from `first` on in steps of 1 or -1; those outside the image are zero. */
static void take_pixels(const struct image *image, int64_t row, int64_t first, int64_t step, int64_t count,
                        float *to) {
    int64_t last = first + step * (count - 1);
    const double *from = image->values + row * image->row_stride + first;
    if (row < 0 || row >= image->height)
        memset(to, 0, (size_t)count * sizeof(float));
    else if (first >= 0 && first < image->width && last >= 0 && last < image->width)
        for (int64_t k = 0; k < count; k++) to[k] = (float)from[step * k];
    else
        for (int64_t k = 0; k < count; k++) {
            int64_t column = first + step * k;
            to[k] = column >= 0 && column < image->width ? (float)from[step * k] : 0.0f;
        }
}

/* Take the box of an image within `half` of its centre. */
static void cut(const struct image *image, int64_t half, struct box *box) {
    int64_t half_x = half_of_range(image->centre_x, image->width, half);
    int64_t half_y = half_of_range(image->centre_y, image->height, half);
    if (half_x != box->half_x || half_y != box->half_y) {
        box->half_x = half_x;
        box->half_y = half_y;
        list_offsets(box);
        set_powers(box, 0.0, 0.0);
    }
    int64_t count = 2 * half_x + 1, filled = (half_y + 1) * count;
    for (int64_t y = 0; y <= half_y; y++) {
        float *value = box->value + y * count, *mirror = box->mirror + y * count;
        take_pixels(image, image->centre_y + y, image->centre_x - half_x, 1, count, value);
        take_pixels(image, image->centre_y - y, image->centre_x + half_x, -1, count, mirror);
    }
    /* The row of the centre is its own mirror. */
    for (int64_t x = 0; x < count; x++) box->mirror[x] = 0.0f;
    for (int64_t p = filled; p < box->pairs; p++) box->value[p] = box->mirror[p] = 0.0f;
    box->cut_half = half;
}

/* exp(t) for t of [-700, 0], to 1e-12 of its value; anything for other t. */
INLINE doubles exponential(doubles t) {
    const double rounder = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    doubles shifted = t * 1.4426950408889634 + rounder;
    doubles k = shifted - rounder;
    doubles r = t - k * 0.693147180369123816490;
    r -= k * 1.90821492927058770002e-10;
    doubles p = r * (1.0 / 3628800.0) + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    ulongs exponent = ((ulongs)shifted << 52) + ((uint64_t)1023 << 52);
    return p * (doubles)exponent;
}

/* x^T W^-1 x in single precision. */
INLINE doubles exponents(const struct box *box, int64_t p, struct matrix inverse) {
    return rounded_to_float(load(box->yy + p) * inverse.yy + load(box->xy + p) * (2.0 * inverse.xy) +
                            load(box->xx + p) * inverse.xx);
}

/* What pairs of pixels add to the sums. */
struct partial_sums {
    doubles total, xx, xy, yy;
};

/* Add the products of pixels, their weights and powers of their offsets, each rounded to single
   precision; or the last ones not. */
INLINE void add_products(struct partial_sums *sums, floats weighted, const struct box *box, int64_t p,
                         const int single) {
    doubles wide = widened(weighted), xx = load(box->xx + p), xy = load(box->xy + p), yy = load(box->yy + p);
    sums->total += wide;
    sums->xx += single ? widened(weighted * narrowed(xx)) : wide * xx;
    sums->xy += single ? widened(weighted * narrowed(xy)) : wide * xy;
    sums->yy += single ? widened(weighted * narrowed(yy)) : wide * yy;
}

INLINE struct sums pixel_sums(const struct box *box, struct matrix inverse, const int subpixel) {
    struct partial_sums sums = {all_of(0.0), all_of(0.0), all_of(0.0), all_of(0.0)}, mirrored = sums;
    for (int64_t p = 0; p < box->pairs; p += LANES) {
        doubles exponent = exponents(box, p, inverse);
        doubles weight = where(~(exponent > WEIGHT_LIMIT), exponential(-0.5 * exponent));
        floats narrow = narrowed(weight), value = load_narrow(box->value + p);
        floats mirror = load_narrow(box->mirror + p);
        if (subpixel) {
            floats inside = narrowed(load(box->inside + p));
            value *= inside;
            mirror *= inside;
        }
        add_products(&sums, narrow * value, box, p, !subpixel);
        add_products(&mirrored, narrow * mirror, box, p, !subpixel);
    }
    return (struct sums){sum_of_lanes(sums.total + mirrored.total), sum_of_lanes(sums.xx + mirrored.xx),
                         sum_of_lanes(sums.xy + mirrored.xy), sum_of_lanes(sums.yy + mirrored.yy)};
}

/* Find which pixels lie inside the limit with all their corners; a pixel and its mirror do alike. */
static void find_inside(struct box *box, struct matrix inverse) {
    for (int64_t p = 0; p < box->pairs; p += LANES) store(box->inside + p, all_of(1.0));
    for (int corner = 0; corner < 4; corner++) {
        set_powers(box, SUBPIXELS[corner % 2 * 3], SUBPIXELS[corner / 2 * 3]);
        for (int64_t p = 0; p < box->pairs; p += LANES) {
            longs within = exponents(box, p, inverse) <= SUBPIXEL_WEIGHT_LIMIT;
            store(box->inside + p, where(within, load(box->inside + p)));
        }
    }
}

/* Sums over 4 x 4 points in each pixel. */
static struct sums subpixel_sums(struct box *box, struct matrix inverse) {
    struct sums sums = {0.0, 0.0, 0.0, 0.0};
    find_inside(box, inverse);
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 4; i++) {
            set_powers(box, SUBPIXELS[i], SUBPIXELS[j]);
            struct sums point = pixel_sums(box, inverse, 1);
            sums.total += point.total;
            sums.xx += point.xx;
            sums.xy += point.xy;
            sums.yy += point.yy;
        }
    set_powers(box, 0.0, 0.0);
    return sums;
}

static struct sums sums_of(const struct image *image, const struct fit *fit, struct matrix inverse,
                           struct box *box) {
    if (box->cut_half != fit->half_box) cut(image, fit->half_box, box);
    if (fit->subpixel) return subpixel_sums(box, inverse);
    return pixel_sums(box, inverse, 0);
}

static int is_shape(struct sums sums) { return sums.total > 0.0 && sums.xx > 0.0 && sums.yy > 0.0; }

/* Set box and inverse weight; return whether the weight can be inverted. */
static int set_weight(const struct image *image, struct fit *fit) {
    struct matrix weight = fit->weight;
    double widest = weight.xx > weight.yy ? weight.xx : weight.yy;
    double radius = BOX_SIGMAS * sqrt(widest);
    radius = radius < LARGEST_BOX ? radius + 0.5 : LARGEST_BOX;
    int64_t size = image->height > image->width ? image->height : image->width;
    size += llabs(image->centre_x) + llabs(image->centre_y);
    fit->half_box = radius < (double)size ? (int64_t)radius : size;
    double determinant;
    struct matrix inverse = inverted(weight, &determinant);
    if (!(determinant >= SMALLEST_DETERMINANT)) return 0;
    int small = weight.xx < SUBPIXEL_VARIANCE || weight.yy < SUBPIXEL_VARIANCE ||
                determinant < SUBPIXEL_VARIANCE * SUBPIXEL_VARIANCE;
    int switched = small && !fit->subpixel;
    if (switched && fit->iteration > 0) {
        /* The pass that first looks inside pixels repeats the last weight and does not count. */
        fit->xx = NEVER;
        fit->iteration--;
    } else {
        fit->inverse = inverse;
    }
    fit->subpixel |= switched;
    return 1;
}

/* The covariance (s^-1 - weight^-1)^-1; return whether it is one. */
static int next_weight(struct matrix s, struct matrix inverse, struct matrix *weight) {
    double s_determinant, determinant;
    struct matrix own = inverted(s, &s_determinant);
    struct matrix rest = {(float)((float)own.xx - inverse.xx), (float)((float)own.xy - inverse.xy),
                          (float)((float)own.yy - inverse.yy)};
    *weight = inverted(rest, &determinant);
    return s_determinant >= SMALLEST_DETERMINANT && determinant >= SMALLEST_DETERMINANT && weight->xx > 0.0 &&
           weight->yy > 0.0;
}

static enum step improve(const struct image *image, struct fit *fit, struct box *box) {
    if (!set_weight(image, fit)) return FAILED;
    struct matrix inverse = fit->inverse;
    struct sums sums = sums_of(image, fit, inverse, box);
    if (!is_shape(sums) || !(fabs(inverse.xx) <= LARGEST_INVERSE && fabs(inverse.xy) <= LARGEST_INVERSE &&
                             fabs(inverse.yy) <= LARGEST_INVERSE))
        return FAILED;
    float xx = (float)(sums.xx / sums.total), xy = (float)(sums.xy / sums.total);
    float yy = (float)(sums.yy / sums.total), size = xx + yy;
    if (!(xx > 0.0f && yy > 0.0f)) return FAILED;
    float e1 = (xx - yy) / size, e2 = (float)(2.0 * (double)xy / (double)size);
    int converged = fit->iteration > 0 && fabsf(e1 - fit->e1) < ELLIPTICITY_TOLERANCE &&
                    fabsf(e2 - fit->e2) < ELLIPTICITY_TOLERANCE &&
                    fabs((double)(xx / fit->xx) - 1.0) < (double)SIZE_TOLERANCE;
    if (converged) return CONVERGED;
    fit->e1 = e1;
    fit->e2 = e2;
    fit->xx = xx;
    if (!next_weight((struct matrix){xx, xy, yy}, inverse, &fit->weight)) return FAILED;
    return ++fit->iteration < MAX_ITERATIONS ? GOING : FAILED;
}

/* Plain moments in the last box; a twelfth where they cannot be a shape. */
static void unweighted(struct sums sums, double *moments) {
    moments[0] = is_shape(sums) ? sums.xx / sums.total : 1.0 / 12.0;
    moments[1] = is_shape(sums) ? sums.yy / sums.total : 1.0 / 12.0;
    moments[2] = is_shape(sums) ? sums.xy / sums.total : 0.0;
    if (!(sums.total > 0.0)) moments[0] = moments[1] = moments[2] = NAN;
}

static void fit_image(const struct image *image, struct box *box, double *moments) {
    struct fit fit = {.weight = {START, 0.0, START}, .e1 = NEVER, .e2 = NEVER, .xx = NEVER};
    enum step step = GOING;
    box->cut_half = -1;
    while (step == GOING) step = improve(image, &fit, box);
    if (step == FAILED) {
        struct matrix flat = {0.0, 0.0, 0.0};
        unweighted(sums_of(image, &fit, flat, box), moments);
        return;
    }
    moments[0] = fit.weight.xx;
    moments[1] = fit.weight.yy;
    moments[2] = fit.weight.xy;
}

/* Return the most pairs that any image of a step can need. */
static int64_t most_pairs(const struct adaptive_moments_task *task, int64_t begin, int64_t end) {
    int64_t most = 0, largest = (int64_t)LARGEST_BOX;
    for (int64_t i = begin; i < end; i++) {
        int64_t half_x = half_of_range(task->centre_x[i], task->block.width[i], largest);
        int64_t half_y = half_of_range(task->centre_y[i], task->block.height[i], largest);
        int64_t pairs = (half_y + 1) * (2 * half_x + 1);
        if (pairs > most) most = pairs;
    }
    return most;
}

int FOR_ISA(adaptive_moments)(const void *argument, int64_t begin, int64_t end) {
    const struct adaptive_moments_task *task = argument;
    const struct image_block *block = &task->block;
    int64_t room = round_up(most_pairs(task, begin, end), 2 * MAX_LANES);
    double *lists = scratch(7 * room, sizeof(double));
    if (!lists) return -1;
    struct box box = {.half_x = -1, .half_y = -1};
    double **doubled[] = {&box.x, &box.y, &box.inside, &box.xx, &box.xy, &box.yy};
    for (int k = 0; k < 6; k++) *doubled[k] = lists + k * room;
    box.value = (float *)(lists + 6 * room);
    box.mirror = box.value + room;
    for (int64_t i = begin; i < end; i++) {
        struct image image = {block->images + i * block->stride, block->row_stride,  block->height[i],
                              block->width[i],                   task->centre_x[i], task->centre_y[i]};
        double *moments = task->moments + 3 * i;
        if (image.height > 0 && image.width > 0)
            fit_image(&image, &box, moments);
        else
            moments[0] = moments[1] = moments[2] = NAN;
    }
    free(lists);
    return 0;
}
