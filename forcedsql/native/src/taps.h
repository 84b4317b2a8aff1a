/* The ten taps of a Lanczos-5 shift; forcedsql/psf/shift.py says what they are. */
#ifndef FORCEDSQL_TAPS_H
#define FORCEDSQL_TAPS_H
#include <math.h>

enum { TAPS = 10, ORDER = 5 };

/* Set the taps of a fraction; return where the first of them is past offset -5: 0 or 1. */
static inline int lanczos5_taps(double fraction, double taps[TAPS]) {
    /* Sines and cosines of pi d / 5 for d of 0 to 5. */
    static const double SINES[ORDER + 1] = {0.0,
                                            0.58778525229247312917,
                                            0.95105651629515357212,
                                            0.95105651629515357212,
                                            0.58778525229247312917,
                                            0.0};
    static const double COSINES[ORDER + 1] = {1.0,
                                              0.80901699437494742410,
                                              0.30901699437494742410,
                                              -0.30901699437494742410,
                                              -0.80901699437494742410,
                                              -1.0};
    const double pi = 3.14159265358979323846;
    double fast_sine = sin(pi * fraction), sine = sin(pi * fraction / ORDER), cosine = cos(pi * fraction / ORDER);
    double total = 0.0;
    int first = fraction > 0.0 ? 0 : 1;
    for (int k = 0; k < TAPS; k++) {
        int offset = first + k - ORDER, size = offset < 0 ? -offset : offset;
        double sign = size % 2 ? -1.0 : 1.0, turned = offset < 0 ? -SINES[size] : SINES[size];
        double t = pi * (offset + fraction);
        double product = sign * fast_sine * (sine * COSINES[size] + cosine * turned);
        taps[k] = fabs(t) <= 1e-5 ? 1.0 : product / (t * t / ORDER);
    }
    for (int k = 0; k < TAPS; k++) total += taps[k];
    for (int k = 0; k < TAPS; k++) taps[k] /= total;
    return first;
}

#endif
