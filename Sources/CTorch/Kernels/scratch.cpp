// Memory that kernels work in: a thread keeps what its kernels gave back, so that none of it is asked of the system or
// cleared again at every call.
#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "kernels.h"

namespace ct {
namespace {

constexpr size_t cacheLine = 64, mostKept = size_t(128) << 20;

struct Block {
  uint32_t* units;
  size_t bytes;
};

/// What waits in a thread, sorted by size.
struct Shelf {
  std::vector<Block> blocks;
  size_t bytes = 0;

  ~Shelf() {
    for (Block block : blocks) std::free(block.units);
  }

  /// The smallest block that fits, but for one of which most would lie idle; a new one if there is none.
  Block take(size_t wanted) {
    auto found = std::lower_bound(blocks.begin(), blocks.end(), wanted,
                                  [](const Block& block, size_t bytes) { return block.bytes < bytes; });
    if (found == blocks.end() || found->bytes > 4 * wanted + 4096) {
      const size_t size = (wanted + cacheLine - 1) / cacheLine * cacheLine;
      auto* units = static_cast<uint32_t*>(std::aligned_alloc(cacheLine, size));
      if (!units) throw std::bad_alloc();
      // Not a number, as float32 and as bfloat16: a kernel that reads what it did not write shows itself in tests.
      std::fill_n(units, size / sizeof(uint32_t), 0xffffffff);
      return {units, size};
    }
    const Block block = *found;
    blocks.erase(found);
    bytes -= block.bytes;
    return block;
  }

  /// Keeps a block; large ones go first where there are too many.
  void put(Block block) {
    auto place = std::lower_bound(blocks.begin(), blocks.end(), block.bytes,
                                  [](const Block& other, size_t bytes) { return other.bytes < bytes; });
    blocks.insert(place, block);
    bytes += block.bytes;
    for (; bytes > mostKept; blocks.pop_back()) {
      bytes -= blocks.back().bytes;
      std::free(blocks.back().units);
    }
  }
};

thread_local Shelf shelf;

}  // namespace

Scratch::~Scratch() {
  if (count) shelf.put({data, count * sizeof(uint32_t)});
}

uint32_t* Scratch::of(int64_t wanted) {
  if (wanted <= int64_t(count)) return data;
  if (count) shelf.put({data, count * sizeof(uint32_t)});
  count = 0;
  const Block block = shelf.take(size_t(wanted) * sizeof(uint32_t));
  data = block.units, count = block.bytes / sizeof(uint32_t);
  return data;
}

}  // namespace ct
