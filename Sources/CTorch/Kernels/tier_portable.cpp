// The kernels compiled for the tier "portable".
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"

namespace ct {
namespace {

#define WIDTH 4
#define REGISTERS 16
#include "vector.inc"
#include "attention.inc"
#include "dropout.inc"
#include "product.inc"
#include "rowwise.inc"
#include "dense.inc"
#include "embedding.inc"

}  // namespace

const Kernels kernelsPortable = {
    "portable", attentionForward, attentionForwardUnits, attentionBackward, attentionKeep, dropout,
    paddedWidth, packPanels, linearForward, linearBackward, layerNormForward, layerNormBackward,
    feedForwardTiles, feedForward, feedForwardBackward, embeddingForward, embeddingBackward, addParts};

}  // namespace ct
