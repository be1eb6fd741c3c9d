// AVX-512 with VNNI: 16 rows of a panel in one register, dot products of bytes in one instruction.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace sw {

extern const Expands expands_avx512;
namespace {

inline void to_half_lanes(__m512 v, uint16_t* y) {
    _mm256_storeu_si256((__m256i*)y, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

inline __m512 fuse(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }

#include "kernels/elementwise.inc"
#include "kernels/stream_avx512.inc"
#include "kernels/avx512.inc"
#include "kernels/tiles.inc"

}  // namespace

extern const Kernels kernels_avx512;
const Kernels kernels_avx512 = make_table("avx512", all_products<Tiles>(), &expands_avx512);

// For amx.cpp, which is compiled with other flags and must not share anything inline.
extern const Products products_avx512;
const Products products_avx512 = all_products<Tiles>();

}  // namespace sw
