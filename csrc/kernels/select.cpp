// Which table runs: by what the CPU says and the operating system saves (cpuid and xgetbv), or by name.
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

#include "file/error.h"

#if defined(SW_X86)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(SW_NEON) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(SW_NEON) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace sw {
namespace {

#if defined(SW_X86)
struct Features {
    bool avx2 = false, avx512 = false, amx = false;
};

// Linux keeps AMX's tiles only for a process that asks; its later threads inherit the permission.
bool may_use_tiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
    constexpr int kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

Features detect() {
    Features f;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
    const bool osxsave = c & (1u << 27), avx = c & (1u << 28), f16c = c & (1u << 29), fma = c & (1u << 12);
    if (!osxsave || !avx) return f;
    unsigned low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool saves_ymm = (low & 0x6) == 0x6, saves_zmm = (low & 0xe6) == 0xe6;
    if (!saves_ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
    f.avx2 = (b & (1u << 5)) && f16c && fma;
    const bool foundation = b & (1u << 16), dq = b & (1u << 17), bw = b & (1u << 30), vl = b & (1u << 31);
    const bool vnni = c & (1u << 11);
    f.avx512 = f.avx2 && saves_zmm && foundation && dq && bw && vl && vnni;
    constexpr unsigned kTileBf16 = 1u << 22, kTiles = 1u << 24, kTileInt8 = 1u << 25, kSavedTiles = 0x60000, kBytes = 1u << 1, kBf16 = 1u << 5;
    const bool tiles = (d & kTileInt8) && (d & kTileBf16) && (d & kTiles) && (low & kSavedTiles) == kSavedTiles;
    const bool moves_bytes = c & kBytes, rounds = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kBf16);
    f.amx = f.avx512 && tiles && moves_bytes && rounds && may_use_tiles();
    return f;
}
#elif defined(SW_NEON)
struct Features {
    bool dots = false, i8mm = false;
};

Features detect() {
    Features f;
#if defined(__APPLE__)
    int there = 0;
    size_t size = sizeof there;
    f.dots = true;   // every Apple processor that runs macOS
    f.i8mm = sysctlbyname("hw.optional.arm.FEAT_I8MM", &there, &size, nullptr, 0) == 0 && there;
#elif defined(__linux__)
    constexpr unsigned long kDotProducts = 1ul << 20, kMatrixInt8 = 1ul << 13;   // HWCAP_ASIMDDP, HWCAP2_I8MM
    f.dots = getauxval(AT_HWCAP) & kDotProducts;
    f.i8mm = f.dots && (getauxval(AT_HWCAP2) & kMatrixInt8);
#endif
    return f;
}
#endif

[[noreturn]] void refuse(const char* name, const char* why) {
    throw Error("unsupported_isa", std::string("SMALLWRIGHT_ISA must be ref, avx2, avx512, amx, neon or neon_i8mm and run on this CPU. Got ") +
                                       name + ": " + why + ". Unset it to use the best one.");
}

struct Candidate {
    const char* name;
    const Kernels* kernels;   // null: not in this build
    bool runs;
    const char* needs;
};

// The best first.
const std::vector<Candidate>& candidates() {
#if defined(SW_X86)
    static const Features features = detect();
    static const std::vector<Candidate> all = {
        {"amx", &kernels_amx, features.amx, "this CPU or operating system has no AMX (8-bit integers, bf16) beside AVX-512 VBMI and BF16"},
        {"avx512", &kernels_avx512, features.avx512, "this CPU or operating system has no AVX-512 F/BW/DQ/VL with VNNI"},
        {"avx2", &kernels_avx2, features.avx2, "this CPU or operating system has no AVX2 with F16C and FMA"},
        {"neon_i8mm", nullptr, false, "this is not an ARM CPU"},
        {"neon", nullptr, false, "this is not an ARM CPU"},
        {"ref", &kernels_ref, true, ""}};
#elif defined(SW_NEON)
    static const Features features = detect();
    static const std::vector<Candidate> all = {{"neon_i8mm", &kernels_neon_i8mm, features.i8mm, "this CPU has no matrix products of bytes (i8mm)"},
                                               {"neon", &kernels_neon, features.dots, "this CPU has no dot products (asimddp)"},
                                               {"amx", nullptr, false, "this is not an x86-64 CPU"},
                                               {"avx512", nullptr, false, "this is not an x86-64 CPU"},
                                               {"avx2", nullptr, false, "this is not an x86-64 CPU"},
                                               {"ref", &kernels_ref, true, ""}};
#else
    static const std::vector<Candidate> all = {{"amx", nullptr, false, "this is not an x86-64 CPU"},
                                               {"avx512", nullptr, false, "this is not an x86-64 CPU"},
                                               {"avx2", nullptr, false, "this is not an x86-64 CPU"},
                                               {"neon_i8mm", nullptr, false, "this is not an ARM CPU"},
                                               {"neon", nullptr, false, "this is not an ARM CPU"},
                                               {"ref", &kernels_ref, true, ""}};
#endif
    return all;
}

}  // namespace

const Kernels& select_kernels(const char* name) {
    const bool best = !name || !*name;
    for (const Candidate& candidate : candidates()) {
        if (!best && strcmp(name, candidate.name)) continue;
        if (candidate.runs) return *candidate.kernels;
        if (!best) refuse(name, candidate.needs);
    }
    refuse(name, "unknown name");
}

const Kernels& select_kernels() { return select_kernels(getenv("SMALLWRIGHT_ISA")); }

}  // namespace sw
