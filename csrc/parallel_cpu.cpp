#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "parallel.h"

namespace cinegan {

int workers_for(Index tasks, int threads) {
  return static_cast<int>(std::max<Index>(1, std::min<Index>(threads, tasks)));
}

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
  std::vector<std::thread> pool;
  try {  // nothing may leave this block: a thread that runs must be joined
    const int workers = workers_for(tasks, threads);
    pool.reserve(static_cast<std::size_t>(workers - 1));
    for (int worker = 1; worker < workers; ++worker) pool.emplace_back(run, worker);
  } catch (const std::exception&) {
    // no more threads, or no memory for one
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
