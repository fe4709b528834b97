// CPU sample. Forward and the gradient of the positions are gathers; the gradient of the image is a scatter in bands of
// its rows, like splat_cpu.cpp: the same bits for any number of threads.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "parallel.h"
#include "sample.h"
#include "vector.h"

#define CINEGAN_KERNELS "sample_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {
namespace {

constexpr Index BAND_ROWS = 32;  // image rows that one task of the image's gradient owns

template <class K, class T>
void sample_with(K kernel, const SampleParams<T>& p) {
  parallel_for(p.batch * p.out_height, p.threads, [&](Index row, int) {
    CINEGAN_DISPATCH(p.simd, sample_row, kernel, p, row / p.out_height, row % p.out_height);
  });
}

template <class K, class T>
void sample_grad_with(K kernel, const SampleGradParams<T>& p) {
  const Index rows = p.batch * p.out_height;
  if (p.grad_positions) {
    parallel_for(rows, p.threads, [&](Index row, int) {
      CINEGAN_DISPATCH(p.simd, sample_grad_positions, kernel, p, row / p.out_height, row % p.out_height);
    });
  }
  if (!p.grad_image) return;
  std::vector<Index> reach(static_cast<std::size_t>(2 * rows));
  parallel_for(rows, p.threads, [&](Index row, int) {
    Index* out = reach.data() + 2 * row;
    CINEGAN_DISPATCH(p.simd, sample_reach, kernel, p, row / p.out_height, row % p.out_height, out, out + 1);
  });
  const Index bands = (p.height + BAND_ROWS - 1) / BAND_ROWS;
  parallel_for(p.batch * bands, p.threads, [&](Index task, int) {
    const Index b = task / bands, first = task % bands * BAND_ROWS;
    const Index* reached = reach.data() + 2 * b * p.out_height;
    CINEGAN_DISPATCH(p.simd, sample_grad_band, kernel, p, b, first, std::min(p.height, first + BAND_ROWS), reached);
  });
}

}  // namespace

template <class T>
void sample_cpu(const SampleParams<T>& p) {
  with_kernel(p.kernel, [&](auto kernel) { sample_with(kernel, p); });
}

template <class T>
void sample_grad_cpu(const SampleGradParams<T>& p) {
  with_kernel(p.kernel, [&](auto kernel) { sample_grad_with(kernel, p); });
}

template void sample_cpu<float>(const SampleParams<float>&);
template void sample_cpu<double>(const SampleParams<double>&);
template void sample_grad_cpu<float>(const SampleGradParams<float>&);
template void sample_grad_cpu<double>(const SampleGradParams<double>&);

}  // namespace cinegan
