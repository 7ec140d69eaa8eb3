// The kernels compiled for the tier "avx2".
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"

namespace ct {
namespace {
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define WIDTH 8
#define REGISTERS 16
#include "vector.inc"
#include "attention.inc"
#include "dropout.inc"
#include "product.inc"
#include "rowwise.inc"
#include "dense.inc"
#include "embedding.inc"
#pragma clang attribute pop
}  // namespace

const Kernels kernelsAvx2 = {
    "avx2", attentionForward, attentionForwardUnits, attentionBackward, attentionKeep, dropout,
    paddedWidth, packPanels, linearForward, linearBackward, layerNormForward, layerNormBackward,
    feedForwardTiles, feedForward, feedForwardBackward, embeddingForward, embeddingBackward, addParts};

}  // namespace ct
