// AMX on weights in spans: 8 or 16 activation rows times a panel, a span of whole numbers summed in the tile and scaled once. The
// integers are those of every other set, and the scaled sums come in the same order, so the bits are the same too.
#include "kernels/amx.h"

#include "kernels/memory.h"

namespace sw {

extern const Products products_avx512;

namespace {

constexpr size_t kTileInputs = 64;                  // bytes of a row of a tile
constexpr size_t kTileCodes = kTileInputs * kPanel; // of a panel's tile
constexpr size_t kStreamAhead = 4096;               // bytes of prefetching
// A tile's sums go through memory, which takes a while: they are asked for some spans ahead of their use, into a ring.
constexpr size_t kAhead = 3, kRing = 4;

inline __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

// Tile 0: sums; 1: R rows of 64 inputs; 2: a panel's codes for as many. The processor renames tiles: three are enough.
template <int R>
void configure() {
    TileConfig config;
    for (int i = 0; i < 3; ++i) {
        config.rows[i] = i < 2 ? R : kRows;
        config.row_bytes[i] = 64;
    }
    config.load();
}

// Codes times shares, as signed bytes [block][8][16][4], filled up to a whole tile. (code - 8) * share is, with m = |share|,
// code * m - 8 m, or, where the share is negative, (15 - code) * m - 7 m: products of at most 225, so that one multiplication
// of 16 bits makes two of them, and the subtraction ends in the right byte.
void unpack_shared(const uint8_t* codes, const uint8_t* shares, size_t blocks, int8_t* to) {
    const __m512i mask = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
    const __m512i words = _mm512_broadcast_i32x4(_mm_setr_epi32((int)0x80008000, (int)0x80048004, (int)0x80088008, (int)0x800c800c));
    const __m512i bytes = _mm512_broadcast_i32x4(_mm_setr_epi32(0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c));
    __m512i magnitudes = zero, offsets = zero, flips = zero;   // of a span, as shares are: [16][4]
    for (size_t b = 0; b < blocks; ++b) {
        if (b % kSpanBlocks == 0) {
            const __m512i all = _mm512_loadu_si512(shares + b / kSpanBlocks * 64);
            const __mmask64 negative = _mm512_movepi8_mask(all);
            magnitudes = _mm512_abs_epi8(all);
            flips = _mm512_maskz_mov_epi8(negative, mask);
            const __m512i eight = _mm512_slli_epi16(magnitudes, 3);   // at most 120: nothing runs into the next byte
            offsets = _mm512_mask_sub_epi8(eight, negative, eight, magnitudes);
        }
        const __m512i one = _mm512_set1_epi32((int)(b % kSpanBlocks) * 0x01010101);
        const __m512i share = _mm512_shuffle_epi8(magnitudes, _mm512_add_epi8(words, one));
        const __m512i offset = _mm512_shuffle_epi8(offsets, _mm512_add_epi8(bytes, one));
        const __m512i flip = _mm512_shuffle_epi8(flips, _mm512_add_epi8(bytes, one));
        const auto multiply = [&](__m512i pair) {
            const __m512i code = _mm512_ternarylogic_epi32(pair, flip, mask, 0x28);   // (pair ^ flip) & mask
            return _mm512_sub_epi8(_mm512_mullo_epi16(code, share), offset);
        };
        for (int g = 0; g < 4; ++g) {
            const __m512i pair = _mm512_loadu_si512(codes + b * 256 + g * 64);
            _mm512_store_si512(to + b * 512 + g * 64, multiply(pair));
            _mm512_store_si512(to + b * 512 + g * 64 + 256, multiply(_mm512_srli_epi16(pair, 4)));
        }
    }
    if (blocks % 2)
        for (size_t line = 0; line < kTileCodes / 2; line += 64) _mm512_store_si512(to + blocks * 512 + line, zero);
}

size_t unpacked_panel_bytes(const Matrix& w) { return ((size_t)w.cols + kTileInputs - 1) / kTileInputs * kTileCodes; }

// What the accumulators of 16 rows need of the activations, by span: [tile of rows][span][16].
struct Scales {
    const float* scale;
    const int32_t* offset;   // -128 times the sum of the codes; only for byte codes
};

// The sums of one span. Byte codes are multiplied as they are stored, which is 128 too much.
template <Format F>
inline void ask(const int8_t* rows, size_t stride, const uint8_t* codes, size_t inputs, int32_t* dots) {
    _tile_zero(0);
    for (size_t i = 0, at = 0; i < inputs; i += kTileInputs, at += kTileCodes) {
        _tile_loadd(1, rows + i, stride);
        _tile_loadd(2, codes + at, 64);
        if (F == Format::q8_span) _tile_dpbsud(0, 1, 2);
        else _tile_dpbssd(0, 1, 2);
    }
    _tile_stored(0, dots, 64);
}

// Asks for the sums of all spans: of a panel with the first 16 rows, with the next 16, and then of the next panel.
template <Format F>
class Questions {
public:
    Questions(const Matrix& w, const Rows& x, size_t tiles, int begin, int end, int8_t* unpacked)
        : w_(w), x_(x), tiles_(tiles), spans_(spans_of((size_t)w.cols)), end_(end), unpacked_(unpacked), panel_(begin) {
        start();
    }

    void next(int32_t* dots) {
        if (panel_ >= end_) return;
        const size_t from = span_ * kSpan, inputs = (size_t)w_.cols - from < kSpan ? (size_t)w_.cols - from : kSpan;
        if (tile_ == 0) stream(from, inputs);   // the first rows bring the weights, the others find them in a cache
        ask<F>(x_.q + tile_ * kRows * x_.q_stride + from, x_.q_stride, codes_ + from * kPanel, inputs, dots);
        if (++span_ < spans_) return;
        span_ = 0;
        if (++tile_ < tiles_) return;
        tile_ = 0;
        ++panel_;
        start();
    }

private:
    // Nibbles are unpacked a panel at a time, faster than memory delivers them: the next panel's are sent for meanwhile.
    void stream(size_t from, size_t inputs) const {
        const size_t ahead = kStreamAhead + (F == Format::q4_span ? w_.panel_stride : 0);
        const size_t bytes = inputs * kPanel * code_bits(F) / 8;
        const char* const to = (const char*)w_.data + (size_t)panel_ * w_.panel_stride + from * kPanel * code_bits(F) / 8 + ahead;
        for (size_t line = 0; line < bytes; line += 64) _mm_prefetch(to + line, F == Format::q4_span ? _MM_HINT_T1 : _MM_HINT_T0);
    }
    void start() {
        if (panel_ >= end_) return;
        const uint8_t* const panel = w_.data + (size_t)panel_ * w_.panel_stride;
        codes_ = F == Format::q4_span ? (const uint8_t*)unpacked_ : panel;
        if (F == Format::q4_span) unpack_shared(panel, panel + w_.scales_at + spans_ * kPanel * sizeof(uint16_t), (size_t)w_.cols / kBlock, unpacked_);
    }

    const Matrix& w_;
    const Rows& x_;
    const size_t tiles_, spans_;
    const int end_;
    int8_t* const unpacked_;
    const uint8_t* codes_ = nullptr;
    int panel_;
    size_t tile_ = 0, span_ = 0;
};

// Adds the scaled sums of a span to the accumulators of R rows.
template <Format F, int R>
inline void accumulate(const int32_t* dots, __m512 w_scale, const float* x_scale, const int32_t* offset, __m512 (&acc)[R]) {
#pragma GCC unroll 16
    for (int t = 0; t < R; ++t) {
        __m512i dot = _mm512_load_si512(dots + t * kPanel);
        if (F == Format::q8_span) dot = _mm512_add_epi32(dot, _mm512_set1_epi32(offset[t]));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[t])), acc[t]);
    }
}

Scales transpose_scales(const Rows& x, size_t tiles, size_t spans, bool offsets, float* to) {
    const size_t x_blocks = x.q_stride / kBlock;
    const __m512i row = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32((int)x_blocks));
    int32_t* const offset = (int32_t*)(to + tiles * spans * kRows);
    for (size_t tile = 0; tile < tiles; ++tile)
        for (size_t s = 0; s < spans; ++s) {
            const size_t from = tile * kRows * x_blocks + s * kSpanBlocks, at = (tile * spans + s) * kRows;
            _mm512_storeu_ps(to + at, _mm512_i32gather_ps(row, x.scale + from, 4));
            if (offsets) _mm512_storeu_si512(offset + at, _mm512_slli_epi32(_mm512_i32gather_epi32(row, x.half + from, 4), 4));
        }
    return {to, offset};
}

// A thread's own place for an unpacked panel and the scales of all rows.
__attribute__((noinline)) uint8_t* scratch(size_t size_bytes) {
    static thread_local Buffer memory;
    if (memory.size_bytes() < size_bytes) memory = Buffer(size_bytes);
    return memory.as();
}

// Tiles of R rows: 16, or 8 where there are no more (then it is one tile).
template <Format F, int R>
void multiply_tiles(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    const size_t tiles = ((size_t)n + R - 1) / R, spans = spans_of((size_t)w.cols);
    const size_t unpacked_bytes = F == Format::q4_span ? unpacked_panel_bytes(w) : 0;
    uint8_t* const memory = scratch(unpacked_bytes + 2 * tiles * spans * kRows * sizeof(float));
    const Scales scales = transpose_scales(x, tiles, spans, F == Format::q8_span, (float*)(memory + unpacked_bytes));
    configure<R>();
    alignas(64) int32_t dots[kRing][R * kPanel];
    Questions<F> questions(w, x, tiles, begin, end, (int8_t*)memory);
    for (size_t i = 0; i < kAhead; ++i) questions.next(dots[i]);
    size_t taken = 0;
    for (int p = begin; p < end; ++p) {
        const uint16_t* const w_scales = (const uint16_t*)(w.data + (size_t)p * w.panel_stride + w.scales_at);
        for (size_t tile = 0; tile < tiles; ++tile) {
            __m512 acc[R];
            for (__m512& sum : acc) sum = _mm512_setzero_ps();
            for (size_t s = 0; s < spans; ++s, ++taken) {
                questions.next(dots[(taken + kAhead) % kRing]);
                const size_t at = (tile * spans + s) * kRows;
                accumulate<F, R>(dots[taken % kRing], from_half_lanes(w_scales + s * kPanel), scales.scale + at, scales.offset + at, acc);
            }
            write(acc, n - (int)tile * R, p * kPanel, w.rows, (int)tile * R, out);
        }
    }
    _tile_release();
}

// With fewer rows the vectors are faster (measured): a tile takes its time whatever it holds, and nibbles must be unpacked first.
constexpr int few_rows(Format f) { return f == Format::q8_span ? 6 : 5; }

template <Format F>
void product(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    if (n < few_rows(F)) return products_avx512.of[(int)F](w, x, n, out, begin, end);
    if (n <= kRows / 2) return multiply_tiles<F, kRows / 2>(w, x, n, out, begin, end);
    multiply_tiles<F, kRows>(w, x, n, out, begin, end);
}

}  // namespace

extern const Product product_amx_q8_span, product_amx_q4_span;
const Product product_amx_q8_span = product<Format::q8_span>, product_amx_q4_span = product<Format::q4_span>;

}  // namespace sw
