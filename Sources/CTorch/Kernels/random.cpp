// Initial values: pure functions of (key, element), by scalar Philox4x32-10.
#include <cmath>

#include "../include/ct_kernels.h"
#include "../internal.h"

using namespace ct;

namespace {

struct Words {
  uint32_t w[4];
};

Words philox(uint64_t counter, uint64_t key, uint32_t attempt = 0) {
  uint32_t c[4] = {uint32_t(counter), uint32_t(counter >> 32), attempt, 0};
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t a = uint64_t(0xD2511F53u) * c[0], b = uint64_t(0xCD9E8D57u) * c[2];
    uint32_t next[4] = {uint32_t(b >> 32) ^ c[1] ^ k0, uint32_t(b), uint32_t(a >> 32) ^ c[3] ^ k1, uint32_t(a)};
    for (int i = 0; i < 4; i++) c[i] = next[i];
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c[0], c[1], c[2], c[3]}};
}

double unit(uint32_t word) { return (word + 0.5) * 0x1p-32; }

/// Box and Muller 1958: two uniforms make one normal.
double normal(Words words) {
  return std::sqrt(-2 * std::log(unit(words.w[0]))) * std::cos(2 * M_PI * unit(words.w[1]));
}

template <class Draw>
int fill(ct_tensor handle, Draw&& draw) {
  return guardedStatus([&] {
    const auto& target = tensor(handle);
    TORCH_CHECK(target.scalar_type() == at::kFloat && target.is_contiguous() && target.is_cpu(),
                "only contiguous float32 on the CPU can be filled");
    auto* values = static_cast<float*>(target.mutable_data_ptr());
    for (int64_t e = 0; e < target.numel(); e++) values[e] = float(draw(uint64_t(e)));
  });
}

}  // namespace

int ct_fill_normal(ct_tensor handle, uint64_t key, double deviation) {
  return fill(handle, [&](uint64_t e) { return deviation * normal(philox(e, key)); });
}

int ct_fill_truncated_normal(ct_tensor handle, uint64_t key, double scale) {
  return fill(handle, [&](uint64_t e) {
    for (uint32_t attempt = 0;; attempt++) {
      double value = normal(philox(e, key, attempt));
      if (std::abs(value) <= 2) return scale * value;
    }
  });
}

int ct_fill_uniform(ct_tensor handle, uint64_t key, double bound) {
  return fill(handle, [&](uint64_t e) { return bound * (2 * unit(philox(e, key).w[0]) - 1); });
}
