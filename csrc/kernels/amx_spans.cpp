// AMX on weights in spans: 16 activation rows times a panel, a span of whole numbers summed in the tile and scaled once. The
// integers are those of every other set, and the scaled sums come in the same order, so the bits are the same too.
#include "kernels/amx.h"

#include "kernels/memory.h"

namespace sw {

extern const Products products_avx512;

namespace {

constexpr size_t kTileInputs = 64;                  // bytes of a row of a tile
constexpr size_t kTileCodes = kTileInputs * kPanel; // of a panel's tile
constexpr size_t kStreamAhead = 4096;               // bytes of prefetching
constexpr size_t kCached = 256u << 10;              // bytes of panels that all rows are multiplied with before the next ones are
// A tile's sums go through memory, which takes a while: they are asked for some spans ahead of their use, into a ring.
constexpr size_t kAhead = 3, kRing = 4;

inline __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

// Tile 0: sums; 1: 16 rows of 64 inputs; 2: a panel's codes for as many. The processor renames tiles: three are enough.
void configure() {
    TileConfig config;
    for (int i = 0; i < 3; ++i) {
        config.rows[i] = kRows;
        config.row_bytes[i] = 64;
    }
    config.load();
}

// Codes times shares, as signed bytes [block][8][16][4], filled up to a whole tile. A share stands in the high byte of 16 bits:
// of a product's low 16 bits the low byte is then 0, and the high one the product of the low bytes.
void unpack_shared(const uint8_t* codes, const uint8_t* shares, size_t blocks, int8_t* to) {
    const __m512i mask = _mm512_set1_epi8(15), middle = _mm512_set1_epi8(8);
    const __m512i first = _mm512_broadcast_i32x4(_mm_setr_epi32(0x00800080, 0x04800480, 0x08800880, 0x0c800c80));
    const auto multiply = [](__m512i bytes, __m512i share) {
        const __m512i even = _mm512_mullo_epi16(bytes, share), odd = _mm512_mullo_epi16(_mm512_srli_epi16(bytes, 8), share);
        return _mm512_or_si512(_mm512_srli_epi16(even, 8), odd);
    };
    for (size_t b = 0; b < blocks; ++b) {
        const __m512i all = _mm512_loadu_si512(shares + b / kSpanBlocks * 64);
        const __m512i share = _mm512_shuffle_epi8(all, _mm512_add_epi32(first, _mm512_set1_epi32((int)(b % kSpanBlocks) * 0x01000100)));
        for (int g = 0; g < 4; ++g) {
            const __m512i pair = _mm512_loadu_si512(codes + b * 256 + g * 64);
            _mm512_store_si512(to + b * 512 + g * 64, multiply(_mm512_sub_epi8(_mm512_and_si512(pair, mask), middle), share));
            _mm512_store_si512(to + b * 512 + g * 64 + 256,
                               multiply(_mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(pair, 4), mask), middle), share));
        }
    }
    if (blocks % 2)
        for (size_t line = 0; line < kTileCodes / 2; line += 64) _mm512_store_si512(to + blocks * 512 + line, _mm512_setzero_si512());
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

// Tiles of 16 rows times a panel, in the order of work: some panels (as many as a cache holds), of those all for 16 rows, and
// then for the next 16.
class Places {
public:
    Places(size_t tiles, int begin, int end, int some) : tiles_(tiles), end_(end), some_(some) { start(begin); }
    size_t tile() const { return tile_; }
    int panel() const { return panel_; }
    bool done() const { return panel_ >= end_; }
    bool starts_panels() const { return tile_ == 0 && panel_ == first_; }
    int first_panel() const { return first_; }
    int last_panel() const { return last_; }

    void next() {
        if (++panel_ < last_) return;
        panel_ = first_;
        if (++tile_ < tiles_) return;
        start(last_);
    }

private:
    void start(int panel) {
        first_ = panel_ = panel;
        last_ = end_ - panel < some_ ? end_ : panel + some_;
        tile_ = 0;
    }

    const size_t tiles_;
    const int end_, some_;
    int first_ = 0, last_ = 0, panel_ = 0;
    size_t tile_ = 0;
};

// Asks for the sums of all spans of all places.
template <Format F>
class Questions {
public:
    Questions(const Matrix& w, const Rows& x, const Places& places, uint8_t* unpacked)
        : w_(w), x_(x), places_(places), spans_(spans_of((size_t)w.cols)), unpacked_(unpacked) {
        start();
    }

    void next(int32_t* dots) {
        if (places_.done()) return;
        const size_t from = span_ * kSpan, inputs = (size_t)w_.cols - from < kSpan ? (size_t)w_.cols - from : kSpan;
        if (F == Format::q8_span && places_.tile() == 0)   // the first rows bring the weights, the others find them in a cache
            for (size_t line = 0; line < inputs * kPanel; line += 64) _mm_prefetch((const char*)codes_ + from * kPanel + kStreamAhead + line, _MM_HINT_T0);
        ask<F>(rows_ + from, x_.q_stride, codes_ + from * kPanel, inputs, dots);
        if (++span_ < spans_) return;
        span_ = 0;
        places_.next();
        start();
    }

private:
    void start() {
        if (places_.done()) return;
        if (F == Format::q4_span && places_.starts_panels())
            for (int p = places_.first_panel(); p < places_.last_panel(); ++p) {
                const uint8_t* const panel = w_.data + (size_t)p * w_.panel_stride;
                unpack_shared(panel, panel + w_.scales_at + spans_ * kPanel * sizeof(uint16_t), (size_t)w_.cols / kBlock, (int8_t*)codes_of(p));
            }
        codes_ = codes_of(places_.panel());
        rows_ = x_.q + places_.tile() * kRows * x_.q_stride;
    }
    uint8_t* codes_of(int panel) const {
        if (F == Format::q8_span) return const_cast<uint8_t*>(w_.data) + (size_t)panel * w_.panel_stride;
        return unpacked_ + (size_t)(panel - places_.first_panel()) * unpacked_panel_bytes(w_);
    }

    const Matrix& w_;
    const Rows& x_;
    Places places_;
    const size_t spans_;
    uint8_t* const unpacked_;
    const uint8_t* codes_ = nullptr;
    const int8_t* rows_ = nullptr;
    size_t span_ = 0;
};

// Adds the scaled sums of a span to the accumulators of 16 rows.
template <Format F>
inline void accumulate(const int32_t* dots, __m512 w_scale, const float* x_scale, const int32_t* offset, __m512 (&acc)[kRows]) {
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) {
        __m512i dot = _mm512_load_si512(dots + t * kPanel);
        if (F == Format::q8_span) dot = _mm512_add_epi32(dot, _mm512_set1_epi32(offset[t]));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[t])), acc[t]);
    }
}

Scales transpose_scales(const Rows& x, size_t tiles, size_t blocks, bool offsets, float* to) {
    const size_t x_blocks = x.q_stride / kBlock, spans = (blocks + kSpanBlocks - 1) / kSpanBlocks;
    int32_t* const offset = (int32_t*)(to + tiles * spans * kRows);
    for (size_t row = 0; row < tiles * kRows; ++row)
        for (size_t s = 0; s < spans; ++s) {
            const size_t from = row * x_blocks + s * kSpanBlocks, at = (row / kRows * spans + s) * kRows + row % kRows;
            to[at] = x.scale[from];
            if (!offsets) continue;
            int32_t sum = 0;
            for (size_t b = 0; b < kSpanBlocks && s * kSpanBlocks + b < blocks; ++b) sum += x.offset[from + b];
            offset[at] = sum * 16;
        }
    return {to, offset};
}

// A thread's own place for an unpacked panel and the scales of all rows.
__attribute__((noinline)) uint8_t* scratch(size_t size_bytes) {
    static thread_local Buffer memory;
    if (memory.size_bytes() < size_bytes) memory = Buffer(size_bytes);
    return memory.as();
}

// With fewer rows the vectors are faster (measured): a tile takes its time whatever it holds, and nibbles must be unpacked first.
constexpr int few_rows(Format f) { return f == Format::q8_span ? 6 : 11; }

template <Format F>
void product(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    if (n < few_rows(F)) return products_avx512.of[(int)F](w, x, n, out, begin, end);
    const size_t tiles = ((size_t)n + kRows - 1) / kRows, blocks = (size_t)w.cols / kBlock, spans = spans_of((size_t)w.cols);
    const size_t fit = kCached / unpacked_panel_bytes(w);
    const int some = fit < 1 ? 1 : fit > (size_t)(end - begin) ? end - begin : (int)fit;
    const size_t unpacked_bytes = F == Format::q4_span ? (size_t)some * unpacked_panel_bytes(w) : 0;
    uint8_t* const memory = scratch(unpacked_bytes + 2 * tiles * spans * kRows * sizeof(float));
    const Scales scales = transpose_scales(x, tiles, blocks, F == Format::q8_span, (float*)(memory + unpacked_bytes));
    configure();
    alignas(64) int32_t dots[kRing][kSums];
    Places places(tiles, begin, end, some);
    Questions<F> questions(w, x, places, memory);
    for (size_t i = 0; i < kAhead; ++i) questions.next(dots[i]);
    for (size_t taken = 0; !places.done(); places.next()) {
        const int p = places.panel();
        const uint16_t* const w_scales = (const uint16_t*)(w.data + (size_t)p * w.panel_stride + w.scales_at);
        const size_t tile = places.tile();
        __m512 acc[kRows];
        for (__m512& sum : acc) sum = _mm512_setzero_ps();
        for (size_t s = 0; s < spans; ++s, ++taken) {
            questions.next(dots[(taken + kAhead) % kRing]);
            const size_t at = (tile * spans + s) * kRows;
            accumulate<F>(dots[taken % kRing], from_half_lanes(w_scales + s * kPanel), scales.scale + at, scales.offset + at, acc);
        }
        write(acc, n - (int)tile * kRows, p * kPanel, w.rows, (int)tile * kRows, out);
    }
    _tile_release();
}

}  // namespace

extern const Product product_amx_q8_span, product_amx_q4_span;
const Product product_amx_q8_span = product<Format::q8_span>, product_amx_q4_span = product<Format::q4_span>;

}  // namespace sw
