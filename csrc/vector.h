// Short vectors in the GCC and clang notation, which lowers to whatever the target has (AVX-512, AVX2, SSE, NEON).
#pragma once

#include <cstring>

#include "common.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

// Lanes of two vectors by number, where the compiler has it (clang, GCC 12 and later).
#if defined(__clang__) || __GNUC__ >= 12
#define CINEGAN_SHUFFLE __builtin_shufflevector
#endif

namespace cinegan {

template <class T, int K>
struct VectorOf {
  typedef T type __attribute__((vector_size(K * sizeof(T))));
};

template <class T, int K>
using Vector = typename VectorOf<T, K>::type;

}  // namespace cinegan
