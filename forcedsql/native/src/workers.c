/* The workers of one instruction set, in a table. */
#include "tasks.h"
#include "vectors.h"

#define NAME_OF_(isa) #isa
#define NAME_OF(isa) NAME_OF_(isa)

forcedsql_work FOR_ISA(psf_sums), FOR_ISA(sinc_sums), FOR_ISA(circle_sums), FOR_ISA(ellipse_bits);
forcedsql_work FOR_ISA(overlap_sums);
forcedsql_work FOR_ISA(centre_bits), FOR_ISA(combine_images), FOR_ISA(shift_images);
forcedsql_work FOR_ISA(adaptive_moments), FOR_ISA(kernel_images), FOR_ISA(combined_psf_sums);
forcedsql_work FOR_ISA(draw_grids), FOR_ISA(add_warped), FOR_ISA(unpack_rows);

extern const struct forcedsql_workers FOR_ISA(workers);

const struct forcedsql_workers FOR_ISA(workers) = {
    .name = NAME_OF(ISA),
    .psf_sums = FOR_ISA(psf_sums),
    .sinc_sums = FOR_ISA(sinc_sums),
    .circle_sums = FOR_ISA(circle_sums),
    .overlap_sums = FOR_ISA(overlap_sums),
    .ellipse_bits = FOR_ISA(ellipse_bits),
    .centre_bits = FOR_ISA(centre_bits),
    .combine_images = FOR_ISA(combine_images),
    .shift_images = FOR_ISA(shift_images),
    .adaptive_moments = FOR_ISA(adaptive_moments),
    .kernel_images = FOR_ISA(kernel_images),
    .combined_psf_sums = FOR_ISA(combined_psf_sums),
    .draw_grids = FOR_ISA(draw_grids),
    .add_warped = FOR_ISA(add_warped),
    .unpack_rows = FOR_ISA(unpack_rows),
};
