// The CPU operators of csrc, each by its emulated CUDA kernel: the Python package that finds these behind
// `cinegan_cli._C` runs the kernels on CPU tensors, and so do its tests.
#include <algorithm>
#include <stdexcept>

#include "advect.h"
#include "composite.h"
#include "joint_sample.h"
#include "parallel.h"
#include "render.h"
#include "sample.h"
#include "splat.h"
#include "yuv.h"

namespace cinegan {

int best_simd() { return SIMD_BASELINE; }

// The CUDA kernel adds to what is there.
template <class T>
void splat_cpu(const SplatParams<T>& p) {
  const Index plane = p.batch * p.height * p.width;
  std::fill_n(p.numerator, plane * p.channels, T(0));
  std::fill_n(p.denominator, plane, T(0));
  splat_cuda(p, nullptr);
}

template <class T>
void splat_grad_cpu(const SplatGradParams<T>& p) {
  splat_grad_cuda(p, nullptr);
}

template <class T>
void sample_cpu(const SampleParams<T>& p) {
  sample_cuda(p, nullptr);
}

template <class T>
void sample_grad_cpu(const SampleGradParams<T>& p) {
  sample_grad_cuda(p, nullptr);
}

void joint_sample_cpu(const JointSampleParams& p) { joint_sample_cuda(p, nullptr); }
void advect_cpu(const AdvectParams& p) { advect_cuda(p, nullptr); }
void composite_cpu(const CompositeParams& p) { composite_cuda(p, nullptr); }
void render_cpu(const RenderParams&) { throw std::runtime_error("render has no CUDA kernel"); }
void yuv420_cpu(const YuvParams&) { throw std::runtime_error("yuv420 has no CUDA kernel"); }

template void splat_cpu<float>(const SplatParams<float>&);
template void splat_cpu<double>(const SplatParams<double>&);
template void splat_grad_cpu<float>(const SplatGradParams<float>&);
template void splat_grad_cpu<double>(const SplatGradParams<double>&);
template void sample_cpu<float>(const SampleParams<float>&);
template void sample_cpu<double>(const SampleParams<double>&);
template void sample_grad_cpu<float>(const SampleGradParams<float>&);
template void sample_grad_cpu<double>(const SampleGradParams<double>&);

}  // namespace cinegan
