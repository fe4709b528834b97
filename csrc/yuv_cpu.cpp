// CPU yuv420. A task is a strip of rows that stays in the second-level cache. Chroma is filtered by (-1, 9, 9, -1) / 16
// both ways, the border's pixels repeated: closer to the picture than the mean of four pixels.
#include <algorithm>
#include <vector>

#include "parallel.h"
#include "vector.h"
#include "yuv.h"

namespace cinegan {
namespace {

constexpr Index STRIP = 8;              // rows of chroma
constexpr Index BEFORE = 1, AFTER = 2;  // columns beyond the picture's ends

}  // namespace
}  // namespace cinegan

#define CINEGAN_KERNELS "yuv_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {

void yuv420_cpu(const YuvParams& p) {
  const Index pitch = BEFORE + p.width + AFTER, rows = (p.height + 1) / 2;
  if (p.width == 0 || rows == 0) return;
  const Index strips = (rows + STRIP - 1) / STRIP;
  std::vector<std::vector<std::int16_t>> scratch(static_cast<std::size_t>(workers_for(strips, p.threads)));
  parallel_for(strips, p.threads, [&](Index strip, int worker) {
    std::vector<std::int16_t>& split = scratch[static_cast<std::size_t>(worker)];
    split.resize(static_cast<std::size_t>(3 * pitch * (2 * STRIP + 3)));
    const Index first = 2 * strip * STRIP, end = std::min(p.height, first + 2 * STRIP);  // of luma
    const auto row_at = [&](Index y) { return split.data() + 3 * pitch * (y - first + 1); };
    for (Index y = std::max<Index>(first - 1, 0); y < std::min(end + 1, p.height); ++y) {
      CINEGAN_DISPATCH(p.simd, split_row, p, y, pitch, row_at(y));
    }
    for (Index y = first; y < end; ++y) CINEGAN_DISPATCH(p.simd, luma_row, p, y, pitch, row_at(y));
    for (Index y = first; y < end; y += 2) {
      const std::int16_t* around[4];
      for (Index i = 0; i < 4; ++i) around[i] = row_at(std::clamp<Index>(y - 1 + i, 0, p.height - 1));
      CINEGAN_DISPATCH(p.simd, chroma_row, p, y / 2, pitch, around, row_at(first + 2 * STRIP + 1));
    }
  });
}

}  // namespace cinegan
