// The innermost loops of the device's limits as one table of functions per instruction set: loops_ref.cpp,
// loops_avx2.cpp, loops_avx512.cpp and loops_neon.cpp each fill one, compiled with that set's flags.
// Enters: memory to read, a number of rounds. Leaves: a checksum, so that no work can be left out.
// Not here: threads, clocks, memory (limits). Only C headers: an inline function shared with a file of other flags could
// become the copy that the linker keeps for all.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sw {

constexpr size_t kReadStep = 512;   // a part to read is a multiple of this

struct Loops {
    const char* name;
    // Reads `size_bytes` (a multiple of kReadStep, 64-byte aligned) `passes` times from begin to end, as decoding reads
    // its weights; the second one also asks for the lines 4 KiB ahead (avx512: and for those 32 KiB ahead, into the second cache).
    uint64_t (*read)(const uint8_t* data, size_t size_bytes, size_t passes);
    uint64_t (*read_ahead)(const uint8_t* data, size_t size_bytes, size_t passes);
    // Products of bytes added up in 32 bits, from registers.
    uint64_t (*int8_dot)(size_t rounds);
    size_t int8_operations;   // of a round; a multiplication and an addition are two
    // Single-precision multiply-adds, fused where the set has them, from registers.
    uint64_t (*multiply_add)(size_t rounds);
    size_t f32_operations;
};

extern const Loops loops_ref;
#if defined(SW_X86)
extern const Loops loops_avx2;
extern const Loops loops_avx512;
#endif
#if defined(__aarch64__)
extern const Loops loops_neon;
#endif

}  // namespace sw
