/* What Python may call.  The C compiler reads this file, and cffi reads it too (without the
   lines that begin with a hash), so a signature is written once.

   Arrays are C-contiguous; lengths are the caller's to check.  Positions are independent of
   each other: a result does not depend on its neighbours in a call nor on `threads`, the
   largest number of threads that all calls of the process may use together.  Functions
   return 0, or -1 where there was no memory. */
#ifndef FORCEDSQL_INTERFACE_H
#define FORCEDSQL_INTERFACE_H
#include <stddef.h>
#include <stdint.h>

/* The pixels of one exposure, (rows, columns) each. */
typedef struct {
    const float *image;
    const float *variance;
    const int32_t *mask;
    int64_t rows;
    int64_t columns;
} forcedsql_planes;

/* A sinc aperture: coefficients = sum over s of vector[s] scaled_vector[s]^T, where a scaled
   vector is the vector times its eigenvalue.  Term t of vector s, element i, is
   vectors[s * vector_stride + t * term_stride + i]; the vector moved by a fraction is the sum
   of its `terms` terms times weights.  A term_stride of 1 means a Lanczos-5 shift, whose
   weights are its taps; else they are Chebyshev polynomials of twice the fraction.  `moved` of
   the `width` rows and columns move; the others are `coefficients`.  All three arrays may be
   read 24 elements past their last. */
typedef struct {
    int64_t width;
    int64_t moved;
    int64_t rank;
    int64_t terms;
    int64_t vector_stride;
    int64_t term_stride;
    const double *coefficients;
    const double *vectors;
    const double *scaled_vectors;
} forcedsql_sinc_aperture;

/* Number of this interface; Python refuses a library of another one. */
int forcedsql_interface(void);

/* Name of the instruction set that this machine runs: "avx512", "avx2", "baseline". */
const char *forcedsql_instruction_set(void);

/* Run another instruction set that this machine has; -1 where it has not. */
int forcedsql_use_instruction_set(const char *name);

/* Sums over PSF boxes: model (n, height, width); sums (5, n): m, m^2, m I, m^2 V, chi2. */
int forcedsql_psf_sums(const forcedsql_planes *planes, int64_t n, int64_t height, int64_t width,
                       const double *model, const int64_t *x0, const int64_t *y0, int32_t bad_bits,
                       double *sums, int64_t *npixels, int threads);

/* Apertures of one kind of shift; flux and variance (n, apertures). */
int forcedsql_sinc_sums(const forcedsql_planes *planes, int64_t n, const int64_t *column,
                        const int64_t *row, const double *fraction_x, const double *fraction_y,
                        int64_t apertures, const forcedsql_sinc_aperture *aperture, double *flux,
                        double *variance, int threads);

/* Radii (circles,) rising; flux and variance (n, circles). */
int forcedsql_circle_sums(const forcedsql_planes *planes, int64_t n, const double *x, const double *y,
                          int64_t circles, const double *radii, double *flux, double *variance,
                          int threads);

/* The same with each pixel's weight the part of it inside; radii in any order. */
int forcedsql_overlap_sums(const forcedsql_planes *planes, int64_t n, const double *x, const double *y,
                           int64_t circles, const double *radii, double *flux, double *variance,
                           int threads);

/* Quadrupole (n, 3): xx, yy, xy. */
int forcedsql_ellipse_bits(const forcedsql_planes *planes, int64_t n, const double *x, const double *y,
                           const double *quadrupole, int32_t *bits, int threads);

int forcedsql_centre_bits(const forcedsql_planes *planes, int64_t n, const int64_t *column,
                          const int64_t *row, int32_t *any_bits, int32_t *all_bits, int threads);

/* images[i] = sum over k of weights[i, k] basis[k]; weights (n, terms), basis (terms, pixels). */
int forcedsql_combine_images(int64_t n, int64_t terms, int64_t pixels, const double *weights,
                             const double *basis, double *images, int threads);

/* Shifts (n,); image i is at images + i * image_stride, output i at
   moved + i * moved_stride, rows row strides apart; height and width (n,). */
int forcedsql_shift_images(int64_t n, const double *images, int64_t image_stride, int64_t image_row_stride,
                           const int64_t *height, const int64_t *width, const double *dx,
                           const double *dy, double *moved, int64_t moved_stride,
                           int64_t moved_row_stride, int64_t plane_height, int64_t plane_width,
                           int threads);

/* The three in one, while each image is at hand: combine_images, their moments about one centre,
   and the images shifted; moved images (n, height, width) or NULL, moments (n, 3) or NULL. */
int forcedsql_kernel_images(int64_t n, int64_t terms, int64_t height, int64_t width, const double *weights,
                            const double *basis, const double *dx, const double *dy,
                            int64_t centre_x, int64_t centre_y, double *moved, double *moments, int threads);

/* psf_sums of the images that kernel_images makes, which are not kept. */
int forcedsql_combined_psf_sums(int64_t n, int64_t terms, int64_t height, int64_t width,
                                const double *weights, const double *basis, const double *dx,
                                const double *dy, const forcedsql_planes *planes, const int64_t *x0,
                                const int64_t *y0, int32_t bad_bits, double *sums, int64_t *npixels,
                                int threads);

/* Images (n, width, width) of sum 1, drawn from grids of points that a Lanczos interpolant joins, a
   pixel from one to the next: points[i] = sum over k of weights[i, k] basis[k], with weights (n,
   terms) and basis (terms, size, size); point size / 2 comes to lie dx, dy (n,) in [-1, 1] past the
   centre of pixel width / 2.  Images that are not valid, (n,), or have no sum become zero, and
   invalid. */
int forcedsql_draw_grids(int64_t n, int64_t terms, int64_t size, const double *weights, const double *basis,
                         const double *dx, const double *dy, int64_t order, int64_t ripple_count,
                         const double *ripples, int64_t width, double *images, int32_t *valid, int threads);

/* A separable interpolation kernel: the weights of `taps` taps from offset `first` on, tabulated
   at `phases` sub-pixel phases, (phases, stride), where `stride` is `taps` rounded up to 8.
   Images are warped with `padding` zero pixels around them. */
typedef struct {
    int64_t taps;
    int64_t first;
    int64_t padding;
    int64_t phases;
    int64_t stride;
    const double *weights;
} forcedsql_warping_kernel;

/* Images as in shift_images; x, y (n,) are the column and row of each that the origin comes from,
   matrix (n, 2, 2) the derivatives of column and row by destination pixels.  Each image that is
   valid, (n,), is warped to 2 half_height + 1 rows of 2 half_width + 1 columns about the origin,
   divided by its sum, and added `weight` times to the middle of plane rows[i] of planes (...,
   plane_height, plane_width); one without a sum becomes invalid.  All rows differ. */
int forcedsql_add_warped(int64_t n, const double *images, int64_t image_stride, int64_t image_row_stride,
                         const int64_t *height, const int64_t *width, const double *x, const double *y,
                         const double *matrix, const int64_t *half_height, const int64_t *half_width,
                         const forcedsql_warping_kernel *kernel, const int64_t *rows, double weight,
                         double *planes, int64_t plane_height, int64_t plane_width, int32_t *valid,
                         int threads);

/* Images as in shift_images; centre, height, width (n,); moments (n, 3): xx, yy, xy. */
int forcedsql_adaptive_moments(int64_t n, const double *images, int64_t image_stride,
                               int64_t image_row_stride, const int64_t *height, const int64_t *width,
                               const int64_t *centre_x, const int64_t *centre_y, double *moments,
                               int threads);

/* The functions of libdeflate that unpack gzip members, as libdeflate.h declares them. */
typedef struct {
    void *(*alloc_decompressor)(void);
    int (*gzip_decompress_ex)(void *decompressor, const void *in, size_t in_nbytes, void *out,
                              size_t out_nbytes_avail, size_t *actual_in_nbytes_ret,
                              size_t *actual_out_nbytes_ret);
    void (*free_decompressor)(void *decompressor);
} forcedsql_libdeflate;

/* Rows of `width` numbers of `size` bytes, each the gzip member that ends before packed[ends[i]],
   (n,) rising, and begins where the one before ends.  They are stored with the most significant byte
   first and, if `shuffled`, all first bytes of a row before all second ones.  Columns `first` to `end`
   of numbers (n, width) are filled in.  held (n,): how many bytes a member held, -1 where it is
   damaged or holds more than a row; a row of other than width * size bytes is not filled in. */
int forcedsql_unpack_rows(const forcedsql_libdeflate *libdeflate, int64_t n, int64_t width, int64_t size,
                          int64_t first, int64_t end, int shuffled, const uint8_t *packed,
                          const int64_t *ends, uint8_t *numbers, int64_t *held, int threads);

#endif
