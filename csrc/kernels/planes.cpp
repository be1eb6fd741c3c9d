#include "kernels/planes.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/blocks.h"

namespace sw {
namespace {

constexpr size_t kWord = sizeof(uint64_t), kWords = kBlock / 4;   // of a block of a panel: one for each group of 4 inputs

[[noreturn]] void refuse(const char* kind, const Tensor& tensor, const std::string& law, const std::string& got) {
    throw Error(kind, law + " Got " + got + " in tensor " + std::string(tensor.name) + ". Make the package again.");
}

void expect(const Tensor& tensor, Type type, uint64_t cols, uint64_t rows) {
    if (tensor.type != type)
        refuse("bad_type", tensor, std::string("codes and masks of weights in planes must be I8, their scales F16."), layout_of(tensor.type).name);
    if (tensor.dims[0] != cols || tensor.dims[1] != rows || tensor.dims[2] != 1 || tensor.dims[3] != 1)
        refuse("bad_shape", tensor, "the planes of a matrix must have the shapes that its rows and columns demand, here (" + std::to_string(rows) + ", " + std::to_string(cols) + ").",
               "(" + std::to_string(tensor.dims[1]) + ", " + std::to_string(tensor.dims[0]) + ")");
}

uint32_t load_word(const uint8_t* from) {
    uint32_t word;   // read byte by byte: the file's order, whatever the processor's
    word = (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
    return word;
}

// Four codes from one on, a byte each, raised by 8 from the file's two's complement; what is behind the last one does not count.
uint32_t read_four(const uint8_t* codes, uint64_t size_bytes, uint64_t index) {
    uint32_t word = 0;
    const uint64_t at = index / 2;
    if (at + sizeof word <= size_bytes) word = load_word(codes + at);
    else
        for (uint64_t i = at; i < size_bytes; ++i) word |= (uint32_t)codes[i] << 8 * (i - at);
    word = word >> 4 * (index % 2) & 0xffff;
    word = (word | word << 8) & 0x00ff00ffu;
    return ((word | word << 4) & 0x0f0f0f0fu) ^ 0x08080808u;
}

int nibble_of(const uint8_t* bytes, uint64_t index) { return bytes[index / 2] >> 4 * (index % 2) & 15; }

}  // namespace

Planes::Planes(const Tensor& codes, const Tensor& scales, const Tensor* mask, uint64_t rows, uint64_t cols)
    : codes_(&codes), scales_(&scales), mask_(mask), rows_((int)rows), cols_((int)cols) {
    if (rows > INT32_MAX || cols > INT32_MAX || cols % kBlock)
        refuse("bad_shape", codes, "a matrix in planes must have fewer than 2^31 rows, and columns divisible by 32.", "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")");
    expect(scales, Type::f16, spans_of(cols), rows);
    if (mask) find_rows();
    else check_dense();
}

void Planes::check_dense() {
    format_ = codes_->dims[0] * 4 == (uint64_t)cols_ ? Format::q2_span : Format::q3_span;
    row_bytes_ = (size_t)cols_ / 8 * (format_ == Format::q2_span ? 2 : 3);
    expect(*codes_, Type::i8, row_bytes_, (uint64_t)rows_);
}

// Where the codes of each row begin, which the mask says, and the size of each panel.
void Planes::find_rows() {
    expect(*mask_, Type::i8, (uint64_t)cols_ / 8, (uint64_t)rows_);
    row_begin_.assign((size_t)rows_ + 1, 0);
    panel_begin_.assign(1, 0);
    for (int begin = 0; begin < rows_; begin += kPanel) {
        const int rows = std::min(rows_ - begin, kPanel);
        size_t size = scales_before((size_t)cols_) + (size_t)cols_ / kBlock * kWords * kWord;
        uint64_t kept[kPanel] = {};
        for (size_t b = 0; b < (size_t)cols_ / kBlock; ++b) {
            uint32_t even = 0, odd = 0;   // kept weights of groups 0, 2, 4, 6 and 1, 3, 5, 7, a byte each
            for (int r = 0; r < rows; ++r) {
                const uint32_t word = load_word(words_of(begin + r) + b * 4), twos = word - (word >> 1 & 0x55555555u);
                const uint32_t fours = (twos & 0x33333333u) + (twos >> 2 & 0x33333333u);
                even += fours & 0x0f0f0f0fu;
                odd += fours >> 4 & 0x0f0f0f0fu;
                kept[r] += (uint64_t)__builtin_popcount(word);
            }
            for (const uint32_t groups : {even, odd})
                for (int g = 0; g < 2; ++g) size += std::max(groups >> 8 * g & 255, groups >> 8 * (g + 2) & 255);
        }
        for (int r = 0; r < rows; ++r) row_begin_[(size_t)(begin + r) + 1] = row_begin_[(size_t)(begin + r)] + (kept[r] + 1) / 2;
        if (begin + kPanel >= rows_) size += kReadBeyond;
        panel_begin_.push_back(panel_begin_.back() + (size + 63) / 64 * 64);
    }
    expect(*codes_, Type::i8, std::max<uint64_t>(row_begin_.back(), 1), 1);
}

std::vector<const Tensor*> Planes::tensors() const {
    std::vector<const Tensor*> all = {codes_, scales_};
    if (mask_) all.push_back(mask_);
    return all;
}

size_t Planes::panel_begin(int panel) const {
    if (format_ == Format::q4_sparse) return panel_begin_[(size_t)panel];
    return (size_t)panel * (scales_before((size_t)cols_) + row_bytes_ * kPanel);
}

void Planes::pack(int panel, uint8_t* to) const {
    std::memset(to, 0, panel_begin(panel + 1) - panel_begin(panel));
    const int rows = std::min(rows_ - panel * kPanel, kPanel);
    const size_t spans = spans_of((size_t)cols_);
    for (int r = 0; r < rows; ++r) {
        const uint8_t* const from = scales_->data + ((size_t)panel * kPanel + (size_t)r) * spans * sizeof(uint16_t);
        for (size_t s = 0; s < spans; ++s) std::memcpy(to + (s * kPanel + (size_t)r) * sizeof(uint16_t), from + s * sizeof(uint16_t), sizeof(uint16_t));
    }
    to += scales_before((size_t)cols_);
    if (format_ == Format::q4_sparse) return pack_kept(panel, rows, to);
    for (int r = 0; r < rows; ++r) pack_bits(panel * kPanel + r, r, to);
}

void Planes::pack_bits(int row, int r, uint8_t* to) const {
    const uint8_t* const from = codes_->data + (size_t)row * row_bytes_;
    for (size_t at = 0; at < row_bytes_; at += 4) std::memcpy(to + (at * kPanel + (size_t)r * 4), from + at, 4);
}

void Planes::pack_kept(int panel, int rows, uint8_t* to) const {
    const size_t blocks = (size_t)cols_ / kBlock;
    const uint8_t* const stored = codes_->data;
    uint8_t* out = to + blocks * kWords * kWord;
    uint64_t next[kPanel];   // of each row: its next code, counted from the first row's first
    for (int r = 0; r < rows; ++r) next[r] = row_begin_[(size_t)panel * kPanel + (size_t)r] * 2;
    for (size_t b = 0; b < blocks; ++b) {
        uint8_t groups[kWords][kPanel * 4 + 4];   // codes of what is kept; four are written at once
        uint64_t words[kWords] = {};
        size_t count[kWords] = {};
        for (int r = 0; r < rows; ++r) {
            const uint32_t kept = load_word(words_of(panel * kPanel + r) + b * 4);
            for (size_t g = 0; g < kWords; ++g) {
                const uint32_t four = kept >> 4 * g & 15;
                const uint32_t codes = read_four(stored, codes_->size_bytes, next[r]);
                words[g] |= (uint64_t)four << 4 * r;
                std::memcpy(groups[g] + count[g], &codes, sizeof codes);
                const auto found = (size_t)__builtin_popcount(four);
                count[g] += found;
                next[r] += found;
            }
        }
        std::memcpy(to + b * sizeof words, words, sizeof words);
        for (size_t g = 0; g < kWords / 2; ++g) {
            const size_t longer = std::max(count[g], count[g + 4]);
            std::memset(groups[g] + count[g], 0, longer - count[g]);
            std::memset(groups[g + 4] + count[g + 4], 0, longer - count[g + 4]);
            for (size_t i = 0; i < longer; ++i) out[i] = (uint8_t)(groups[g][i] | groups[g + 4][i] << 4);
            out += longer;
        }
    }
}

int Planes::code_at(const uint8_t* row, int k) const {
    const int g = k % kBlock / 4, j = k % 4;
    if (format_ == Format::q2_span) return 2 * (row[k / kBlock * 8 + g / 4 * 4 + j] >> 2 * (g % 4) & 3) - 3;
    const uint8_t* const block = row + (size_t)(k / kBlock) * 12;
    if (g < 6) return (block[g / 2 * 4 + j] >> 3 * (g % 2) & 7) - 4;
    return ((block[(g - 6) * 4 + j] >> 6 & 3) << 1 | (block[8 + j] >> g & 1)) - 4;
}

void Planes::read_row(int row, float* out) const {
    const uint8_t* const scales = scales_->data + (size_t)row * spans_of((size_t)cols_) * sizeof(uint16_t);
    uint64_t next = 0;
    for (int k = 0; k < cols_; ++k) {
        int code = 0;
        if (format_ == Format::q4_sparse) {
            if (words_of(row)[k / 8] >> k % 8 & 1) code = (nibble_of(codes_->data + row_begin_[(size_t)row], next++) ^ 8) - 8;
        } else {
            code = code_at(codes_->data + (size_t)row * row_bytes_, k);
        }
        uint16_t scale;
        std::memcpy(&scale, scales + (size_t)(k / kSpan) * sizeof scale, sizeof scale);
        out[k] = (float)code * half_to_float(scale);
    }
}

}  // namespace sw
