/* What one call asks for, as its threads share it, and who does it on this machine. */
#ifndef FORCEDSQL_TASKS_H
#define FORCEDSQL_TASKS_H
#include "interface.h"

/* Boxes of pixels that will be read soon; none where `planes` is NULL. */
struct boxes {
    const forcedsql_planes *planes;
    const int64_t *x0, *y0;
    int64_t height, width;
};

struct psf_sums_task {
    const forcedsql_planes *planes;
    int64_t n, height, width;
    const double *model;
    const int64_t *x0, *y0;
    int32_t bad_bits;
    double *sums;
    int64_t *npixels;
    int asked_for;  /* whether the pixels are on their way already */
};

struct sinc_sums_task {
    const forcedsql_planes *planes;
    const int64_t *column, *row;
    const double *fraction_x, *fraction_y;
    int64_t apertures;
    const forcedsql_sinc_aperture *aperture;
    double *flux, *variance;
};

struct circle_sums_task {
    const forcedsql_planes *planes;
    const double *x, *y;
    int64_t circles;
    const double *radii;
    double *flux, *variance;
};

struct ellipse_bits_task {
    const forcedsql_planes *planes;
    const double *x, *y, *quadrupole;
    int32_t *bits;
};

struct centre_bits_task {
    const forcedsql_planes *planes;
    const int64_t *column, *row;
    int32_t *any_bits, *all_bits;
};

struct combine_images_task {
    int64_t terms, pixels;
    const double *weights, *basis;
    double *images;
};

/* Images of several sizes in one block. */
struct image_block {
    const double *images;
    int64_t stride, row_stride;
    const int64_t *height, *width;
};

struct shift_images_task {
    struct image_block block;
    const double *dx, *dy;
    double *moved;
    int64_t moved_stride, moved_row_stride, plane_height, plane_width;
    struct boxes ahead;  /* one for every image, asked for when it is moved */
};

struct adaptive_moments_task {
    struct image_block block;
    const int64_t *centre_x, *centre_y;
    double *moments;
};

struct kernel_images_task {
    int64_t terms, height, width;
    const double *weights, *basis, *dx, *dy;
    int64_t centre_x, centre_y;
    double *moved, *moments;
    struct boxes ahead;
};

struct combined_psf_sums_task {
    struct kernel_images_task images;
    struct psf_sums_task sums;
};

struct draw_grids_task {
    int64_t terms, size;
    const double *weights, *basis, *dx, *dy;
    int64_t order, ripple_count;
    const double *ripples;
    int64_t width;
    double *images;
    int32_t *valid;
};

struct add_warped_task {
    struct image_block block;
    const double *x, *y, *matrix;
    const int64_t *half_height, *half_width;
    const forcedsql_warping_kernel *kernel;
    const int64_t *rows;
    double weight, *planes;
    int64_t plane_height, plane_width;
    int32_t *valid;
};

struct unpack_rows_task {
    const forcedsql_libdeflate *libdeflate;
    int64_t n, width, size, first, end;
    int shuffled;
    const uint8_t *packed;
    const int64_t *ends;
    uint8_t *numbers;
    int64_t *held;
};

/* Do items `begin` to `end` of a task; return 0, or -1 without memory. */
typedef int forcedsql_work(const void *task, int64_t begin, int64_t end);

struct forcedsql_workers {
    const char *name;
    forcedsql_work *psf_sums, *sinc_sums, *circle_sums, *overlap_sums, *ellipse_bits, *centre_bits;
    forcedsql_work *combine_images, *shift_images, *adaptive_moments, *kernel_images;
    forcedsql_work *combined_psf_sums, *draw_grids, *add_warped, *unpack_rows;
};

#endif
