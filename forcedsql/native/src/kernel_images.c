/* Images and moments of a PSF that is a sum of basis images. */
#include "scratch.h"
#include "tasks.h"
#include "vectors.h"

/* So many images stay in the cache from one thing that is done with them to the next. */
enum { AT_ONCE = 8 };

forcedsql_work FOR_ISA(combine_images), FOR_ISA(shift_images), FOR_ISA(adaptive_moments);
forcedsql_work FOR_ISA(kernel_images), FOR_ISA(combined_psf_sums), FOR_ISA(psf_sums);

/* Sizes and centres of AT_ONCE images, all the same. */
struct sizes {
    int64_t height[AT_ONCE], width[AT_ONCE], centre_x[AT_ONCE], centre_y[AT_ONCE];
};

static int do_some(const struct kernel_images_task *task, int64_t first, int64_t count,
                   const struct sizes *sizes, double *images) {
    int64_t pixels = task->height * task->width;
    struct combine_images_task combine = {task->terms, pixels, task->weights + first * task->terms,
                                          task->basis, images};
    struct image_block block = {images, pixels, task->width, sizes->height, sizes->width};
    struct adaptive_moments_task moments = {block, sizes->centre_x, sizes->centre_y,
                                            task->moments ? task->moments + 3 * first : NULL};
    struct shift_images_task shift = {.block = block,
                                      .dx = task->dx + first,
                                      .dy = task->dy + first,
                                      .moved = task->moved ? task->moved + first * pixels : NULL,
                                      .moved_stride = pixels,
                                      .moved_row_stride = task->width,
                                      .plane_height = task->height,
                                      .plane_width = task->width,
                                      .ahead = task->ahead};
    if (shift.ahead.planes) {
        shift.ahead.x0 += first;
        shift.ahead.y0 += first;
    }
    return FOR_ISA(combine_images)(&combine, 0, count) ||
           (task->moments && FOR_ISA(adaptive_moments)(&moments, 0, count)) ||
           (task->moved && FOR_ISA(shift_images)(&shift, 0, count));
}

int FOR_ISA(kernel_images)(const void *argument, int64_t begin, int64_t end) {
    const struct kernel_images_task *task = argument;
    double *images = scratch(AT_ONCE * task->height * task->width, sizeof(double));
    if (!images) return -1;
    struct sizes sizes;
    for (int k = 0; k < AT_ONCE; k++) {
        sizes.height[k] = task->height;
        sizes.width[k] = task->width;
        sizes.centre_x[k] = task->centre_x;
        sizes.centre_y[k] = task->centre_y;
    }
    int failed = 0;
    for (int64_t i = begin; i < end && !failed; i += AT_ONCE)
        failed = do_some(task, i, i + AT_ONCE < end ? AT_ONCE : end - i, &sizes, images);
    free(images);
    return failed ? -1 : 0;
}

/* The images of a few positions at a time, which are summed over and not kept. */
int FOR_ISA(combined_psf_sums)(const void *argument, int64_t begin, int64_t end) {
    const struct combined_psf_sums_task *task = argument;
    const struct kernel_images_task *kernel = &task->images;
    int64_t pixels = kernel->height * kernel->width;
    double *stamps = scratch(AT_ONCE * pixels, sizeof(double));
    if (!stamps) return -1;
    int failed = 0;
    for (int64_t i = begin; i < end && !failed; i += AT_ONCE) {
        int64_t count = i + AT_ONCE < end ? AT_ONCE : end - i;
        struct kernel_images_task some = *kernel;
        some.weights += i * kernel->terms;
        some.dx += i;
        some.dy += i;
        some.moved = stamps;
        struct psf_sums_task sums = task->sums;
        some.ahead = (struct boxes){sums.planes, sums.x0 + i, sums.y0 + i, sums.height, sums.width};
        sums.asked_for = 1;
        sums.model = stamps;
        sums.x0 += i;
        sums.y0 += i;
        sums.sums += i;
        sums.npixels += i;
        failed = FOR_ISA(kernel_images)(&some, 0, count) || FOR_ISA(psf_sums)(&sums, 0, count);
    }
    free(stamps);
    return failed ? -1 : 0;
}
