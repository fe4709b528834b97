// The taps of one position, and sums scattered to where they lie: what the gradient of `sample` and `splat` share. To
// splat is to scatter with the two taps of bilinear interpolation.
#pragma once

#include "launch.cuh"
#include "sample.h"

namespace cinegan {

constexpr int NOTHING = -2;    // the cell of a position that has no taps
constexpr int IRREGULAR = -1;  // of one whose taps do not lie side by side

// Taps along both axes: offsets in elements of a plane, negative for a tap that is dropped, and weights.
template <int TAPS, class T>
struct Stencil {
  int rows[TAPS], columns[TAPS];
  T along[TAPS], across[TAPS];
  int cell;  // numbers the first tap's pixel: one right of it is one more; or one of the two above
};

// The stencil of `sample` at a position; false for none. `t` are the fractions that the weights belong to.
template <class K, class T>
__device__ __forceinline__ bool sample_stencil(T px, T py, int width, int height, const Strides& s, int border,
                                               Stencil<K::TAPS, T>* out, T t[2]) {
  int x, y;
  out->cell = NOTHING;
  if (!locate(px, width, border, &x, t) || !locate(py, height, border, &y, t + 1)) return false;
  weights_of<K, T>(t[0], out->across);
  weights_of<K, T>(t[1], out->along);
  x += K::FIRST;
  y += K::FIRST;
  const int row = static_cast<int>(s.row), column = static_cast<int>(s.column);
  if (x >= 0 && x + K::TAPS <= width && y >= 0 && y + K::TAPS <= height) {
    out->cell = y * width + x;
    UNROLL
    for (int k = 0; k < K::TAPS; ++k) {
      out->columns[k] = (x + k) * column;
      out->rows[k] = (y + k) * row;
    }
  } else {
    out->cell = IRREGULAR;
    for (int k = 0; k < K::TAPS; ++k) {
      out->columns[k] = border_index(x + k, width, border) * column;
      out->rows[k] = border_index(y + k, height, border) * row;
    }
  }
  return true;
}

template <int TAPS, class T>
__device__ __forceinline__ T gather(const T* plane, const Stencil<TAPS, T>& at) {
  T sum = 0;
  UNROLL
  for (int j = 0; j < TAPS; ++j) {
    T line = 0;
    UNROLL
    for (int k = 0; k < TAPS; ++k) line += at.across[k] * __ldg(plane + at.rows[j] + at.columns[k]);
    sum += at.along[j] * line;
  }
  return sum;
}

// Whether the taps of this lane begin one pixel right of those of the lane before, and those of the lane after one
// right of these: neighbours of a smooth flow do.
struct Neighbours {
  bool follows, followed;
};

// Every lane of the warp must call.
__device__ __forceinline__ Neighbours neighbours_of(int cell) {
  const int lane = threadIdx.x % WARP, before = __shfl_up_sync(0xffffffffu, cell, 1);
  const bool follows = lane > 0 && before >= 0 && cell == before + 1;
  const bool next = __shfl_down_sync(0xffffffffu, static_cast<int>(follows), 1) != 0;
  return {follows, next && lane + 1 < WARP};
}

// Adds `value` times the weights at every tap. What a lane has for pixels that its neighbour's taps reach too, it hands
// on to that one, which adds both: of a run of n lanes that is n + TAPS - 1 additions in a row of taps in place of n
// TAPS. Every lane of the warp must call.
template <int TAPS, class T>
__device__ __forceinline__ void scatter(T* plane, const Stencil<TAPS, T>& at, Neighbours run, T value) {
  UNROLL
  for (int j = 0; j < TAPS; ++j) {
    const T line = value * at.along[j];
    const bool adds = at.cell != NOTHING && at.rows[j] >= 0;
    T handed = 0;
    UNROLL
    for (int k = TAPS - 1; k >= 0; --k) {
      const T sum = handed + line * at.across[k];
      if (adds && (k == 0 || !run.followed) && at.columns[k] >= 0) atomicAdd(plane + at.rows[j] + at.columns[k], sum);
      if (k > 0) {
        const T left = __shfl_up_sync(0xffffffffu, sum, 1);
        handed = run.follows ? left : T(0);
      }
    }
  }
}

// Channels side by side: a block keeps the stencils of BATCH_OF_PIXELS pixels; a thread takes RUN_OF_PIXELS of them,
// one after the other, and one of up to GROUPS groups of channels.
constexpr int BATCH_OF_PIXELS = 128, RUN_OF_PIXELS = 8, RUNS = BATCH_OF_PIXELS / RUN_OF_PIXELS, GROUPS = 16;

struct RunShape {
  unsigned groups;  // of channels in all
  Divider taken;    // by those that a block takes

  explicit RunShape(Index groups_) : groups(static_cast<unsigned>(groups_)), taken(std::min<Index>(groups_, GROUPS)) {}
  dim3 grid(Index plane, Index batch) const {
    return dim3(blocks_for(plane, BATCH_OF_PIXELS), groups_for(groups, taken.divisor), at_most_groups(batch));
  }
  unsigned threads() const { return (RUNS * taken.divisor + WARP - 1) / WARP * WARP; }

  // The first pixel of a thread's run, counted in its block, and its group; false for a thread that has none.
  __device__ __forceinline__ bool find(unsigned pixels, unsigned* first, unsigned* group) const {
    taken.split(threadIdx.x, first, group);
    *first *= RUN_OF_PIXELS;
    *group += blockIdx.y * taken.divisor;
    return *first < pixels && *group < groups;
  }
};

// Adds V channels of `count` pixels, which `stencils` belong to, handing on within the thread.
// `values(i)` are the channels of pixel i.
template <int V, int TAPS, class T, class Values>
__device__ __forceinline__ void scatter_run(T* out, const Stencil<TAPS, T>* stencils, int count, const Values& values) {
  for (int j = 0; j < TAPS; ++j) {
    Pack<T, V> sums[TAPS];  // of the taps of the pixel at hand
    const Stencil<TAPS, T>* before = nullptr;
    const auto add = [&](const Stencil<TAPS, T>& at, int k, const Pack<T, V>& sum) {
      if (at.rows[j] >= 0 && at.columns[k] >= 0) add_pack<V>(out + at.rows[j] + at.columns[k], sum);
    };
    const auto finish = [&] {
      UNROLL
      for (int k = 1; k < TAPS; ++k) add(*before, k, sums[k - 1]);
    };
    for (int i = 0; i < count; ++i) {
      const Stencil<TAPS, T>& at = stencils[i];
      if (at.cell == NOTHING) continue;
      const bool follows = before && before->cell >= 0 && at.cell == before->cell + 1;
      if (before && !follows) finish();
      const Pack<T, V> value = values(i);
      UNROLL
      for (int k = 0; k < TAPS; ++k) {
        for (int q = 0; q < V; ++q) {
          const T handed = follows && k + 1 < TAPS ? sums[k].v[q] : T(0);
          sums[k].v[q] = handed + value.v[q] * at.along[j] * at.across[k];
        }
      }
      add(at, 0, sums[0]);
      UNROLL
      for (int k = 0; k + 1 < TAPS; ++k) sums[k] = sums[k + 1];
      before = &at;
    }
    if (before) finish();
  }
}

}  // namespace cinegan
