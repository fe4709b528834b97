// In place of CUDA's header of this name: with it a C++ compiler builds csrc/*.cu, and emulator.cpp runs the kernels on
// the CPU. Only what they use is here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __host__
#define __device__
#define __shared__ static  // one block runs at a time
#define __forceinline__ inline

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess };
inline cudaError_t cudaGetLastError() { return cudaSuccess; }  // what goes wrong is thrown by the launch
inline const char* cudaGetErrorString(cudaError_t) { return ""; }

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {

// Runs `thread` once for every thread of the grid. Throws std::runtime_error when threads wait for one that never
// comes.
void launch(const char* name, dim3 grid, dim3 block, const std::function<void()>& thread);

// `value` of each lane of this thread's warp, when all 32 have called; anything but a full mask is refused.
const std::uint64_t* exchange(unsigned mask, std::uint64_t value);

// Returns when all threads of the block have called.
void wait_for_block();

// Tells the counter, if there is one, of an access to `bytes` at `address` by the instruction at `site`.
enum Kind { LOAD, STORE, ATOMIC, KINDS };
void note(const void* site, Kind kind, const void* address, int bytes);

// One access, which a compiler would make several; or none.
#define NOT_SPLIT __attribute__((noinline, no_sanitize("thread")))

template <class T>
NOT_SPLIT T load(const T* from) {
  note(__builtin_return_address(0), LOAD, from, sizeof(T));
  return *from;
}
template <class T>
NOT_SPLIT void store(T* to, const T& value) {
  note(__builtin_return_address(0), STORE, to, sizeof(T));
  *to = value;
}

template <class T>
NOT_SPLIT T lane_of(unsigned mask, T value, int lane) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t), "a word at a time");
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  const std::uint64_t* words = exchange(mask, word);
  if (lane < 0 || lane > 31) return value;
  std::memcpy(&value, words + lane, sizeof(T));
  return value;
}

inline int own_lane() {
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32);
}

}  // namespace emulated

template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
  return emulated::lane_of(mask, value, lane & 31);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned step) {
  return emulated::lane_of(mask, value, emulated::own_lane() - static_cast<int>(step));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned step) {
  return emulated::lane_of(mask, value, emulated::own_lane() + static_cast<int>(step));
}
inline NOT_SPLIT unsigned __ballot_sync(unsigned mask, int holds) {
  const std::uint64_t* words = emulated::exchange(mask, holds != 0);
  unsigned bits = 0;
  for (int lane = 0; lane < 32; ++lane) bits |= static_cast<unsigned>(words[lane]) << lane;
  return bits;
}
inline bool __any_sync(unsigned mask, int holds) { return __ballot_sync(mask, holds) != 0; }
inline bool __all_sync(unsigned mask, int holds) { return __ballot_sync(mask, holds) == mask; }
inline void __syncthreads() { emulated::wait_for_block(); }
inline void __syncwarp() { emulated::exchange(0xffffffffu, 0); }

template <class T>
NOT_SPLIT void atomicAdd(T* to, T value) {
  emulated::note(__builtin_return_address(0), emulated::ATOMIC, to, sizeof(T));
  *to += value;
}
inline NOT_SPLIT void atomicAdd(float4* to, float4 value) {
  emulated::note(__builtin_return_address(0), emulated::ATOMIC, to, sizeof(float4));
  *to = {to->x + value.x, to->y + value.y, to->z + value.z, to->w + value.w};
}

template <class T>
inline T __ldg(const T* from) {
  return *from;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}

using std::max;
using std::min;
