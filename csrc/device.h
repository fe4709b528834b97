// What the CUDA build and the driver know of each other.
#pragma once

#ifdef CINEGAN_CUDA
#include <array>

namespace cinegan {

// The CUDA version that the driver runs, 0 without a driver; and the one that this build was made with: 13000 is 13.0.
std::array<int, 2> cuda_versions();

}  // namespace cinegan
#endif
