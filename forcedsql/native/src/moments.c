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

/* The box of an image that counts, as a list of pixels padded with zeros to whole vectors. */
struct box {
    int64_t half, pixels;
    double *value, *x, *y;
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

static void cut(const struct image *image, int64_t half, struct box *box) {
    if (box->half == half) return;
    int64_t x0 = image->centre_x - half > 0 ? image->centre_x - half : 0;
    int64_t y0 = image->centre_y - half > 0 ? image->centre_y - half : 0;
    int64_t x1 = image->centre_x + half + 1 < image->width ? image->centre_x + half + 1 : image->width;
    int64_t y1 = image->centre_y + half + 1 < image->height ? image->centre_y + half + 1 : image->height;
    int64_t p = 0;
    for (int64_t j = y0; j < y1; j++)
        for (int64_t i = x0; i < x1; i++, p++) {
            box->value[p] = (float)image->values[j * image->row_stride + i];
            box->x[p] = (double)(i - image->centre_x);
            box->y[p] = (double)(j - image->centre_y);
        }
    for (; p % LANES; p++) box->value[p] = box->x[p] = box->y[p] = 0.0;
    box->pixels = p;
    box->half = half;
}

/* exp(t) for t of [-700, 0] to one unit in the last place. */
INLINE doubles exponential(doubles t) {
    const double rounder = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    doubles shifted = t * 1.4426950408889634 + rounder;
    doubles k = shifted - rounder;
    doubles r = t - k * 0.693147180369123816490;
    r -= k * 1.90821492927058770002e-10;
    doubles p = all_of(1.0 / 479001600.0);
    static const double inverse_factorials[] = {
        1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0,
        1.0 / 120.0,      1.0 / 24.0,      1.0 / 6.0,      0.5,           1.0,          1.0};
    for (int n = 0; n < 12; n++) p = p * r + inverse_factorials[n];
    longs exponent = ((longs)shifted << 52) + ((int64_t)1023 << 52);
    return p * (doubles)exponent;
}

/* (x, y) W^-1 (x, y)^T in single precision. */
INLINE doubles exponent_of(doubles x, doubles y, struct matrix inverse) {
    doubles crossed = 2.0 * inverse.xy * y;
    return rounded_to_float(inverse.yy * (y * y) + crossed * x + inverse.xx * (x * x));
}

/* The Gaussian in single precision; zero beyond the limit, NaN for a NaN exponent. */
INLINE doubles gaussian(doubles exponent) {
    longs inside = exponent <= WEIGHT_LIMIT, outside = exponent > WEIGHT_LIMIT;
    doubles bounded = where(inside, exponent);
    bounded = choose(bounded < 0.0, all_of(0.0), bounded);
    doubles weight = rounded_to_float(exponential(-0.5 * bounded));
    return choose(inside, weight, where(~outside, exponent));
}

/* Sums over pixels at (x, y) + offset; products are rounded to single precision or not. */
INLINE struct sums pixel_sums(const struct box *box, struct matrix inverse, double offset_x, double offset_y,
                              const double *inside, const int single) {
    doubles total = all_of(0.0), sum_xx = total, sum_xy = total, sum_yy = total;
    for (int64_t p = 0; p < box->pixels; p += LANES) {
        doubles x = load(box->x + p) + offset_x, y = load(box->y + p) + offset_y;
        doubles value = load(box->value + p);
        if (inside) value *= load(inside + p);
        doubles weighted = rounded_to_float(gaussian(exponent_of(x, y, inverse)) * value);
        doubles xx = x * x * weighted, xy = x * y * weighted, yy = y * y * weighted;
        total += weighted;
        sum_xx += single ? rounded_to_float(xx) : xx;
        sum_xy += single ? rounded_to_float(xy) : xy;
        sum_yy += single ? rounded_to_float(yy) : yy;
    }
    return (struct sums){sum_of_lanes(total), sum_of_lanes(sum_xx), sum_of_lanes(sum_xy),
                         sum_of_lanes(sum_yy)};
}

/* Which pixels lie inside the limit with all their corners: 1 or 0. */
static void find_inside(const struct box *box, struct matrix inverse, double *inside) {
    for (int64_t p = 0; p < box->pixels; p += LANES) {
        doubles x = load(box->x + p), y = load(box->y + p), one = all_of(1.0);
        for (int corner = 0; corner < 4; corner++) {
            doubles corner_x = x + SUBPIXELS[corner % 2 * 3], corner_y = y + SUBPIXELS[corner / 2 * 3];
            one = where(exponent_of(corner_x, corner_y, inverse) <= SUBPIXEL_WEIGHT_LIMIT, one);
        }
        store(inside + p, one);
    }
}

/* Sums over 4 x 4 points in each pixel; `inside` is room for a number per pixel. */
static struct sums subpixel_sums(const struct box *box, struct matrix inverse, double *inside) {
    struct sums sums = {0.0, 0.0, 0.0, 0.0};
    find_inside(box, inverse, inside);
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 4; i++) {
            struct sums point = pixel_sums(box, inverse, SUBPIXELS[i], SUBPIXELS[j], inside, 0);
            sums.total += point.total;
            sums.xx += point.xx;
            sums.xy += point.xy;
            sums.yy += point.yy;
        }
    return sums;
}

static struct sums sums_of(const struct image *image, const struct fit *fit, struct matrix inverse,
                           struct box *box, double *inside) {
    cut(image, fit->half_box, box);
    if (fit->subpixel) return subpixel_sums(box, inverse, inside);
    return pixel_sums(box, inverse, 0.0, 0.0, NULL, 1);
}

static int is_shape(struct sums sums) { return sums.total > 0.0 && sums.xx > 0.0 && sums.yy > 0.0; }

/* Set box and inverse weight; return whether the weight can be inverted. */
static int set_weight(const struct image *image, struct fit *fit) {
    struct matrix weight = fit->weight;
    double widest = weight.xx > weight.yy ? weight.xx : weight.yy;
    double radius = floor(fmin(BOX_SIGMAS * sqrt(widest), LARGEST_BOX) + 0.5);
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

static enum step improve(const struct image *image, struct fit *fit, struct box *box, double *inside) {
    if (!set_weight(image, fit)) return FAILED;
    struct matrix inverse = fit->inverse;
    struct sums sums = sums_of(image, fit, inverse, box, inside);
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

static void fit_image(const struct image *image, struct box *box, double *inside, double *moments) {
    struct fit fit = {.weight = {START, 0.0, START}, .e1 = NEVER, .e2 = NEVER, .xx = NEVER};
    enum step step = GOING;
    box->half = -1;
    while (step == GOING) step = improve(image, &fit, box, inside);
    if (step == FAILED) {
        struct matrix flat = {0.0, 0.0, 0.0};
        unweighted(sums_of(image, &fit, flat, box, inside), moments);
        return;
    }
    moments[0] = fit.weight.xx;
    moments[1] = fit.weight.yy;
    moments[2] = fit.weight.xy;
}

static int64_t most_pixels(const struct image_block *block, int64_t begin, int64_t end) {
    int64_t most = 0;
    for (int64_t i = begin; i < end; i++)
        if (block->height[i] * block->width[i] > most) most = block->height[i] * block->width[i];
    return most;
}

int FOR_ISA(adaptive_moments)(const void *argument, int64_t begin, int64_t end) {
    const struct adaptive_moments_task *task = argument;
    const struct image_block *block = &task->block;
    int64_t room = round_up(most_pixels(block, begin, end), MAX_LANES);
    double *lists = scratch(4 * room, sizeof(double));
    if (!lists) return -1;
    struct box box = {.value = lists, .x = lists + room, .y = lists + 2 * room};
    for (int64_t i = begin; i < end; i++) {
        struct image image = {block->images + i * block->stride, block->row_stride,  block->height[i],
                              block->width[i],                   task->centre_x[i], task->centre_y[i]};
        double *moments = task->moments + 3 * i;
        if (image.height > 0 && image.width > 0)
            fit_image(&image, &box, lists + 3 * room, moments);
        else
            moments[0] = moments[1] = moments[2] = NAN;
    }
    free(lists);
    return 0;
}
