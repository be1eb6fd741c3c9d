// AMX on numbers rounded to bf16: a panel's weights times 16 activation rows, 32 inputs an instruction, summed in the tile.
// For models that read whole texts. One that continues a text cannot use it: a single row has nothing to fill a tile with,
// and must get the bits that it would get among others.
// Source: Intel, Architecture Instruction Set Extensions Programming Reference, TDPBF16PS and VCVTNE2PS2BF16.
#include "kernels/amx.h"

#include "kernels/memory.h"

namespace sw {
namespace {

constexpr size_t kTile = (size_t)kRows * kBlock;      // numbers of a tile of activations, or of weights

// Tiles 0 to 3: sums; 4 and 5: activations; 6 and 7: weights.
void configure() {
    TileConfig config;
    for (int i = 0; i < 8; ++i) {
        config.rows[i] = kRows;
        config.row_bytes[i] = 64;
    }
    config.load();
}

// Blocks of a panel as tiles: inputs 2 i and 2 i + 1 of the 16 rows in line i.
template <Format F>
class Weights {
public:
    Weights(const Matrix& w, int p) : panel_(w, p) {}

    void make(size_t block, uint16_t* to) const {
        const uint8_t* const codes = panel_.codes + block * panel_.block_bytes;
        const Factors first(scale_of(block, 0), has_minimum(F) ? from_half_lanes(panel_.minimums + block * kPanel) : _mm512_setzero_ps());
        const Factors second = panel_.scales_of_one == 1 ? first : Factors(scale_of(block, 1), _mm512_setzero_ps());
        if (code_bits(F) == 8) {
            for (int g = 0; g < 8; ++g) put(_mm512_loadu_si512(codes + g * 64), g < 4 ? first : second, to + g * 64);
            return;
        }
        const __m512i low = _mm512_set1_epi8(15);
        for (int g = 0; g < 4; ++g) {
            const __m512i pair = _mm512_loadu_si512(codes + g * 64);
            put(_mm512_and_si512(pair, low), first, to + g * 64);
            put(_mm512_and_si512(_mm512_srli_epi16(pair, 4), low), first, to + (g + 4) * 64);
        }
    }

private:
    // A code is made a float by putting its byte into one: 32768 + byte. Scales are f16 (a share times a power of two is), so
    // that what is too much times the scale is exact, and their difference is rounded once.
    static constexpr float kBias = 32768.0f + (code_bits(F) == 8 ? 128.0f : F == Format::q4_min ? 0.0f : 8.0f);

    static __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

    // Of the 16 rows' block, or of half of it.
    __m512 scale_of(size_t block, int half) const {
        if (!in_spans(F)) return from_half_lanes(panel_.scales + (block * panel_.scales_of_one + half) * kPanel);
        const size_t span = block / kSpanBlocks;
        const __m512 scale = from_half_lanes(panel_.scales + span * kPanel);
        if (F == Format::q8_span) return scale;
        const int up = 24 - 8 * (int)(block % kSpanBlocks);
        const __m512i shares = _mm512_sll_epi32(_mm512_loadu_si512(panel_.shares + span * 64), _mm_cvtsi32_si128(up));
        return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srai_epi32(shares, 24)), scale);
    }

    // Of rows 0 to 7 and of rows 8 to 15, each twice.
    struct Factors {
        __m512 scale[2], shift[2], minimum[2];
        Factors(__m512 scales, __m512 minimums) {
            spread(scales, scale);
            for (int i = 0; i < 2; ++i) shift[i] = _mm512_mul_ps(scale[i], _mm512_set1_ps(-kBias));
            spread(minimums, minimum);
        }
        static void spread(__m512 all, __m512 (&to)[2]) {
            const __m512i low = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
            to[0] = _mm512_permutexvar_ps(low, all);
            to[1] = _mm512_permutexvar_ps(_mm512_add_epi32(low, _mm512_set1_epi32(8)), all);
        }
    };

    // Bytes `first` and `first + 1` of four in every row, of eight rows from `row` on, each in the second byte of a float.
    static __m512 numbers(__m512i codes, int half, int first, const Factors& factors) {
        const __m512i rows = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29);
        const __m512i from = _mm512_slli_epi32(_mm512_add_epi32(rows, _mm512_set1_epi32(half * 32 + first)), 8);
        const __m512i wide = _mm512_mask_permutexvar_epi8(_mm512_set1_epi32(0x47000000), 0x2222222222222222ull, from, codes);
        const __m512 value = _mm512_fmadd_ps(_mm512_castsi512_ps(wide), factors.scale[half], factors.shift[half]);
        return has_minimum(F) ? _mm512_add_ps(value, factors.minimum[half]) : value;
    }

    // Four inputs of 16 rows: two lines of a tile.
    static void put(__m512i codes, const Factors& factors, uint16_t* to) {
        for (int line = 0; line < 2; ++line)
            _mm512_store_si512(to + line * 32, (__m512i)_mm512_cvtne2ps_pbh(numbers(codes, 1, 2 * line, factors), numbers(codes, 0, 2 * line, factors)));
    }

    Panel<F> panel_;
};

const uint16_t* tile_of(const Rows& x, size_t tile) { return x.bf16 + tile * kRows * x.q_stride; }

// Where results go, 16 rows of 16 outputs at a time. They are written while the next ones are made: the sums of a tile go
// through memory, which takes a while.
class Writer {
public:
    Writer(const Matrix& w, int rows, const Output& out) : w_(w), rows_(rows), out_(out) {}

    void write(const float* sums, int panel, int tile) const {
        const int row = panel * kPanel, left = w_.rows - row, first = tile * kRows;
        const __mmask16 mask = left >= kPanel ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
        const __m512 bias = out_.bias ? _mm512_maskz_loadu_ps(mask, out_.bias + row) : _mm512_setzero_ps();
        const int count = rows_ - first < kRows ? rows_ - first : kRows;
        float* y = out_.y + (size_t)first * out_.stride + row;
        for (int t = 0; t < count; ++t, y += out_.stride) {
            __m512 value = _mm512_load_ps(sums + (size_t)t * kPanel);
            if (out_.bias) value = _mm512_add_ps(value, bias);
            if (out_.add) value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), value);
            _mm512_mask_storeu_ps(y, mask, value);
        }
    }

private:
    const Matrix& w_;
    int rows_;
    const Output& out_;
};

// Two tiles of rows times two panels of made weights, into `sums` by [tile][panel]; what there is only one of is not multiplied.
template <int Tiles, int Panels>
void multiply_block(const uint16_t* rows, size_t next_rows, const uint16_t* weights, size_t next_weights, size_t blocks, float* sums) {
    _tile_zero(0);
    if (Panels > 1) _tile_zero(1);
    if (Tiles > 1) _tile_zero(2);
    if (Tiles > 1 && Panels > 1) _tile_zero(3);
    for (size_t block = 0; block < blocks; ++block, rows += kTile, weights += kTile) {
        _tile_loadd(4, rows, 64);
        _tile_loadd(6, weights, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (Panels > 1) {
            _tile_loadd(7, weights + next_weights, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (Tiles > 1) {
            _tile_loadd(5, rows + next_rows, 64);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (Tiles > 1 && Panels > 1) _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, 64);
    if (Panels > 1) _tile_stored(1, sums + kSums, 64);
    if (Tiles > 1) _tile_stored(2, sums + 2 * kSums, 64);
    if (Tiles > 1 && Panels > 1) _tile_stored(3, sums + 3 * kSums, 64);
}

// A thread's own place for the made weights of two panels.
__attribute__((noinline)) uint16_t* scratch(size_t numbers) {
    static thread_local Buffer memory;
    if (memory.size_bytes() < numbers * sizeof(uint16_t)) memory = Buffer(numbers * sizeof(uint16_t));
    return memory.as<uint16_t>();
}

struct Pending {
    int panel = 0, panels = 0, tile = 0, tiles = 0;
    const float* sums = nullptr;
    void write(const Writer& writer) const {
        for (int t = 0; t < tiles; ++t)
            for (int p = 0; p < panels; ++p) writer.write(sums + (size_t)(2 * t + p) * kSums, panel + p, tile + t);
    }
};

template <Format F>
void multiply(const Matrix& w, const Rows& x, int n, const Writer& writer, int begin, int end) {
    alignas(64) float sums[2][4 * kSums];
    const size_t blocks = (size_t)w.cols / kBlock, of_panel = blocks * kTile;
    uint16_t* const made = scratch(2 * of_panel);
    const int tiles = (n + kRows - 1) / kRows;
    Pending last;
    int turn = 0;
    for (int panel = begin; panel < end; panel += 2) {
        const int panels = end - panel < 2 ? 1 : 2;
        for (int p = 0; p < panels; ++p)
            for (size_t block = 0; block < blocks; ++block) Weights<F>(w, panel + p).make(block, made + p * of_panel + block * kTile);
        for (int tile = 0; tile < tiles; tile += 2, turn ^= 1) {
            const Pending next{panel, panels, tile, tiles - tile < 2 ? 1 : 2, sums[turn]};
            const auto multiply_some = next.tiles > 1 ? panels > 1 ? multiply_block<2, 2> : multiply_block<2, 1>
                                                 : panels > 1 ? multiply_block<1, 2> : multiply_block<1, 1>;
            multiply_some(tile_of(x, (size_t)tile), kRows * x.q_stride, made, of_panel, blocks, sums[turn]);
            last.write(writer);
            last = next;
        }
    }
    last.write(writer);
}

template <Format F>
void product(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    if (begin == end) return;
    configure();
    multiply<F>(w, x, n, Writer(w, n, out), begin, end);
    _tile_release();
}

void to_tiles(const float* x, size_t n, uint16_t* tile) {
    for (size_t i = 0; i < n; i += kBlock, tile += kTile)
        _mm512_store_si512(tile, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i)));
}

}  // namespace

extern const Products products_amx_bf16;
const Products products_amx_bf16 = {{nullptr, nullptr, nullptr, product<Format::q8>, product<Format::q8_min>, product<Format::q8_half>,
                                     product<Format::q8_span>, product<Format::q4>, product<Format::q4_min>, product<Format::q4_span>}};
extern const ToTiles to_tiles_amx;
const ToTiles to_tiles_amx = to_tiles;

}  // namespace sw
