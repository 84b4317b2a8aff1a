/* The functions of the interface: choose the workers of this machine, and share the items. */
#include "interface.h"
#include "tasks.h"
#include "threads.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

extern const struct forcedsql_workers forcedsql_workers_baseline;
#ifdef FORCEDSQL_X86_64
extern const struct forcedsql_workers forcedsql_workers_avx2, forcedsql_workers_avx512;
#endif

/* Items per step: some 100 us of work, against 20 us for starting a thread. */
enum { PIXEL_STEP = 64, BITS_STEP = 2048, ROW_STEP = 16 };

static _Atomic(const struct forcedsql_workers *) chosen;

static const struct forcedsql_workers *available(int rank) {
#ifdef FORCEDSQL_X86_64
    __builtin_cpu_init();
    int fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    if (rank == 0) return fma && wide ? &forcedsql_workers_avx512 : NULL;
    if (rank == 1) return fma ? &forcedsql_workers_avx2 : NULL;
#endif
    return rank == 2 ? &forcedsql_workers_baseline : NULL;
}

static const struct forcedsql_workers *workers(void) {
    const struct forcedsql_workers *found = atomic_load(&chosen);
    for (int rank = 0; !found; rank++) found = available(rank);
    atomic_store(&chosen, found);
    return found;
}

int forcedsql_interface(void) { return 7; }

const char *forcedsql_instruction_set(void) { return workers()->name; }

int forcedsql_use_instruction_set(const char *name) {
    for (int rank = 0; rank < 3; rank++) {
        const struct forcedsql_workers *found = available(rank);
        if (found && strcmp(found->name, name) == 0) {
            atomic_store(&chosen, found);
            return 0;
        }
    }
    return -1;
}

int forcedsql_psf_sums(const forcedsql_planes *planes, int64_t n, int64_t height, int64_t width,
                       const double *model, const int64_t *x0, const int64_t *y0, int32_t bad_bits,
                       double *sums, int64_t *npixels, int threads) {
    struct psf_sums_task task = {planes, n, height, width, model, x0, y0, bad_bits, sums, npixels};
    return forcedsql_run(workers()->psf_sums, &task, n, PIXEL_STEP, threads);
}

int forcedsql_sinc_sums(const forcedsql_planes *planes, int64_t n, const int64_t *column,
                        const int64_t *row, const double *fraction_x, const double *fraction_y,
                        int64_t apertures, const forcedsql_sinc_aperture *aperture, double *flux,
                        double *variance, int threads) {
    struct sinc_sums_task task = {planes,    column,   row,  fraction_x, fraction_y,
                                  apertures, aperture, flux, variance};
    return forcedsql_run(workers()->sinc_sums, &task, n, PIXEL_STEP, threads);
}

int forcedsql_circle_sums(const forcedsql_planes *planes, int64_t n, const double *x, const double *y,
                          int64_t circles, const double *radii, double *flux, double *variance,
                          int threads) {
    struct circle_sums_task task = {planes, x, y, circles, radii, flux, variance};
    return forcedsql_run(workers()->circle_sums, &task, n, PIXEL_STEP, threads);
}

int forcedsql_overlap_sums(const forcedsql_planes *planes, int64_t n, const double *x, const double *y,
                           int64_t circles, const double *radii, double *flux, double *variance,
                           int threads) {
    struct circle_sums_task task = {planes, x, y, circles, radii, flux, variance};
    return forcedsql_run(workers()->overlap_sums, &task, n, PIXEL_STEP, threads);
}

int forcedsql_ellipse_bits(const forcedsql_planes *planes, int64_t n, const double *x, const double *y,
                           const double *quadrupole, int32_t *bits, int threads) {
    struct ellipse_bits_task task = {planes, x, y, quadrupole, bits};
    return forcedsql_run(workers()->ellipse_bits, &task, n, BITS_STEP, threads);
}

int forcedsql_centre_bits(const forcedsql_planes *planes, int64_t n, const int64_t *column,
                          const int64_t *row, int32_t *any_bits, int32_t *all_bits, int threads) {
    struct centre_bits_task task = {planes, column, row, any_bits, all_bits};
    return forcedsql_run(workers()->centre_bits, &task, n, BITS_STEP, threads);
}

int forcedsql_combine_images(int64_t n, int64_t terms, int64_t pixels, const double *weights,
                             const double *basis, double *images, int threads) {
    struct combine_images_task task = {terms, pixels, weights, basis, images};
    return forcedsql_run(workers()->combine_images, &task, n, PIXEL_STEP, threads);
}

int forcedsql_shift_images(int64_t n, const double *images, int64_t image_stride, int64_t image_row_stride,
                           const int64_t *height, const int64_t *width, const double *dx,
                           const double *dy, double *moved, int64_t moved_stride,
                           int64_t moved_row_stride, int64_t plane_height, int64_t plane_width,
                           int threads) {
    struct image_block block = {images, image_stride, image_row_stride, height, width};
    struct shift_images_task task = {block,        dx,               dy,           moved,
                                     moved_stride, moved_row_stride, plane_height, plane_width};
    return forcedsql_run(workers()->shift_images, &task, n, PIXEL_STEP, threads);
}

int forcedsql_kernel_images(int64_t n, int64_t terms, int64_t height, int64_t width, const double *weights,
                            const double *basis, const double *dx, const double *dy,
                            int64_t centre_x, int64_t centre_y, double *moved, double *moments, int threads) {
    struct kernel_images_task task = {terms, height,   width,    weights, basis,  dx,
                                      dy,    centre_x, centre_y, moved,   moments};
    return forcedsql_run(workers()->kernel_images, &task, n, PIXEL_STEP, threads);
}

int forcedsql_combined_psf_sums(int64_t n, int64_t terms, int64_t height, int64_t width,
                                const double *weights, const double *basis, const double *dx,
                                const double *dy, const forcedsql_planes *planes, const int64_t *x0,
                                const int64_t *y0, int32_t bad_bits, double *sums, int64_t *npixels,
                                int threads) {
    struct combined_psf_sums_task task = {
        {terms, height, width, weights, basis, dx, dy, 0, 0, NULL, NULL},
        {planes, n, height, width, NULL, x0, y0, bad_bits, sums, npixels}};
    return forcedsql_run(workers()->combined_psf_sums, &task, n, PIXEL_STEP, threads);
}

int forcedsql_draw_grids(int64_t n, int64_t terms, int64_t size, const double *weights, const double *basis,
                         const double *dx, const double *dy, int64_t order, int64_t ripple_count,
                         const double *ripples, int64_t width, double *images, int32_t *valid, int threads) {
    struct draw_grids_task task = {terms, size,         weights, basis, dx,     dy,
                                   order, ripple_count, ripples, width, images, valid};
    return forcedsql_run(workers()->draw_grids, &task, n, PIXEL_STEP, threads);
}

int forcedsql_add_warped(int64_t n, const double *images, int64_t image_stride, int64_t image_row_stride,
                         const int64_t *height, const int64_t *width, const double *x, const double *y,
                         const double *matrix, const int64_t *half_height, const int64_t *half_width,
                         const forcedsql_warping_kernel *kernel, const int64_t *rows, double weight,
                         double *planes, int64_t plane_height, int64_t plane_width, int32_t *valid,
                         int threads) {
    struct image_block block = {images, image_stride, image_row_stride, height, width};
    struct add_warped_task task = {block, x,      y,      matrix,       half_height, half_width, kernel,
                                   rows,  weight, planes, plane_height, plane_width, valid};
    return forcedsql_run(workers()->add_warped, &task, n, PIXEL_STEP, threads);
}

int forcedsql_adaptive_moments(int64_t n, const double *images, int64_t image_stride,
                               int64_t image_row_stride, const int64_t *height, const int64_t *width,
                               const int64_t *centre_x, const int64_t *centre_y, double *moments,
                               int threads) {
    struct image_block block = {images, image_stride, image_row_stride, height, width};
    struct adaptive_moments_task task = {block, centre_x, centre_y, moments};
    return forcedsql_run(workers()->adaptive_moments, &task, n, PIXEL_STEP, threads);
}

int forcedsql_unpack_rows(const forcedsql_libdeflate *libdeflate, int64_t n, int64_t width, int64_t size,
                          int64_t first, int64_t end, int shuffled, const uint8_t *packed,
                          const int64_t *ends, uint8_t *numbers, int64_t *held, int threads) {
    struct unpack_rows_task task = {libdeflate, n,      width, size,    first, end,
                                    shuffled,   packed, ends,  numbers, held};
    return forcedsql_run(workers()->unpack_rows, &task, n, ROW_STEP, threads);
}
