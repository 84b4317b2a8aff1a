/* Sums over circles in which a pixel counts by the part of it that the circle covers.

   The arithmetic is that of measure/kernels/overlap.py; pixels that are wholly inside are added
   without asking for their part.  Which pixels a circle touches is decided in plain IEEE
   arithmetic, as NumPy does it: this file is compiled without fused multiply-add. */
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

#include <math.h>

#define EIGHTH_TURN 0.785398163397448309616

/* The edges of a circle's pixels along one axis, as seen from its centre.  Edge k is
   begin + k; `edge` and `part` are its place cut to the circle, and the P of the formula. */
struct edges {
    double begin;
    double *edge, *part;
};

/* A circle on its box of size x size pixels, whose first one is (column, row) of the planes. */
struct circle {
    double radius, squared;
    int64_t column, row, size;
    struct edges u, v;
};

INLINE double sign_of(double v) { return v > 0.0 ? 1.0 : v < 0.0 ? -1.0 : 0.0; }

INLINE double square(double v) { return v * v; }

/* Distances, along one axis, of the nearest and of the farthest point of pixel k. */
INLINE double near_edge(const struct edges *edges, int64_t k) {
    double low = edges->begin + (double)k, high = edges->begin + (double)(k + 1);
    return low > 0.0 ? low : high < 0.0 ? -high : 0.0;
}

INLINE double far_edge(const struct edges *edges, int64_t k) {
    double low = -(edges->begin + (double)k), high = edges->begin + (double)(k + 1);
    return low > high ? low : high;
}

static void find_edges(struct edges *edges, double first, double radius, int64_t size) {
    edges->begin = first - 0.5;
    for (int64_t k = 0; k <= size; k++) {
        double edge = edges->begin + (double)k;
        edge = edge < -radius ? -radius : edge > radius ? radius : edge;
        double left = radius * radius - edge * edge;
        double turn = asin(edge / radius) - sign_of(edge) * EIGHTH_TURN;
        edges->edge[k] = edge;
        edges->part[k] = edge * sqrt(left > 0.0 ? left : 0.0) + radius * radius * turn;
    }
}

/* What the circle covers of the rectangle from its centre to a corner, negative in two quadrants. */
INLINE double corner(const struct circle *circle, int64_t i, int64_t j) {
    double u = circle->u.edge[i], v = circle->v.edge[j];
    if (u * u + v * v <= circle->squared) return u * v;
    return 0.5 * (circle->u.part[i] * sign_of(v) + circle->v.part[j] * sign_of(u));
}

INLINE double covered(const struct circle *circle, int64_t i, int64_t j) {
    double right = corner(circle, i + 1, j + 1) - corner(circle, i + 1, j);
    double weight = right - (corner(circle, i, j + 1) - corner(circle, i, j));
    return weight < 0.0 ? 0.0 : weight > 1.0 ? 1.0 : weight;
}

/* Sums over one circle: those of whole vectors, and of single pixels. */
struct sums {
    doubles whole_flux, whole_variance;
    double flux, variance;
};

INLINE void add_rim(struct sums *sums, double weight, double image, double variance) {
    sums->flux += weight * image;
    sums->variance += weight * weight * variance;
}

INLINE void add_inside(struct sums *sums, const float *image, const float *variance, int64_t count) {
    for (; count >= LANES; count -= LANES, image += LANES, variance += LANES) {
        sums->whole_flux += load_floats(image);
        sums->whole_variance += load_floats(variance);
    }
    for (int64_t k = 0; k < count; k++) {
        sums->flux += image[k];
        sums->variance += variance[k];
    }
}

/* Add row j of a circle's box, of which the image has columns `begin` to `end`: the rim at the
   left, what is inside, and the rim at the right. */
static void add_row(struct sums *sums, const struct circle *circle, const forcedsql_planes *planes,
                    int64_t j, int64_t begin, int64_t end) {
    double near_v = square(near_edge(&circle->v, j)), far_v = square(far_edge(&circle->v, j));
    double touching = circle->squared - near_v, inner = circle->squared - far_v;
    int64_t start = (circle->row + j) * planes->columns + circle->column;
    const float *image = planes->image + start, *variance = planes->variance + start;
    if (!(touching > 0.0)) return;
    int64_t i = (int64_t)(-sqrt(touching) - circle->u.begin) - 1;
    for (i = i < begin ? begin : i; i < end; i++) {
        if (square(far_edge(&circle->u, i)) + far_v <= circle->squared) break;
        if (square(near_edge(&circle->u, i)) + near_v < circle->squared)
            add_rim(sums, covered(circle, i, j), image[i], variance[i]);
        else if (circle->u.begin + (double)i > 0.0)
            return;
    }
    if (i == end) return;
    int64_t last = (int64_t)(sqrt(inner > 0.0 ? inner : 0.0) - circle->u.begin) - 2;
    if (last > end) last = end;
    if (last < i) last = i;
    while (last < end && square(far_edge(&circle->u, last)) + far_v <= circle->squared) last++;
    add_inside(sums, image + i, variance + i, last - i);
    for (i = last; i < end && square(near_edge(&circle->u, i)) + near_v < circle->squared; i++)
        add_rim(sums, covered(circle, i, j), image[i], variance[i]);
}

static void sum_circle(const forcedsql_planes *planes, struct circle *circle, double x, double y,
                       double *flux, double *variance) {
    struct sums sums = {all_of(0.0), all_of(0.0), 0.0, 0.0};
    int64_t half = (int64_t)ceil(circle->radius);
    circle->size = 2 * half + 1;
    circle->column = (int64_t)floor(x + 0.5) - half;
    circle->row = (int64_t)floor(y + 0.5) - half;
    find_edges(&circle->u, (double)circle->column - x, circle->radius, circle->size);
    find_edges(&circle->v, (double)circle->row - y, circle->radius, circle->size);
    int64_t left = circle->column < 0 ? -circle->column : 0, right = planes->columns - circle->column;
    int64_t bottom = circle->row < 0 ? -circle->row : 0, top = planes->rows - circle->row;
    if (right > circle->size) right = circle->size;
    if (top > circle->size) top = circle->size;
    for (int64_t j = bottom; j < top; j++) add_row(&sums, circle, planes, j, left, right);
    *flux = sums.flux + sum_of_lanes(sums.whole_flux);
    *variance = sums.variance + sum_of_lanes(sums.whole_variance);
}

int FOR_ISA(overlap_sums)(const void *argument, int64_t begin, int64_t end) {
    const struct circle_sums_task *task = argument;
    double largest = 0.0;
    for (int64_t k = 0; k < task->circles; k++)
        if (task->radii[k] > largest) largest = task->radii[k];
    int64_t room = 2 * (int64_t)ceil(largest) + 2;
    double *memory = scratch(4 * room, sizeof(double));
    if (!memory) return -1;
    struct circle circle = {.u = {0.0, memory, memory + room}, .v = {0.0, memory + 2 * room, memory + 3 * room}};
    for (int64_t i = begin; i < end; i++)
        for (int64_t k = 0; k < task->circles; k++) {
            int64_t item = i * task->circles + k;
            circle.radius = task->radii[k];
            circle.squared = circle.radius * circle.radius;
            sum_circle(task->planes, &circle, task->x[i], task->y[i], task->flux + item, task->variance + item);
        }
    free(memory);
    return 0;
}
