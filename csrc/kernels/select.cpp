// Which table runs: by what the CPU says and the operating system saves (cpuid and xgetbv), or by name.
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#include <string>

#include "file/error.h"

#if defined(SW_X86)
#include <cpuid.h>
#endif

namespace sw {
namespace {

#if defined(SW_X86)
struct Features {
    bool avx2 = false, avx512 = false;
};

Features detect() {
    Features f;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
    const bool osxsave = c & (1u << 27), avx = c & (1u << 28), f16c = c & (1u << 29);
    if (!osxsave || !avx) return f;
    unsigned low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool saves_ymm = (low & 0x6) == 0x6, saves_zmm = (low & 0xe6) == 0xe6;
    if (!saves_ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
    f.avx2 = (b & (1u << 5)) && f16c;
    const bool foundation = b & (1u << 16), dq = b & (1u << 17), bw = b & (1u << 30), vl = b & (1u << 31);
    const bool vnni = c & (1u << 11);
    f.avx512 = f.avx2 && saves_zmm && foundation && dq && bw && vl && vnni;
    return f;
}
#endif

[[noreturn]] void refuse(const char* name, const char* why) {
    throw Error("unsupported_isa", std::string("SMALLWRIGHT_ISA must be ref, avx2 or avx512 and run on this CPU. Got ") +
                                       name + ": " + why + ". Unset it to use the best one.");
}

}  // namespace

const Kernels& select_kernels(const char* name) {
    const bool best = !name || !*name;
#if defined(SW_X86)
    static const Features features = detect();
    if (best) return features.avx512 ? kernels_avx512 : features.avx2 ? kernels_avx2 : kernels_ref;
    if (!strcmp(name, "avx512")) {
        if (!features.avx512) refuse(name, "this CPU or operating system has no AVX-512 F/BW/DQ/VL with VNNI");
        return kernels_avx512;
    }
    if (!strcmp(name, "avx2")) {
        if (!features.avx2) refuse(name, "this CPU or operating system has no AVX2 with F16C");
        return kernels_avx2;
    }
#else
    if (best) return kernels_ref;
    if (!strcmp(name, "avx512") || !strcmp(name, "avx2")) refuse(name, "this is not an x86-64 CPU");
#endif
    if (!strcmp(name, "ref")) return kernels_ref;
    refuse(name, "unknown name");
}

const Kernels& select_kernels() { return select_kernels(getenv("SMALLWRIGHT_ISA")); }

}  // namespace sw
