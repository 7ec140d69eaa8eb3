// Chooses the kernel tier once: the best the CPU has, or the lower one that LRA_CPU names.
#include <cstdlib>
#include <cstring>

#include "../include/ct_core.h"
#include "kernels.h"

namespace ct {

static const Kernels& choose() {
  const Kernels* best = &kernelsPortable;
#if defined(__x86_64__)
  const Kernels* available[] = {&kernelsAvx512, &kernelsAvx2, &kernelsPortable};
  __builtin_cpu_init();
  bool usable[] = {
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"),
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), true};
  const char* wanted = std::getenv("LRA_CPU");
  bool reached = true;
  if (wanted) {
    reached = false;
    for (auto* tier : available) reached = reached || !strcmp(wanted, tier->name);
    reached = !reached;  // an unknown name asks for the best
  }
  for (int i = 0; i < 3; i++) {
    if (wanted && !strcmp(wanted, available[i]->name)) reached = true;
    if (reached && usable[i]) return *available[i];
  }
#endif
  return *best;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace ct

const char* ct_kernel_tier(void) { return ct::kernels().name; }
