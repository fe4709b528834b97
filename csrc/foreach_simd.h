// Includes CINEGAN_KERNELS once per instruction set, each time inside its own namespace CINEGAN_SIMD, so that one
// binary runs on any processor of its family and uses the widest vectors it finds. The kernels may call only inline
// functions of common headers that were included before this file. On other processors the baseline is what the
// compiler makes of it. No include guard: meant to be included once per X_cpu.cpp.

#define CINEGAN_SIMD baseline
#include CINEGAN_KERNELS
#undef CINEGAN_SIMD

#if defined(CINEGAN_X86)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define CINEGAN_SIMD avx2
#include CINEGAN_KERNELS
#undef CINEGAN_SIMD
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")
#endif
#define CINEGAN_SIMD avx512
#include CINEGAN_KERNELS
#undef CINEGAN_SIMD
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // CINEGAN_X86

// Calls FUNCTION of the namespace that `level` (a Simd) asks for.
#if defined(CINEGAN_X86)
#define CINEGAN_DISPATCH(level, FUNCTION, ...)            \
  ((level) >= SIMD_AVX512 ? avx512::FUNCTION(__VA_ARGS__) \
   : (level) >= SIMD_AVX2 ? avx2::FUNCTION(__VA_ARGS__)   \
                          : baseline::FUNCTION(__VA_ARGS__))
#else
#define CINEGAN_DISPATCH(level, FUNCTION, ...) baseline::FUNCTION(__VA_ARGS__)
#endif
