// What this device can do at most: bytes read a second by working set, operations a second, the price of a barrier.
// Enters: how long to measure, on how many threads. Leaves: rates with a checksum of the work, of the time
// in which the system let the threads run: use no more threads than cores. They are not pinned, as the engine's are not. Not here: the inner loops (loops), repeats and medians (the caller, who interleaves).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "measure/loops.h"

namespace sw {

// The loops that measure for the kernels of a name: those of the same name, and for "amx" those of avx512 (its tiles
// have none yet). Throws Error kind "unsupported_isa" for other names, or when this CPU cannot run them.
const Loops& select_loops(const char* kernels_name);

struct Measured {
    double value = 0;        // bytes, operations or barriers a second
    uint64_t checksum = 0;   // of everything read or computed
};

class Limits {
public:
    // Reserves and touches `most_bytes` of memory, with large pages where the system has them.
    // Throws std::bad_alloc, and Error kind "bad_argument".
    Limits(const Loops& loops, size_t most_bytes);

    const Loops& loops() const { return loops_; }
    size_t most_bytes() const { return most_bytes_; }

    // Each thread reads its own part of the first `size_bytes`, over and over, for about `seconds`.
    // Throws Error kind "bad_argument": a size above most_bytes or too small to be parted, threads or seconds out of range.
    Measured read(size_t size_bytes, int threads, double seconds, bool ahead) const;
    Measured int8_dot(int threads, double seconds) const;
    Measured multiply_add(int threads, double seconds) const;
    // Barriers a second of spinning threads.
    Measured barrier(int threads, double seconds) const;

    static constexpr int kMostThreads = 256;
    static constexpr double kMostSeconds = 60;

private:
    struct Free {
        void operator()(uint8_t* memory) const;
    };
    const Loops& loops_;
    size_t most_bytes_;
    std::unique_ptr<uint8_t, Free> memory_;
};

}  // namespace sw
