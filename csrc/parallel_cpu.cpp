#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "parallel.h"

namespace cinegan {

void parallel_for(Index tasks, int threads, const std::function<void(Index, int)>& work) {
  std::atomic<Index> next{0};
  std::exception_ptr failure;
  std::mutex failure_lock;
  auto run = [&](int worker) {
    try {
      for (Index task = next++; task < tasks; task = next++) work(task, worker);
    } catch (...) {
      std::lock_guard<std::mutex> hold(failure_lock);
      if (!failure) failure = std::current_exception();
      next = tasks;
    }
  };
  const int helpers = static_cast<int>(std::min<Index>(std::max(threads, 1), tasks)) - 1;
  std::vector<std::thread> pool;
  for (int worker = 1; worker <= helpers; ++worker) {
    try {
      pool.emplace_back(run, worker);
    } catch (const std::system_error&) {
      break;  // the system refuses more threads: those that run take the remaining tasks
    }
  }
  run(0);
  for (auto& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

int best_simd() {
#if defined(CINEGAN_X86)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw")) {
    return SIMD_AVX512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return SIMD_AVX2;
#endif
  return SIMD_BASELINE;
}

}  // namespace cinegan
