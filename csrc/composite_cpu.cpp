// CPU composite: rows are independent.
#include <cmath>
#include <cstring>

#include "composite.h"
#include "parallel.h"

#define CINEGAN_KERNELS "composite_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {

void composite_cpu(const CompositeParams& p) {
  parallel_for(p.height, p.threads, [&](Index y, int) { CINEGAN_DISPATCH(p.simd, composite_row, p, y); });
}

}  // namespace cinegan
