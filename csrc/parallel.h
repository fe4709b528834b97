// Threads for the CPU kernels. Threads live for one call: starting one costs about 15 us, and a pool that outlives
// the call would break in processes that fork (data loaders).
#pragma once

#include <functional>

#include "common.h"

namespace cinegan {

// Calls work(task, worker) once for every task in [0, tasks), on at most `threads` threads; worker in [0, threads) is
// the thread's number, for its scratch memory. Which thread runs a task is not fixed, so a task must write only memory
// of its own. The first exception of a task is thrown again here, after every thread has ended; tasks not begun by then
// are left out. Where the system refuses a thread, or the memory for one, those that run take its tasks.
void parallel_for(Index tasks, int threads, const std::function<void(Index task, int worker)>& work);

// How many threads parallel_for uses: as many as asked for, at least one, none without a task.
int workers_for(Index tasks, int threads);

// Instruction sets the kernels are compiled for; a later one includes the earlier.
enum Simd : int { SIMD_BASELINE = 0, SIMD_AVX2 = 1, SIMD_AVX512 = 2 };

// The best of them that this processor runs.
int best_simd();

}  // namespace cinegan
