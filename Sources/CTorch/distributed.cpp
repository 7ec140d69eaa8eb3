// The process group of a run on several processes.
#include "include/ct_distributed.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "internal.h"

using namespace ct;

namespace {

c10::intrusive_ptr<c10d::ProcessGroupGloo> group;

/// The address by which this machine reaches another: no packet is sent.
std::string ownAddress(const char* host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  TORCH_CHECK(getaddrinfo(host, std::to_string(port).c_str(), &hints, &found) == 0, host, " has no address");
  std::string name;
  for (auto* at = found; at && name.empty(); at = at->ai_next) {
    int probe = socket(at->ai_family, SOCK_DGRAM, 0);
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    char text[NI_MAXHOST];
    if (probe >= 0 && connect(probe, at->ai_addr, at->ai_addrlen) == 0 &&
        getsockname(probe, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
      name = text;
    if (probe >= 0) close(probe);
  }
  freeaddrinfo(found);
  TORCH_CHECK(!name.empty(), host, " cannot be reached from here");
  return name;
}

}  // namespace

int ct_group_join(const char* address, int port, int rank, int world, int serves, const char* name,
                  double timeoutSeconds) {
  return guardedStatus([&] {
    auto timeout = std::chrono::milliseconds(int64_t(timeoutSeconds * 1000));
    c10d::TCPStoreOptions meeting;
    meeting.port = uint16_t(port);
    meeting.isServer = serves != 0;
    meeting.waitWorkers = false;
    meeting.timeout = timeout;
    c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>(address, meeting);
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(ownAddress(address, port)));
    group = c10::make_intrusive<c10d::ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>(name, store), rank, world, options);
  });
}

int ct_group_sum(ct_tensor handle) {
  return guardedStatus([&] {
    TORCH_CHECK(group.defined(), "no group was joined");
    std::vector<at::Tensor> tensors = {tensor(handle)};
    group->allreduce(tensors)->wait();
  });
}

void ct::sumOverGroup(at::Tensor& x) {
  if (!group.defined()) return;
  std::vector<at::Tensor> tensors = {x};
  group->allreduce(tensors)->wait();
}

void ct_group_leave(void) { group.reset(); }
