// What every CUDA launch of this project shares. The caller has made the tensors' device current and passes its stream.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "common.h"

namespace cinegan {

constexpr int WARP = 32;
constexpr int THREADS = 256;
constexpr Index MOST_BLOCKS = 65535 * 16;  // beyond this, threads loop
constexpr Index MOST_GROUPS = 65535;       // of CUDA, in the second dimension

inline unsigned blocks_for(Index items, int per_block) {
  return static_cast<unsigned>(std::min<Index>((items + per_block - 1) / per_block, MOST_BLOCKS));
}

// The second dimension of a grid whose threads take `per_thread` channels each.
inline unsigned groups_for(Index channels, int per_thread) {
  const Index groups = (channels + per_thread - 1) / per_thread;
  if (groups > MOST_GROUPS) throw std::invalid_argument("channels must be fewer for a grid of CUDA threads");
  return static_cast<unsigned>(groups);
}

inline void check_launch(const char* name) {
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(std::string(name) + ": " + cudaGetErrorString(error));
}

// Four neighbouring channels as one load or store of 16 (float) or 32 (double) bytes.
template <class T>
struct alignas(sizeof(T) * 4) Quad {
  T v[4];
};

template <class T>
__device__ __forceinline__ Quad<T> load_quad(const T* from) {
  return *reinterpret_cast<const Quad<T>*>(from);
}

// True when channels come in groups of four that can be loaded whole: side by side, every stride a multiple of four,
// aligned.
template <class T>
bool quads_fit(const T* data, const Strides& s, Index channels) {
  return s.channel == 1 && channels > 0 && channels % 4 == 0 && s.batch % 4 == 0 && s.row % 4 == 0 &&
         s.column % 4 == 0 && reinterpret_cast<std::uintptr_t>(data) % sizeof(Quad<T>) == 0;
}

// Adds four neighbouring values; one instruction where the hardware has it.
template <class T>
__device__ __forceinline__ void add_quad(T* to, const Quad<T>& value) {
  for (int k = 0; k < 4; ++k) atomicAdd(to + k, value.v[k]);
}
template <>
__device__ __forceinline__ void add_quad<float>(float* to, const Quad<float>& value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  atomicAdd(reinterpret_cast<float4*>(to), make_float4(value.v[0], value.v[1], value.v[2], value.v[3]));
#else
  for (int k = 0; k < 4; ++k) atomicAdd(to + k, value.v[k]);
#endif
}

// The sum of `value` over the lanes of a warp, in lane 0; always in the same order.
template <class T>
__device__ __forceinline__ T sum_warp(T value) {
  for (int step = WARP / 2; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffu, value, step);
  return value;
}

}  // namespace cinegan
