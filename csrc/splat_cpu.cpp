// CPU splat. Bits do not depend on the number of threads: each task owns a band of target rows and adds the source
// pixels that reach it in reading order; no atomics.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "parallel.h"
#include "splat.h"
#include "vector.h"

namespace cinegan {
namespace {

constexpr int BLOCK = 64;  // pixels of a row whose features are brought together before they are added

Index blocks_of(Index width) { return (width + BLOCK - 1) / BLOCK; }

// Rows [first, last] of the target; empty when first > last.
struct Reach {
  int first, last;
  bool misses(Index begin, Index end) const { return first >= end || last < begin; }
};

}  // namespace
}  // namespace cinegan

#define CINEGAN_KERNELS "splat_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {
namespace {

// Sums of one band: they should stay in the second-level cache, of 1 MB or more; 256 KB took 5.1 ms where 768 KB
// take 3.9 because more blocks reach two bands, and each such block is read twice.
constexpr Index SUMS_BYTES = 768 << 10;

constexpr Index MOST_CORNERS = std::numeric_limits<std::int32_t>::max();

// Rows in one band: as many as fit the cache, but at least twice what one block reaches, because every band reads each
// block that reaches it; and no more than VoteBlock can number. `reach` holds 1 + blocks entries per source row.
Index band_rows(Index row_bytes, Index height, Index width, Index blocks, const std::vector<Reach>& reach) {
  const Index most = MOST_CORNERS / (width + 2) - 2;
  Index span = 0, count = 1;
  for (std::size_t i = 0; i < reach.size(); ++i) {
    if (Index(i) % (1 + blocks) == 0 || reach[i].first > reach[i].last) continue;
    span += reach[i].last - reach[i].first + 1;
    ++count;
  }
  return std::min({height, most, std::max({SUMS_BYTES / row_bytes, 2 * span / count, Index(1)})});
}

}  // namespace

template <class T>
void splat_cpu(const SplatParams<T>& p) {
  if (p.batch == 0 || p.height == 0 || p.width == 0) return;
  const Index blocks = blocks_of(p.width);
  std::vector<Reach> reach(static_cast<std::size_t>(p.batch * p.height * (1 + blocks)));
  parallel_for(p.batch * p.height, p.threads, [&](Index row, int) {
    CINEGAN_DISPATCH(p.simd, row_reach, p, row / p.height, row % p.height, reach.data() + row * (1 + blocks));
  });
  // Channels travel in groups of 16, or of 4 when few are left; the denominator is one channel more.
  std::vector<std::pair<Index, int>> groups;
  for (Index c = 0; c <= p.channels; c += groups.back().second) groups.emplace_back(c, p.channels + 1 - c > 8 ? 16 : 4);
  const int widest = groups.front().second;
  const Index row_values = (p.width + 2) * widest;
  const Index rows = band_rows(row_values * Index(sizeof(T)), p.height, p.width, blocks, reach);
  const Index bands = (p.height + rows - 1) / rows;
  const Index per_group = p.batch * bands, tasks = per_group * Index(groups.size());
  std::vector<std::vector<T>> sums(static_cast<std::size_t>(workers_for(tasks, p.threads)));
  parallel_for(tasks, p.threads, [&](Index task, int worker) {
    auto& scratch = sums[static_cast<std::size_t>(worker)];
    scratch.resize(static_cast<std::size_t>((rows + 2) * row_values));
    const auto [c, lanes] = groups[static_cast<std::size_t>(task / per_group)];
    const Index b = task % per_group / bands, first = task % bands * rows;
    const Reach* reached = reach.data() + b * p.height * (1 + blocks);
    CINEGAN_DISPATCH(p.simd, splat_band, p, b, c, lanes, first, std::min(p.height, first + rows), reached,
                     scratch.data());
  });
}

template <class T>
void splat_grad_cpu(const SplatGradParams<T>& p) {
  parallel_for(p.batch * p.height, p.threads,
               [&](Index row, int) { CINEGAN_DISPATCH(p.simd, splat_grad_row, p, row / p.height, row % p.height); });
}

template void splat_cpu<float>(const SplatParams<float>&);
template void splat_cpu<double>(const SplatParams<double>&);
template void splat_grad_cpu<float>(const SplatGradParams<float>&);
template void splat_grad_cpu<double>(const SplatGradParams<double>&);

}  // namespace cinegan
