// A plan of attention with its own memory, shared by the forward pass and the backward pass that follows.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <algorithm>
#include <vector>

#include "kernels.h"

namespace ct {

struct Plan : torch::CustomClassHolder {
  std::vector<int64_t> groupStart, queryStart, keyStart;
  std::vector<int32_t> query, key, low, high, code, shared, round;
  int64_t avoids = 0;
  std::vector<int32_t> avoidLow, avoidHigh, avoidCode;

  bool coded() const { return !code.empty(); }
  int32_t rounds() const { return round.empty() ? 1 : *std::max_element(round.begin(), round.end()) + 1; }
  int64_t plans() const { return int64_t(groupStart.size()) - 1; }

  /// Whether every plan is one group of so many queries and keys.
  bool isWhole(int64_t queries, int64_t keys) const {
    for (int64_t p = 0; p < plans(); p++) {
      const auto g = groupStart[size_t(p)];
      if (groupStart[size_t(p) + 1] != g + 1 || queryStart[size_t(g) + 1] - queryStart[size_t(g)] != queries ||
          keyStart[size_t(g) + 1] - keyStart[size_t(g)] != keys)
        return false;
    }
    return true;
  }

  AttentionPlan view() const {
    return {plans(),     groupStart.data(), queryStart.data(), keyStart.data(), query.data(),
            key.data(),  coded() ? low.data() : nullptr,       coded() ? high.data() : nullptr,
            coded() ? code.data() : nullptr, shared.data(),    round.data(),      rounds() > 1,
            avoids,          int64_t(query.size()), int64_t(key.size()), avoidLow.data(), avoidHigh.data(),
            avoidCode.data()};
  }
};

}  // namespace ct
