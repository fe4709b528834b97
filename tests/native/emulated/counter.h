// What the emulator tells the counter of memory accesses, and what that one asks. With COUNTING undefined nothing is
// counted.
#pragma once

#include <cstdint>

namespace emulated {

int current_thread();                        // number in its block
int waits_of_thread();                       // at shuffles and barriers, as many for each lane of a warp
bool in_global_memory(const void* address);  // neither registers, parameters, shared memory nor constants
#ifdef COUNTING
void end_block(int warps);
void end_launch(const char* name, std::uint64_t blocks, int threads);
#else
inline void end_block(int) {}
inline void end_launch(const char*, std::uint64_t, int) {}
#endif

}  // namespace emulated
