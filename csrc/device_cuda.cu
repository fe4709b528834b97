#include <cuda_runtime.h>

#include "device.h"

namespace cinegan {

std::array<int, 2> cuda_versions() {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  return {driver, CUDART_VERSION};
}

}  // namespace cinegan
