// A caching CPU allocator: training asks for the same big buffers at every step, and giving them back to the
// system means a page-fault storm each time. Freed blocks wait in size classes (eight per doubling) until they
// are wanted again, also by a somewhat smaller request; at most as many bytes wait as were ever in use at
// once, or 64 MiB.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>

#include "include/ct_core.h"
#include "internal.h"

namespace ct {

constexpr size_t headerBytes = 64;
constexpr size_t hugePage = size_t(2) << 20;
constexpr int64_t alwaysCached = int64_t(64) << 20;

struct Header {
  size_t bytes;
};

struct Cache {
  std::mutex mutex;
  std::map<size_t, std::vector<void*>> waiting;
  int64_t inUse = 0, peakInUse = 0, waitingBytes = 0;
};

// Never destroyed: tensors may be freed while the process exits.
Cache& cache() {
  static auto* shared = new Cache;
  return *shared;
}

size_t sizeClass(size_t bytes) {
  bytes = std::max<size_t>(bytes + headerBytes, 256);
  size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

void* fromSystem(size_t bytes) {
  void* block = nullptr;
  bool large = bytes >= hugePage / 2;
  if (posix_memalign(&block, large ? hugePage : headerBytes, bytes) != 0) return nullptr;
  if (large) madvise(block, bytes, MADV_HUGEPAGE);
  return block;
}

void release(void* data) {
  if (!data) return;
  auto* block = static_cast<char*>(data) - headerBytes;
  auto bytes = int64_t(reinterpret_cast<Header*>(block)->bytes);
  auto& shared = cache();
  {
    std::lock_guard<std::mutex> lock(shared.mutex);
    shared.inUse -= bytes;
    if (shared.waitingBytes + bytes <= std::max(shared.peakInUse, alwaysCached)) {
      shared.waitingBytes += bytes;
      shared.waiting[size_t(bytes)].push_back(block);
      return;
    }
  }
  std::free(block);
}

struct CachingAllocator final : at::Allocator {
  at::DataPtr allocate(size_t count) override {
    if (count == 0) return {nullptr, nullptr, &release, at::Device(at::kCPU)};
    size_t bytes = sizeClass(count);
    auto& shared = cache();
    void* block = nullptr;
    {
      std::lock_guard<std::mutex> lock(shared.mutex);
      // The smallest waiting block that fits, unless half of it would lie idle: batches differ in length.
      auto found = shared.waiting.lower_bound(bytes);
      if (found != shared.waiting.end() && found->first <= bytes + bytes / 2) {
        bytes = found->first;
        block = found->second.back();
        found->second.pop_back();
        if (found->second.empty()) shared.waiting.erase(found);
        shared.waitingBytes -= int64_t(bytes);
      }
      shared.inUse += int64_t(bytes);
      shared.peakInUse = std::max(shared.peakInUse, shared.inUse);
    }
    if (!block) block = fromSystem(bytes);
    if (!block) {
      std::lock_guard<std::mutex> lock(shared.mutex);
      shared.inUse -= int64_t(bytes);
      TORCH_CHECK(false, "out of memory: ", count, " bytes were asked for");
    }
    reinterpret_cast<Header*>(block)->bytes = bytes;
    void* data = static_cast<char*>(block) + headerBytes;
    return {data, data, &release, at::Device(at::kCPU)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* target, const void* source, size_t count) const override {
    default_copy_data(target, source, count);
  }
};

void installAllocator() {
  static auto* allocator = new CachingAllocator;
  c10::SetCPUAllocator(allocator, 10);
}

}  // namespace ct

void ct_memory(int64_t* held, int64_t* peak_in_use) {
  auto& shared = ct::cache();
  std::lock_guard<std::mutex> lock(shared.mutex);
  *held = shared.inUse + shared.waitingBytes;
  *peak_in_use = shared.peakInUse;
}

int64_t ct_restart_peak(void) {
  auto& shared = ct::cache();
  std::lock_guard<std::mutex> lock(shared.mutex);
  for (auto& [bytes, blocks] : shared.waiting)
    for (void* block : blocks) std::free(block);
  shared.waiting.clear();
  shared.waitingBytes = 0;
  shared.peakInUse = shared.inUse;
  return shared.inUse;
}
