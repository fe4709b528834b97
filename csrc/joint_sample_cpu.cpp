// CPU joint_sample: rows of the output are independent; each interpolates its positions into one row of scratch memory,
// so nothing of the output's size is made beside the output.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "footing.h"
#include "joint_sample.h"
#include "parallel.h"
#include "sample.h"
#include "vector.h"

namespace cinegan {
namespace {

// Where every output column lies on the coarse planes, made once.
struct JointTables {
  Columns grid, gain, base;
};

struct Range {
  Index start, end;
};

// The columns of output row y between the first and the last that are computed.
Range columns_of_row(const JointSampleParams& p, Index y) {
  Range range = {0, p.width};
  if (!p.region) return range;
  const std::uint8_t* region = p.region + y * p.width;
  while (range.start < range.end && !region[range.start]) ++range.start;
  while (range.end > range.start && !region[range.end - 1]) --range.end;
  return range;
}

// One thread's memory.
struct JointScratch {
  float* row;        // [max(w, w2, w3) + 1]: one row of a coarse plane
  float* positions;  // [4, W]: x and y for source 0, x and y for source 1
  float* gain;       // [W]
};

}  // namespace
}  // namespace cinegan

#define CINEGAN_KERNELS "joint_sample_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {

void joint_sample_cpu(const JointSampleParams& p) {
  const JointTables tables = {Columns(p.width, p.grid_width), p.gain ? Columns(p.width, p.gain_width) : Columns(),
                              p.base ? Columns(p.width, p.base_width) : Columns()};
  const Index widest = std::max({p.grid_width, p.gain ? p.gain_width : 0, p.base ? p.base_width : 0});
  const Index row = widest + 1, size = row + 5 * p.width;
  const int threads = workers_for(p.height, p.threads);
  std::vector<float> memory(static_cast<std::size_t>(threads * size));
  parallel_for(p.height, threads, [&](Index y, int worker) {
    float* start = memory.data() + worker * size;
    const JointScratch scratch = {start, start + row, start + row + 4 * p.width};
    with_kernel(p.kernel, [&](auto kernel) { CINEGAN_DISPATCH(p.simd, joint_row, kernel, p, y, tables, scratch); });
  });
}

}  // namespace cinegan
