// The inner loop of composite_cpu.cpp; included by foreach_simd.h once per instruction set.

namespace cinegan {
namespace CINEGAN_SIMD {

constexpr int RUN = 64;  // pixels at a time: all static is common, and is a copy

inline void composite_row(const CompositeParams& p, Index y) {
  const Index plane = p.height * p.width, row = y * p.width;
  for (Index x = 0; x < p.width; x += RUN) {
    const int n = static_cast<int>(p.width - x < RUN ? p.width - x : RUN);
    const float* alpha = p.alpha + row + x;
    const std::uint8_t* photo = p.photo + 3 * (row + x);
    std::uint8_t* out = p.out + 3 * (row + x);
    bool moving = false;
    for (int i = 0; i < n; ++i) moving |= alpha[i] != 0.0f;
    std::memcpy(out, photo, static_cast<std::size_t>(3 * n));
    if (!moving) continue;
    for (int c = 0; c < 3; ++c) {
      const float *warped = p.warped + c * plane + row + x, *still = p.still + c * plane + row + x;
      std::int32_t bytes[RUN];
      for (int i = 0; i < n; ++i) {
        float value = static_cast<float>(photo[3 * i + c]) + 255.0f * alpha[i] * (warped[i] - still[i]);
        value = value > 0.0f ? value : 0.0f;  // NaN becomes 0
        value = value < 255.0f ? value : 255.0f;
        bytes[i] = alpha[i] != 0.0f ? static_cast<std::int32_t>(std::nearbyint(value)) : photo[3 * i + c];
      }
      for (int i = 0; i < n; ++i) out[3 * i + c] = static_cast<std::uint8_t>(bytes[i]);
    }
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
