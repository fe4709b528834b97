// Counts what a kernel asks of the memory, warp by warp, as a GPU's load and store units would: all lanes that reach
// the same instruction for the same time make one request, which touches so many sectors of 32 bytes. The compiler's
// own instrumentation for races (-fsanitize=thread) calls the functions below at every load and store; its library is
// not linked.
#include "counter.h"

#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

namespace emulated {
namespace {

constexpr std::uintptr_t SECTOR = 32;

struct Access {
  const void* site;  // the instruction
  int waits, time;   // shuffles and barriers before, and how often this thread has been there since
  Kind kind;
  std::uintptr_t address;
  int bytes;
};

struct Lane {
  int waits = 0;
  std::unordered_map<const void*, int> times;
  std::vector<Access> accesses;
};

struct Counts {
  std::uint64_t launches = 0, blocks = 0, threads = 0;
  std::uint64_t requests[KINDS] = {}, sectors[KINDS] = {}, lanes[KINDS] = {};
};

std::vector<Lane> lanes(1024);
Counts running;
std::map<std::string, Counts> totals;

void end_warp(Lane* warp) {
  std::map<std::tuple<const void*, int, int>, std::pair<Kind, std::set<std::uintptr_t>>> requests;
  for (Lane* lane = warp; lane != warp + 32; ++lane) {
    for (const Access& access : lane->accesses) {
      auto& request = requests[{access.site, access.waits, access.time}];
      request.first = access.kind;
      ++running.lanes[access.kind];
      const std::uintptr_t last = (access.address + static_cast<std::uintptr_t>(access.bytes) - 1) / SECTOR;
      for (std::uintptr_t s = access.address / SECTOR; s <= last; ++s) request.second.insert(s);
    }
    lane->accesses.clear();
    lane->times.clear();
  }
  for (const auto& request : requests) {
    ++running.requests[request.second.first];
    running.sectors[request.second.first] += request.second.second.size();
  }
}

}  // namespace

void note(const void* site, Kind kind, const void* address, int bytes) {
  if (!in_global_memory(address)) return;
  Lane& lane = lanes[static_cast<std::size_t>(current_thread())];
  if (lane.waits != waits_of_thread()) lane.times.clear();
  lane.waits = waits_of_thread();
  lane.accesses.push_back(
      {site, lane.waits, lane.times[site]++, kind, reinterpret_cast<std::uintptr_t>(address), bytes});
}

void end_block(int warps) {
  for (int warp = 0; warp < warps; ++warp) end_warp(&lanes[static_cast<std::size_t>(32 * warp)]);
}

void end_launch(const char* name, std::uint64_t blocks, int threads) {
  Counts& total = totals[name];
  ++total.launches;
  total.blocks += blocks;
  total.threads += blocks * static_cast<std::uint64_t>(threads);
  for (int kind = 0; kind < KINDS; ++kind) {
    total.requests[kind] += running.requests[kind];
    total.sectors[kind] += running.sectors[kind];
    total.lanes[kind] += running.lanes[kind];
  }
  running = Counts{};
}

}  // namespace emulated

// For Python: everything counted since the last call, a line for each kernel: its name, launches, blocks, threads, and
// requests, sectors and lanes of loads, stores and atomics.
extern "C" const char* emulated_counts() {
  static std::string text;
  text.clear();
  for (const auto& [name, c] : emulated::totals) {
    text += name;
    for (std::uint64_t n : {c.launches, c.blocks, c.threads}) text += " " + std::to_string(n);
    for (int kind = 0; kind < emulated::KINDS; ++kind) {
      for (std::uint64_t n : {c.requests[kind], c.sectors[kind], c.lanes[kind]}) text += " " + std::to_string(n);
    }
    text += "\n";
  }
  emulated::totals.clear();
  return text.c_str();
}

#define SITE __builtin_return_address(0)
#define HOOKS(n)                                                                                      \
  extern "C" void __tsan_read##n(void* at) { emulated::note(SITE, emulated::LOAD, at, n); }           \
  extern "C" void __tsan_write##n(void* at) { emulated::note(SITE, emulated::STORE, at, n); }         \
  extern "C" void __tsan_unaligned_read##n(void* at) { emulated::note(SITE, emulated::LOAD, at, n); } \
  extern "C" void __tsan_unaligned_write##n(void* at) { emulated::note(SITE, emulated::STORE, at, n); }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
extern "C" void __tsan_read_range(void* at, unsigned long size) {
  emulated::note(SITE, emulated::LOAD, at, static_cast<int>(size));
}
extern "C" void __tsan_write_range(void* at, unsigned long size) {
  emulated::note(SITE, emulated::STORE, at, static_cast<int>(size));
}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_init() {}
