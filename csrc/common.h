// Shared by every kernel: the marker for functions that compile for CPU and GPU, and 64-bit sizes.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__ __forceinline__
#define UNROLL _Pragma("unroll")  // so that tables indexed by the loop become constants in the code
#elif defined(__GNUC__)
#define HOST_DEVICE inline __attribute__((always_inline))
#else
#define HOST_DEVICE inline
#endif
#ifndef UNROLL
#define UNROLL
#endif

#if defined(__x86_64__) || defined(__i386__)
#define CINEGAN_X86 1
#endif

namespace cinegan {

using Index = std::int64_t;

// The overloads for float and double, which the global namespace has only in CUDA.
#ifndef __CUDACC__
using std::floor;
using std::fmod;
#endif

// Elements to step over for the next batch entry, channel, row and column of a [B, C, H, W] array.
struct Strides {
  Index batch, channel, row, column;
};

}  // namespace cinegan
