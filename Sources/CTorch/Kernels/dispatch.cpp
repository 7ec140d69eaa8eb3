// The kernel tier in use: the best the CPU has, unless a lower one is asked for.
#include <ATen/autocast_mode.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <cstring>
#include <string>

#include "../include/ct_core.h"
#include "../internal.h"
#include "kernels.h"

namespace ct {
namespace {

struct Tier {
  const Kernels* kernels;
  bool usable;
  bool emulable = false;  // where the program emulates AMX
};

#if defined(__x86_64__)
/// Whether the CPU has AMX for bfloat16 and the system lets this process use its tiles.
bool hasTiles() {
#if defined(__linux__)
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool tiles = d >> 24 & 1, multiplies = d >> 22 & 1;
  constexpr long request = 0x1023, tileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA (Linux 5.16)
  return tiles && multiplies && syscall(SYS_arch_prctl, request, tileData) == 0;
#else
  return false;
#endif
}
#endif

/// Whether the program emulates AMX where the CPU lacks it.
bool emulatesTiles = false;

/// From the highest to the lowest.
const std::vector<Tier>& tiers() {
#if defined(__x86_64__)
  static const std::vector<Tier> all = [] {
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool half = avx512 && __builtin_cpu_supports("avx512bf16");
    return std::vector<Tier>{{&kernelsAmx, half && hasTiles(), half},
                             {&kernelsAvx512Bf16, half},
                             {&kernelsAvx512, avx512},
                             {&kernelsAvx2, avx2},
                             {&kernelsPortable, true}};
  }();
#else
  static const std::vector<Tier> all = {{&kernelsPortable, true}};
#endif
  return all;
}

const Kernels* best() {
  for (auto& tier : tiers())
    if (tier.usable) return tier.kernels;
  return &kernelsPortable;
}

const Kernels* current = nullptr;

}  // namespace

const Kernels& kernels() {
  if (!current) current = best();
  return *current;
}

bool wantsHalf() { return kernels().half && at::autocast::is_autocast_enabled(at::kCPU); }

}  // namespace ct

using namespace ct;

void ct_emulates_amx(void) { emulatesTiles = true; }

const char* ct_kernel_tier(void) { return kernels().name; }

int ct_use_tier(const char* name) {
  std::string names;
  for (auto& tier : tiers()) {
    if (!tier.usable && !(emulatesTiles && tier.emulable)) continue;
    if (!strcmp(tier.kernels->name, name)) {
      current = tier.kernels;
      return 0;
    }
    names += (names.empty() ? "" : ", ") + std::string(tier.kernels->name);
  }
  fail(("kernel tier " + std::string(name) + " is unknown or not in this CPU; it has: " + names).c_str());
  return 1;
}
