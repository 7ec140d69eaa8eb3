#ifndef CMPFR_H
#define CMPFR_H

// Correctly rounded functions (53 bits, to nearest) through MPFR: the same bits on every machine,
// where the system's own functions differ even between CPU features of one library.

double lra_exact_sin(double x);
double lra_exact_cos(double x);
double lra_exact_atan2(double y, double x);

#endif
