// CPU splat. Bits do not depend on the number of threads: each task owns a band of target rows and adds the source
// pixels that reach it in reading order; no atomics.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "parallel.h"
#include "splat.h"
#include "vector.h"

#define CINEGAN_KERNELS "splat_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {
namespace {

constexpr Index SUMS_BYTES = 256 << 10;  // sums of one band: they should stay in the second-level cache

// Rows in one band: as many as fit the cache, but at least twice what one source row reaches, because every band reads
// each source row that reaches it.
Index band_rows(Index row_bytes, Index height, const std::vector<int>& reach) {
  Index span = 0, rows = 1;
  for (std::size_t i = 0; i < reach.size(); i += 2) {
    if (reach[i] > reach[i + 1]) continue;
    span += reach[i + 1] - reach[i] + 1;
    ++rows;
  }
  return std::min(height, std::max({SUMS_BYTES / row_bytes, 2 * span / rows, Index(1)}));
}

}  // namespace

template <class T>
void splat_cpu(const SplatParams<T>& p) {
  if (p.batch == 0 || p.height == 0 || p.width == 0) return;
  std::vector<int> reach(static_cast<std::size_t>(2 * p.batch * p.height));
  parallel_for(p.batch * p.height, p.threads, [&](Index row, int) {
    int* out = reach.data() + 2 * row;
    CINEGAN_DISPATCH(p.simd, row_reach, p, row / p.height, row % p.height, out, out + 1);
  });
  // Channels travel in groups of 16, or of 4 when few are left; the denominator is one channel more.
  std::vector<std::pair<Index, int>> groups;
  for (Index c = 0; c <= p.channels; c += groups.back().second) groups.emplace_back(c, p.channels + 1 - c > 8 ? 16 : 4);
  const int widest = groups.front().second;
  const Index row_values = (p.width + 2) * widest;
  const Index rows = band_rows(row_values * Index(sizeof(T)), p.height, reach);
  const Index bands = (p.height + rows - 1) / rows;
  const Index per_group = p.batch * bands;
  std::vector<std::vector<T>> sums(static_cast<std::size_t>(std::max(p.threads, 1)));
  parallel_for(per_group * Index(groups.size()), p.threads, [&](Index task, int worker) {
    auto& scratch = sums[static_cast<std::size_t>(worker)];
    scratch.resize(static_cast<std::size_t>((rows + 2) * row_values));
    const auto [c, lanes] = groups[static_cast<std::size_t>(task / per_group)];
    const Index b = task % per_group / bands, first = task % bands * rows;
    const int* reached = reach.data() + 2 * b * p.height;
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
