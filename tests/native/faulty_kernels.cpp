// Kernels with the faults that the emulator is to find, and one without; prints which were found. Built by
// test_emulated.py together with emulated/emulator.cpp.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "cuda_runtime.h"

namespace {

constexpr int THREADS = 64;

// Each thread reads what its neighbour wrote; without the barrier that depends on who comes first.
void exchange_by_memory(int* out, bool barrier) {
  __shared__ int shared[THREADS];
  shared[threadIdx.x] = static_cast<int>(threadIdx.x) + 1 + out[0];
  if (barrier) __syncthreads();
  const int value = shared[(threadIdx.x + 1) % THREADS];
  if (barrier) __syncthreads();
  out[1 + threadIdx.x] = value;
}

void shuffle_in_a_branch(int* out) {
  if (threadIdx.x < 16) out[0] = __shfl_down_sync(0xffffffffu, 1, 1);
}

void barrier_in_a_branch(int* out) {
  if (threadIdx.x < 32) __syncthreads();
  out[0] = 1;
}

template <class Kernel>
bool throws(const Kernel& kernel) {
  try {
    emulated::launch("faulty", dim3(1), dim3(THREADS), kernel);
  } catch (const std::runtime_error&) {
    return true;
  }
  return false;
}

// Whether two launches, which take threads in opposite orders, leave different results.
bool differs(bool barrier) {
  int out[2][1 + THREADS] = {};
  for (int run = 0; run < 2; ++run) {
    out[run][0] = 100 * run;
    emulated::launch("exchange", dim3(1), dim3(THREADS), [&] { exchange_by_memory(out[run], barrier); });
  }
  for (int i = 1; i <= THREADS; ++i) {
    if (out[1][i] - out[0][i] != 100) return true;
  }
  return false;
}

}  // namespace

int main() {
  int out[1];
  std::printf("missing barrier %d\n", differs(false));
  std::printf("shuffle %d\n", throws([&] { shuffle_in_a_branch(out); }));
  std::printf("barrier %d\n", throws([&] { barrier_in_a_branch(out); }));
  std::printf("sound %d\n", differs(true));
}
