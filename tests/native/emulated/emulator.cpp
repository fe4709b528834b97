// Runs a grid of CUDA threads on one CPU thread. Each thread of a block is a fiber; it runs until it ends or waits at a
// shuffle or a barrier. Every second launch takes blocks, warps and lanes from last to first: a result that depends on
// who comes first, such as one that lacks a barrier, then differs from launch to launch.
#include <sys/mman.h>
#include <ucontext.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "counter.h"
#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define START_SWITCH(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define FINISH_SWITCH(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define START_SWITCH(save, bottom, size) (void)(save), (void)(bottom), (void)(size)
#define FINISH_SWITCH(save, bottom, size) (void)(save), (void)(bottom), (void)(size)
#endif

extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start, _end;  // of this library, by the linker

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {
namespace {

constexpr int WARP = 32;
constexpr std::size_t STACK = 64 << 10;

enum State { READY, AT_SHUFFLE, AT_BARRIER, ENDED };

struct Fiber {
  ucontext_t context;
  char* stack = nullptr;
  void* fake_stack = nullptr;
  State state = ENDED;
  int waits = 0;  // at shuffles and barriers, in this block; its next shuffle uses one of the two sets of words
  dim3 index;
};

struct Warp {
  std::uint64_t words[2][WARP];
};

ucontext_t scheduler;
void* scheduler_fake_stack = nullptr;
const void* scheduler_stack = nullptr;
std::size_t scheduler_stack_size = 0;
std::vector<Fiber> fibers;
std::vector<Warp> warps;
Fiber* current = nullptr;
int current_index = 0;
const char* host_stack = nullptr;  // where that of the thread that launches is in use
const std::function<void()>* body = nullptr;

void yield(State state) {
  Fiber* fiber = current;
  fiber->state = state;
  ++fiber->waits;
  START_SWITCH(&fiber->fake_stack, scheduler_stack, scheduler_stack_size);
  swapcontext(&fiber->context, &scheduler);
  FINISH_SWITCH(fiber->fake_stack, &scheduler_stack, &scheduler_stack_size);
}

void run_fiber() {
  FINISH_SWITCH(nullptr, &scheduler_stack, &scheduler_stack_size);
  for (;;) {
    (*body)();
    yield(ENDED);
  }
}

void resume(int index) {
  Fiber& fiber = fibers[static_cast<std::size_t>(index)];
  current = &fiber;
  current_index = index;
  threadIdx = fiber.index;
  START_SWITCH(&scheduler_fake_stack, fiber.stack, STACK);
  swapcontext(&scheduler, &fiber.context);
  FINISH_SWITCH(scheduler_fake_stack, nullptr, nullptr);
}

// As many fibers as a block has threads; they are kept from launch to launch, and each begins its body again.
void prepare_fibers(int threads) {
  const int before = static_cast<int>(fibers.size());
  if (threads <= before) return;
  fibers.resize(static_cast<std::size_t>(threads));
  for (int i = before; i < threads; ++i) {
    Fiber& fiber = fibers[static_cast<std::size_t>(i)];
    void* memory = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    fiber.stack = static_cast<char*>(memory);
  }
  for (Fiber& fiber : fibers) {  // a context may not move once it is made
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_fiber, 0);
  }
}

[[noreturn]] void fail(const char* name, const char* what) {
  fibers.clear();  // threads that wait are never woken; their stacks are let go
  throw std::runtime_error(std::string(name) + ": " + what);
}

// Runs a warp until its threads have ended or wait at a barrier.
void run_warp(const char* name, int warp, bool backwards) {
  Fiber* lanes = &fibers[static_cast<std::size_t>(warp * WARP)];
  for (;;) {
    int counts[4] = {0, 0, 0, 0};
    for (int i = 0; i < WARP; ++i) {
      const int lane = backwards ? WARP - 1 - i : i;
      if (lanes[lane].state == READY) resume(warp * WARP + lane);
    }
    for (int lane = 0; lane < WARP; ++lane) ++counts[lanes[lane].state];
    if (counts[AT_SHUFFLE] == 0) return;
    if (counts[AT_SHUFFLE] != WARP) fail(name, "a shuffle that some lanes of the warp never reach");
    for (int lane = 0; lane < WARP; ++lane) lanes[lane].state = READY;
  }
}

void run_block(const char* name, int threads, bool backwards) {
  const int count = threads / WARP;
  for (int i = 0; i < threads; ++i) {
    fibers[static_cast<std::size_t>(i)].state = READY;
    fibers[static_cast<std::size_t>(i)].waits = 0;
  }
  for (;;) {
    for (int i = 0; i < count; ++i) run_warp(name, backwards ? count - 1 - i : i, backwards);
    int ended = 0;
    for (int i = 0; i < threads; ++i) ended += fibers[static_cast<std::size_t>(i)].state == ENDED;
    if (ended == threads) break;
    if (ended > 0) fail(name, "a barrier that some threads of the block never reach");
    for (int i = 0; i < threads; ++i) fibers[static_cast<std::size_t>(i)].state = READY;
  }
  end_block(count);
}

}  // namespace

const std::uint64_t* exchange(unsigned mask, std::uint64_t value) {
  if (mask != 0xffffffffu) throw std::runtime_error("only full masks are emulated");
  const int index = current_index;
  Fiber* fiber = current;
  std::uint64_t* words = warps[static_cast<std::size_t>(index / WARP)].words[fiber->waits % 2];
  words[index % WARP] = value;
  yield(AT_SHUFFLE);
  return words;
}

#ifndef COUNTING
void note(const void*, Kind, const void*, int) {}
#endif

void wait_for_block() { yield(AT_BARRIER); }

int current_thread() { return current_index; }
int waits_of_thread() { return current->waits; }

bool in_global_memory(const void* address) {
  const char* at = static_cast<const char*>(address);
  return current && !(at >= current->stack && at < current->stack + STACK) &&  // registers
         !(at >= host_stack && at < host_stack + STACK) &&                     // parameters
         !(at >= &__ehdr_start && at < &_end);                                 // shared memory and constants
}

void launch(const char* name, dim3 grid, dim3 block, const std::function<void()>& thread) {
  const char here = 0;
  static std::mutex one_at_a_time;
  static bool backwards = true;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  backwards = !backwards;
  const int threads = static_cast<int>(block.x * block.y * block.z);
  if (threads % WARP != 0 || threads > 1024) throw std::runtime_error("blocks must be of whole warps, at most 32");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535 || grid.x > 0x7fffffffu) {
    throw std::runtime_error(std::string(name) + ": a grid that CUDA refuses");
  }
  prepare_fibers(threads);
  warps.resize(static_cast<std::size_t>(threads / WARP));
  for (int i = 0; i < threads; ++i) {
    const unsigned at = static_cast<unsigned>(i);
    Fiber& fiber = fibers[static_cast<std::size_t>(i)];
    fiber.index = dim3(at % block.x, at / block.x % block.y, at / block.x / block.y);
  }
  body = &thread;
  host_stack = &here;
  gridDim = grid;
  blockDim = block;
  const std::uint64_t blocks = std::uint64_t(grid.x) * grid.y * grid.z;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const std::uint64_t at = backwards ? blocks - 1 - i : i;
    blockIdx = dim3(static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
                    static_cast<unsigned>(at / grid.x / grid.y));
    run_block(name, threads, backwards);
  }
  current = nullptr;
  end_launch(name, blocks, threads);
}

}  // namespace emulated
