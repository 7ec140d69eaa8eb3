#include "CMPFR.h"

#include <mpfr.h>

double lra_exact_sin(double x) {
  mpfr_t value;
  mpfr_init2(value, 53);
  mpfr_set_d(value, x, MPFR_RNDN);
  mpfr_sin(value, value, MPFR_RNDN);
  double result = mpfr_get_d(value, MPFR_RNDN);
  mpfr_clear(value);
  return result;
}

double lra_exact_cos(double x) {
  mpfr_t value;
  mpfr_init2(value, 53);
  mpfr_set_d(value, x, MPFR_RNDN);
  mpfr_cos(value, value, MPFR_RNDN);
  double result = mpfr_get_d(value, MPFR_RNDN);
  mpfr_clear(value);
  return result;
}

double lra_exact_atan2(double y, double x) {
  mpfr_t first, second;
  mpfr_inits2(53, first, second, (mpfr_ptr)0);
  mpfr_set_d(first, y, MPFR_RNDN);
  mpfr_set_d(second, x, MPFR_RNDN);
  mpfr_atan2(first, first, second, MPFR_RNDN);
  double result = mpfr_get_d(first, MPFR_RNDN);
  mpfr_clears(first, second, (mpfr_ptr)0);
  return result;
}
