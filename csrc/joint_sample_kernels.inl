// The inner loops of joint_sample_cpu.cpp; included by foreach_simd.h once per instruction set.

#include "taps.inl"

namespace cinegan {
namespace CINEGAN_SIMD {

// Row y of the output on a coarser plane [height, width]: out[width + 1], the last value twice.
inline void blend_rows(const float* plane, const Footing& at, Index width, float* out) {
  const float *above = plane + at.first * width, *below = plane + at.second * width;
  for (Index x = 0; x < width; ++x) out[x] = above[x] + at.part * (below[x] - above[x]);
  out[width] = out[width - 1];
}

ALWAYS_INLINE float between(const float* row, const Columns& columns, Index x) {
  const float* at = row + columns.first.data()[x];
  return at[0] + columns.part.data()[x] * (at[1] - at[0]);
}

// positions[2 * source + axis][W] and gain[W] of output row y, at columns [start, end).
inline void positions_of_row(const JointSampleParams& p, Index y, Index start, Index end, const JointTables& tables,
                             const JointScratch& s) {
  const Footing at = footing(y, p.height, p.grid_height);
  const Index plane = p.grid_height * p.grid_width;
  const float scale[2] = {static_cast<float>(p.width) / static_cast<float>(p.grid_width),
                          static_cast<float>(p.height) / static_cast<float>(p.grid_height)};
  for (int i = 0; i < 4; ++i) {
    if (p.shares[i / 2] == 0.0f) continue;
    blend_rows(p.origins + i * plane, at, p.grid_width, s.row);
    float* out = s.positions + i * p.width;
    const float from = i % 2 ? static_cast<float>(y) : 0.0f, step = i % 2 ? 0.0f : 1.0f, factor = scale[i % 2];
    for (Index x = start; x < end; ++x) {
      out[x] = (from + step * static_cast<float>(x)) + factor * between(s.row, tables.grid, x);
    }
  }
  if (!p.gain) {
    for (Index x = start; x < end; ++x) s.gain[x] = 1.0f;
    return;
  }
  blend_rows(p.gain, footing(y, p.height, p.gain_height), p.gain_width, s.row);
  for (Index x = start; x < end; ++x) s.gain[x] = between(s.row, tables.gain, x);
}

// The base of output row y, upsampled, to `out`; 0 without a base or outside the region.
inline void base_of_row(const JointSampleParams& p, Index y, const JointTables& tables, const JointScratch& s) {
  const Footing at = p.base ? footing(y, p.height, p.base_height) : Footing{};
  for (Index c = 0; c < p.channels; ++c) {
    float* out = p.out + (c * p.height + y) * p.width;
    if (!p.base) {
      std::memset(out, 0, static_cast<std::size_t>(p.width) * sizeof(float));
      continue;
    }
    blend_rows(p.base + c * p.base_height * p.base_width, at, p.base_width, s.row);
    for (Index x = 0; x < p.width; ++x) out[x] = between(s.row, tables.base, x);
    if (!p.region) continue;
    const std::uint8_t* region = p.region + y * p.width;
    for (Index x = 0; x < p.width; ++x) out[x] = region[x] ? out[x] : 0.0f;
  }
}

// Adds one source at a position near the border.
template <class K>
void add_border(const JointSampleParams& p, float share, Taps<K, float>* taps, float* out) {
  const Index plane = p.height * p.width;
  const Strides strides = {0, plane, p.width, 1};
  settle_taps(p.height, p.width, p.border, taps);
  for (Index c = 0; c < p.channels; ++c) {
    out[c * plane] += share * gather_border<K, float>(p.image + c * plane, strides, *taps, taps->along, taps->across);
  }
}

// Adds one source to columns [start, end) of output row y.
template <class K>
ALWAYS_INLINE void add_source(const JointSampleParams& p, int source, Index y, Index start, Index end,
                              const JointScratch& s) {
  const Index plane = p.height * p.width;
  const std::uint8_t* region = p.region ? p.region + y * p.width : nullptr;
  const float *px = s.positions + 2 * source * p.width, *py = px + p.width;
  float* out = p.out + y * p.width;
  TapBlock<K, float> block;
  float sums[BLOCK], shares[BLOCK];
  for (Index x = start; x < end; ++x) {
    Taps<K, float> taps;
    if (region && !region[x]) continue;
    if (!locate_taps(px[x], py[x], p.height, p.width, p.border, &taps)) continue;
    const float share = p.shares[source] * s.gain[x];
    if (inside<K>(taps.x, taps.y, p.height, p.width)) {
      shares[block.count] = share;
      push(&block, taps, p.width, x);
    } else {
      add_border(p, share, &taps, out + x);
    }
  }
  for (Index c = 0; block.count > 0 && c < p.channels; ++c) {
    gather_block<K, float>(p.image + c * plane, p.width, &block, sums);
    float* to = out + c * plane;
    if (block.count == end - start) {  // without gaps: vector code
      for (int i = 0; i < block.count; ++i) to[start + i] += shares[i] * sums[i];
    } else {
      for (int i = 0; i < block.count; ++i) to[block.pixel[i]] += shares[i] * sums[i];
    }
  }
}

template <class K>
void joint_row(K, const JointSampleParams& p, Index y, const JointTables& tables, const JointScratch& s) {
  const Range range = columns_of_row(p, y);
  if (range.start == range.end) {
    for (Index c = 0; c < p.channels; ++c) {
      std::memset(p.out + (c * p.height + y) * p.width, 0, static_cast<std::size_t>(p.width) * sizeof(float));
    }
    return;
  }
  positions_of_row(p, y, range.start, range.end, tables, s);
  base_of_row(p, y, tables, s);
  for (Index x = range.start; x < range.end; x += BLOCK) {
    const Index end = x + BLOCK < range.end ? x + BLOCK : range.end;
    for (int source = 0; source < 2; ++source) {
      if (p.shares[source] != 0.0f) add_source<K>(p, source, y, x, end, s);
    }
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
