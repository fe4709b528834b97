// What every CUDA launch of this project shares. The caller has made the tensors' device current and passes its stream.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "common.h"

namespace cinegan {

constexpr int WARP = 32;
constexpr int THREADS = 256;
#ifndef MOST_BLOCKS_OF_A_GRID
#define MOST_BLOCKS_OF_A_GRID (65535 * 16)
#endif
constexpr Index MOST_BLOCKS = MOST_BLOCKS_OF_A_GRID;  // beyond this, threads loop
constexpr Index MOST_GROUPS = 65535;                  // of CUDA, in the second and third dimension

inline unsigned blocks_for(Index items, Index per_block) {
  return static_cast<unsigned>(std::min<Index>((items + per_block - 1) / per_block, MOST_BLOCKS));
}

// As a second or third dimension of a grid, whose blocks then loop.
inline unsigned at_most_groups(Index count) { return static_cast<unsigned>(std::min(count, MOST_GROUPS)); }

// As a second dimension whose blocks take `per_thread` channels each.
inline unsigned groups_for(Index channels, Index per_thread) {
  const Index groups = (channels + per_thread - 1) / per_thread;
  if (groups > MOST_GROUPS) throw std::invalid_argument("channels must be fewer for a grid of CUDA threads");
  return static_cast<unsigned>(groups);
}

// The kernels number pixels and the elements of a plane in 32 bits: division by 64 bits takes a GPU a hundred steps.
inline int small(Index count, const char* what) {
  if (count > std::numeric_limits<std::int32_t>::max()) {
    throw std::invalid_argument(std::string(what) + " must be below 2^31 on CUDA");
  }
  return static_cast<int>(count);
}

// The largest offset in elements between two of `height` x `width` pixels of one plane.
inline int plane_extent(Index height, Index width, const Strides& s) {
  return height > 0 && width > 0 ? small((height - 1) * s.row + (width - 1) * s.column, "the elements of a plane") : 0;
}

// Division of numbers below 2^31 by one that stays, as a multiplication and a shift (Granlund and Montgomery, "Division
// by invariant integers using multiplication", PLDI 1994).
struct Divider {
  unsigned divisor, factor, shift;

  explicit Divider(Index by) : divisor(static_cast<unsigned>(std::max<Index>(by, 1))), factor(0), shift(0) {
    while ((1ull << shift) < divisor) ++shift;
    factor = static_cast<unsigned>(((1ull << 32) * ((1ull << shift) - divisor)) / divisor + 1);
  }

  __device__ __forceinline__ void split(unsigned n, unsigned* quotient, unsigned* rest) const {
    *quotient = (__umulhi(n, factor) + n) >> shift;
    *rest = n - *quotient * divisor;
  }
};

// Starts `kernel` on every thread of the grid, with `p` as its only argument. `name` is for the message of an error.
template <class P>
void launch(const char* name, void (*kernel)(P), dim3 grid, dim3 block, void* stream, const P& p) {
#ifdef __CUDACC__
  kernel<<<grid, block, 0, static_cast<cudaStream_t>(stream)>>>(p);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(std::string(name) + ": " + cudaGetErrorString(error));
#else  // built by a C++ compiler, for the tests: tests/native/emulated
  (void)stream;
  emulated::launch(name, grid, block, [&] { kernel(p); });
#endif
}

// V neighbouring channels as one load or store: for four floats 16 bytes.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

template <int V, class T>
__device__ __forceinline__ Pack<T, V> load_pack(const T* from) {
  const auto* pack = reinterpret_cast<const Pack<T, V>*>(from);
#ifdef __CUDACC__
  return *pack;
#else
  return emulated::load(pack);
#endif
}

template <int V, class T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T, V>& value) {
  auto* pack = reinterpret_cast<Pack<T, V>*>(to);
#ifdef __CUDACC__
  *pack = value;
#else
  emulated::store(pack, value);
#endif
}

// Adds neighbouring values; one instruction where the hardware has it.
template <int V, class T>
__device__ __forceinline__ void add_pack(T* to, const Pack<T, V>& value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  constexpr bool whole = V == 4 && std::is_same<T, float>::value;
#else
  constexpr bool whole = false;
#endif
  if constexpr (whole) {
    atomicAdd(reinterpret_cast<float4*>(to), make_float4(value.v[0], value.v[1], value.v[2], value.v[3]));
  } else {
    for (int k = 0; k < V; ++k) atomicAdd(to + k, value.v[k]);
  }
}

// True when channels come in groups of four that can be loaded whole: side by side, every stride a multiple of four,
// aligned.
template <class T>
bool quads_fit(const T* data, const Strides& s, Index channels) {
  return s.channel == 1 && channels > 0 && channels % 4 == 0 && s.batch % 4 == 0 && s.row % 4 == 0 &&
         s.column % 4 == 0 && reinterpret_cast<std::uintptr_t>(data) % (4 * sizeof(T)) == 0;
}

// Whether lanes are to take neighbouring channels rather than neighbouring pixels: below this the pixels of a
// channels-last picture are close enough.
constexpr Index FEW_CHANNELS = 8;
inline bool lanes_take_channels(const Strides& s, Index channels) { return s.channel == 1 && channels >= FEW_CHANNELS; }

// The sum of `value` over each `lanes` lanes of a warp, in the first of them; always in the same order. `lanes` is a
// power of two, and every lane of the warp must call.
template <class T>
__device__ __forceinline__ T sum_lanes(T value, unsigned lanes) {
  for (unsigned step = lanes / 2; step > 0; step /= 2) value += __shfl_down_sync(0xffffffffu, value, step);
  return value;
}

// How many lanes take turns at the channels of one pixel where channels are side by side.
inline unsigned lanes_for(Index channels) { return channels < 16 ? 8 : channels < 32 ? 16 : WARP; }

// Blocks of 32 x 8 threads whose rows share the channels of the same 32 pixels: this many rows share.
constexpr int ROWS = THREADS / WARP;
inline int sharers_for(Index channels) { return channels < 8 ? 1 : channels < 16 ? 2 : channels < 32 ? 4 : ROWS; }

// Adds up `sums` over the rows of threads that share pixels, always in the same order; the result is in the first of
// them. Every thread of the block must call.
template <int N, class T>
__device__ __forceinline__ void sum_sharers(int sharers, T sums[N]) {
  if (sharers == 1) return;
  __shared__ T shared[ROWS][N][WARP];
  for (int k = 0; k < N; ++k) shared[threadIdx.y][k][threadIdx.x] = sums[k];
  __syncthreads();
  if (threadIdx.y % sharers == 0) {
    for (int row = 1; row < sharers; ++row) {
      for (int k = 0; k < N; ++k) sums[k] += shared[threadIdx.y + row][k][threadIdx.x];
    }
  }
  __syncthreads();
}

}  // namespace cinegan
