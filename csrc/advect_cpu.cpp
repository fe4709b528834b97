// CPU advect: rows are independent.
#include <cstring>
#include <vector>

#include "advect.h"
#include "parallel.h"
#include "vector.h"

#define CINEGAN_KERNELS "advect_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {

void advect_cpu(const AdvectParams& p) {
  if (p.height * p.width == 0) return;
  const Index pitch = 2 * (p.grid_width + 1);
  std::vector<float> pairs(static_cast<std::size_t>(pitch * (p.grid_height + 1)));
  parallel_for(p.grid_height + 1, p.threads, [&](Index y, int) {
    const Index row = y < p.grid_height ? y : y - 1;
    CINEGAN_DISPATCH(p.simd, pair_row, p, row, pairs.data() + pitch * y);
  });
  parallel_for(p.height, p.threads, [&](Index y, int) { CINEGAN_DISPATCH(p.simd, advect_row, p, y, pairs.data()); });
}

}  // namespace cinegan
