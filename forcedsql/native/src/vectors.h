/* Short vectors of doubles, as wide as the instruction set that this file is compiled for.

   GCC's and Clang's vector types fix the order of every sum in the source, so that a result
   does not depend on where in memory its pixels lie. */
#ifndef FORCEDSQL_VECTORS_H
#define FORCEDSQL_VECTORS_H
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define JOIN_NAMES_(name, isa) forcedsql_##name##_##isa
#define JOIN_NAMES(name, isa) JOIN_NAMES_(name, isa)
#define FOR_ISA(name) JOIN_NAMES(name, ISA)

#if defined(__AVX512F__)
#define LANES 8
#elif defined(__AVX2__)
#define LANES 4
#else
#define LANES 2
#endif

/* The widest of all instruction sets: what padded arrays are padded for. */
#define MAX_LANES 8

typedef double doubles __attribute__((vector_size(8 * LANES)));
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int64_t longs __attribute__((vector_size(8 * LANES)));
typedef uint64_t ulongs __attribute__((vector_size(8 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));

/* Before a loop of few rounds whose vectors belong in registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define INLINE static inline __attribute__((always_inline))

/* LANES times -1, then LANES times 0: read n before the zeros for a mask of n lanes. */
static const int64_t MASK_WINDOW[2 * MAX_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};

INLINE doubles load(const double *from) {
    doubles v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void store(double *to, doubles v) { memcpy(to, &v, sizeof v); }

/* The conversions are spelled out where GCC 12 makes two of one. */
#if defined(__AVX512F__)
INLINE doubles widened(floats v) { return (doubles)_mm512_cvtps_pd((__m256)v); }
INLINE floats narrowed(doubles v) { return (floats)_mm512_cvtpd_ps((__m512d)v); }
INLINE ints truncated(doubles v) { return (ints)_mm512_cvttpd_epi32((__m512d)v); }
INLINE doubles from_ints(ints v) { return (doubles)_mm512_cvtepi32_pd((__m256i)v); }
#elif defined(__AVX2__)
INLINE doubles widened(floats v) { return (doubles)_mm256_cvtps_pd((__m128)v); }
INLINE floats narrowed(doubles v) { return (floats)_mm256_cvtpd_ps((__m256d)v); }
INLINE ints truncated(doubles v) { return (ints)_mm256_cvttpd_epi32((__m256d)v); }
INLINE doubles from_ints(ints v) { return (doubles)_mm256_cvtepi32_pd((__m128i)v); }
#else
INLINE doubles widened(floats v) { return __builtin_convertvector(v, doubles); }
INLINE floats narrowed(doubles v) { return __builtin_convertvector(v, floats); }
INLINE ints truncated(doubles v) { return __builtin_convertvector(v, ints); }
INLINE doubles from_ints(ints v) { return __builtin_convertvector(v, doubles); }
#endif

/* Store the first `count` lanes. */
INLINE void store_some(double *to, doubles v, int64_t count) {
    for (int64_t i = 0; i < count; i++) to[i] = v[i];
}

/* Rows are too short for a call of memcpy to pay. */
INLINE void copy(double *to, const double *from, int64_t count) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    for (; i < count; i++) to[i] = from[i];
}

INLINE floats load_narrow(const float *from) {
    floats v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE doubles load_floats(const float *from) { return widened(load_narrow(from)); }


INLINE doubles all_of(double value) { return value - (doubles){0.0}; }

INLINE longs first_lanes(int64_t count) {
    longs v;
    memcpy(&v, MASK_WINDOW + MAX_LANES - count, sizeof v);
    return v;
}

/* The first `count` lanes; the others are zero.  `first_of_floats` may read a whole vector, the
   loads read nothing past the last lane that counts. */
#if defined(__AVX512F__)
INLINE __mmask8 lane_bits(int64_t count) { return (__mmask8)((1u << count) - 1u); }
INLINE doubles first_of(doubles v, int64_t count) {
    return (doubles)_mm512_maskz_mov_pd(lane_bits(count), (__m512d)v);
}
INLINE doubles first_of_floats(const float *from, int64_t count) {
    return (doubles)_mm512_maskz_cvtps_pd(lane_bits(count), (__m256)load_narrow(from));
}
INLINE doubles load_first(const double *from, int64_t count) {
    return (doubles)_mm512_maskz_loadu_pd(lane_bits(count), from);
}
INLINE doubles load_first_floats(const float *from, int64_t count) {
    return widened((floats)_mm256_maskz_loadu_ps(lane_bits(count), from));
}
#else
INLINE doubles first_of(doubles v, int64_t count) { return (doubles)((longs)v & first_lanes(count)); }
INLINE doubles first_of_floats(const float *from, int64_t count) {
    return first_of(load_floats(from), count);
}
INLINE doubles load_first(const double *from, int64_t count) {
    doubles v = all_of(0.0);
    for (int64_t i = 0; i < count; i++) v[i] = from[i];
    return v;
}
INLINE doubles load_first_floats(const float *from, int64_t count) {
    doubles v = all_of(0.0);
    for (int64_t i = 0; i < count; i++) v[i] = from[i];
    return v;
}
#endif

/* `v` where the mask is -1, zero where it is 0, whatever `v` is there. */
INLINE doubles where(longs mask, doubles v) { return (doubles)((longs)v & mask); }

INLINE doubles choose(longs mask, doubles yes, doubles no) {
    return (doubles)(((longs)yes & mask) | ((longs)no & ~mask));
}

INLINE doubles rounded_to_float(doubles v) {
    return widened(narrowed(v));
}

/* Lanes in a fixed order: halves onto halves. */
INLINE double sum_of_lanes(doubles v) {
    double lanes[LANES];
    store(lanes, v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

INLINE int64_t round_up(int64_t count, int64_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}

#endif
