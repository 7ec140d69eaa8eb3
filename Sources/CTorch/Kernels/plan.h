// A plan of attention with its own memory, shared by the forward pass and the backward pass that follows.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <vector>

#include "kernels.h"

namespace ct {

struct Plan : torch::CustomClassHolder {
  std::vector<int64_t> groupStart, queryStart, keyStart;
  std::vector<int32_t> query, key, low, high, code, shared;

  bool coded() const { return !code.empty(); }
  int64_t plans() const { return int64_t(groupStart.size()) - 1; }

  AttentionPlan view() const {
    return {plans(),     groupStart.data(), queryStart.data(), keyStart.data(), query.data(),
            key.data(),  coded() ? low.data() : nullptr,       coded() ? high.data() : nullptr,
            coded() ? code.data() : nullptr, shared.data()};
  }
};

}  // namespace ct
