// CPU advect: rows are independent.
#include "advect.h"
#include "parallel.h"

#define CINEGAN_KERNELS "advect_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {

void advect_cpu(const AdvectParams& p) {
  parallel_for(p.height, p.threads, [&](Index y, int) { CINEGAN_DISPATCH(p.simd, advect_row, p, y); });
}

}  // namespace cinegan
