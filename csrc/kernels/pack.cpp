#include "kernels/pack.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/blocks.h"
#include "kernels/memory.h"

namespace sw {
namespace {

// Where block b of row r (in the panel) goes: its codes, its scales, and its minimum or share.
struct Place {
    uint8_t* codes;
    uint16_t* scales;
    uint16_t* minimum;
    int8_t* share;
};

struct PanelLayout {
    Format format;
    size_t cols;
    size_t blocks() const { return cols / kBlock; }
    size_t block_bytes() const { return (size_t)kPanel * kBlock * code_bits(format) / 8; }
    size_t scales_at() const { return (format == Format::q8_span ? (blocks() + 1) / 2 * 2 : blocks()) * block_bytes(); }
    size_t size_bytes() const {
        const size_t scales = in_spans(format) ? spans_of(cols) : blocks() * scales_of_block(format);
        const size_t after = format == Format::q4_span ? spans_of(cols) * kPanel * kSpanBlocks : has_minimum(format) ? blocks() * kPanel * sizeof(uint16_t) : 0;
        return (scales_at() + scales * kPanel * sizeof(uint16_t) + after + 63) / 64 * 64;
    }
    Place place(uint8_t* panel, size_t b, int r) const {
        uint8_t* const codes = panel + b * block_bytes() + r * 4;
        uint16_t* const scales = reinterpret_cast<uint16_t*>(panel + scales_at());
        if (in_spans(format)) {
            int8_t* const shares = reinterpret_cast<int8_t*>(scales + spans_of(cols) * kPanel);
            const size_t at = b / kSpanBlocks * kPanel + r;
            return {codes, scales + at, nullptr, shares + at * kSpanBlocks + b % kSpanBlocks};
        }
        return {codes, scales + b * scales_of_block(format) * kPanel + r, scales + blocks() * scales_of_block(format) * kPanel + b * kPanel + r, nullptr};
    }
};

void put_four(uint8_t* codes, int group, const void* four) { std::memcpy(codes + group * kPanel * 4, four, 4); }

uint16_t scale_of(const uint8_t* block) { return (uint16_t)(block[0] | block[1] << 8); }

// Scales of a span's blocks as whole numbers times a power of two, of which the largest has at least 8 and fewer than 16 (fewer
// where 2^-24, the smallest f16, is the power). False where they are not, or one is not finite.
// In whole numbers, because loading a file waits for it: an f16 is (-1)^sign mantissa 2^(exponent - 25).
bool find_shares(const uint16_t (&halves)[kSpanBlocks], uint16_t& unit_half, int8_t (&shares)[kSpanBlocks]) {
    constexpr uint32_t kOne = 0x400, kInfinite = 0x7c00;   // mantissa of 1; bits of infinity
    uint32_t largest = 0;
    for (const uint16_t half : halves) largest = std::max(largest, half & 0x7fffu);
    if (largest >= kInfinite) return false;
    int unit = (int)(largest >> 10) - 18;   // the power: 2^unit
    if (largest < kOne) {
        int bits = 0;
        while (largest >> bits >= 16) ++bits;
        unit = bits - 24;
    }
    unit_half = (uint16_t)(unit >= -14 ? (uint32_t)(unit + 15) << 10 : 1u << (unit + 24));
    for (int b = 0; b < kSpanBlocks; ++b) {
        const uint32_t size = halves[b] & 0x7fffu, mantissa = size < kOne ? size : (size & (kOne - 1)) | kOne;
        const int exponent = size < kOne ? 1 : (int)(size >> 10), down = unit - (exponent - 25);   // at least 0
        const uint32_t share = down < 16 ? mantissa >> down : 0;
        if (share << (down < 16 ? down : 0) != mantissa) return false;
        shares[b] = (int8_t)(halves[b] & 0x8000 ? -(int)share : (int)share);
    }
    return true;
}

// What a span of a row says of its blocks: one scale, and shares of it. False where its scales do not agree.
bool find_span(Format format, const uint8_t* row, size_t begin, size_t end, uint16_t& scale, int8_t (&shares)[kSpanBlocks]) {
    const size_t bytes = format == Format::q8_span ? 34 : 18;
    uint16_t halves[kSpanBlocks] = {};
    for (size_t b = begin; b < end; ++b) halves[b - begin] = scale_of(row + b * bytes);
    if (format == Format::q4_span) return find_shares(halves, scale, shares);
    scale = halves[0];
    for (size_t b = begin; b < end; ++b)
        if (halves[b - begin] != scale) return false;
    return true;
}

typedef uint32_t Four __attribute__((vector_size(16)));

inline Four load_four(const uint8_t* from) {
    Four v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

// 16 bytes of each of 16 rows to 4 lines that hold 4 bytes of every row.
void put_lines(const uint8_t* const (&rows)[kPanel], size_t at, uint32_t flip, uint8_t* to) {
    for (int r = 0; r < kPanel; r += 4) {
        const Four a = load_four(rows[r] + at), b = load_four(rows[r + 1] + at), c = load_four(rows[r + 2] + at), d = load_four(rows[r + 3] + at);
        const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        const Four high_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7), high_cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        const Four lines[4] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5) ^ flip, __builtin_shufflevector(ab, cd, 2, 3, 6, 7) ^ flip,
                               __builtin_shufflevector(high_ab, high_cd, 0, 1, 4, 5) ^ flip,
                               __builtin_shufflevector(high_ab, high_cd, 2, 3, 6, 7) ^ flip};
        for (int line = 0; line < 4; ++line) std::memcpy(to + line * kPanel * 4 + r * 4, &lines[line], sizeof lines[line]);
    }
}

// A panel of Q4_0 or Q8_0, whose codes are only moved: the file keeps inputs 0..15 of a block in the low and 16..31 in the
// high nibbles of 16 bytes, the same pairs as ours. False where scales do not agree in spans.
bool put_plain_blocks(const uint8_t* const (&rows)[kPanel], const PanelLayout& layout, uint8_t* panel) {
    const bool nibbles = code_bits(layout.format) == 4;
    const size_t bytes = nibbles ? 18 : 34, blocks = layout.blocks();
    // The rows of the next panel follow these in the file: they come from memory, in an order that no processor foresees.
    const uint8_t* const ahead = rows[0] + kPanel * blocks * bytes;
    for (size_t b = 0; b < blocks; ++b) {
        for (size_t at = 0; at < kPanel * bytes; at += 64) __builtin_prefetch(ahead + b * kPanel * bytes + at);
        uint8_t* const codes = panel + b * layout.block_bytes();
        put_lines(rows, b * bytes + 2, nibbles ? 0 : 0x80808080u, codes);
        if (!nibbles) put_lines(rows, b * bytes + 18, 0x80808080u, codes + 256);
        if (!in_spans(layout.format))
            for (int r = 0; r < kPanel; ++r) *layout.place(panel, b, r).scales = scale_of(rows[r] + b * bytes);
    }
    if (!in_spans(layout.format)) return true;
    std::memset(panel + blocks * layout.block_bytes(), 0, layout.scales_at() - blocks * layout.block_bytes());
    for (size_t begin = 0; begin < blocks; begin += kSpanBlocks) {
        for (int r = 0; r < kPanel; ++r) {
            const Place to = layout.place(panel, begin, r);
            int8_t shares[kSpanBlocks] = {};
            if (!find_span(layout.format, rows[r], begin, std::min(begin + kSpanBlocks, blocks), *to.scales, shares)) return false;
            if (nibbles) std::memcpy(to.share, shares, sizeof shares);
        }
    }
    return true;
}

void put_block(const Block32& block, Format format, const Place& to) {
    for (int half = 0; half < scales_of_block(format); ++half) to.scales[half * kPanel] = float_to_half(block.scale[half]);
    if (has_minimum(format)) *to.minimum = float_to_half(block.minimum);
    if (code_bits(format) == 8) {
        for (int group = 0; group < 8; ++group) {
            uint8_t four[4];
            for (int i = 0; i < 4; ++i) four[i] = (uint8_t)(block.codes[group * 4 + i] + 128);
            put_four(to.codes, group, four);
        }
        return;
    }
    for (int group = 0; group < 4; ++group) {
        uint8_t four[4];
        for (int i = 0; i < 4; ++i) four[i] = (uint8_t)(block.codes[group * 4 + i] | block.codes[group * 4 + i + 16] << 4);
        put_four(to.codes, group, four);
    }
}

template <class Value>
void put_row(const uint8_t* row, int cols, int r, uint8_t* panel) {
    for (int k = 0; k < cols; ++k) std::memcpy(panel + ((size_t)k * kPanel + r) * sizeof(Value), row + k * sizeof(Value), sizeof(Value));
}

const uint8_t* row_of(const Tensor& tensor, uint64_t row) {
    return tensor.data + row * (tensor.dims[0] / block_columns(tensor.type)) * block_bytes(tensor.type);
}

float rounded_to_half(float value) { return half_to_float(float_to_half(value)); }

// `packed`: with the scales that a packed panel keeps, which are f16. The scales of the K types are products of two.
void read_blocks(Type type, const uint8_t* row, size_t blocks, bool packed, float* out) {
    Block32 block;
    for (size_t b = 0; b < blocks; ++b) {
        read_block(type, row, b, block);
        if (packed) {
            for (float& scale : block.scale) scale = rounded_to_half(scale);
            block.minimum = rounded_to_half(block.minimum);
        }
        for (int k = 0; k < kBlock; ++k) out[b * kBlock + k] = (float)block.codes[k] * block.scale[k / 16] + block.minimum;
    }
}

// A thread's own places: for a panel that is used in place, and for panels that are expanded.
enum class Scratch { packed, expanded, count };
uint8_t* scratch_panels(Scratch which, size_t size_bytes) {
    static thread_local Buffer scratch[(int)Scratch::count];
    Buffer& buffer = scratch[(int)which];
    if (buffer.size_bytes() < size_bytes) buffer = Buffer(size_bytes);
    return buffer.as();
}

// What a product of panel p alone writes to.
Output output_at(Output out, int p) {
    out.y += (size_t)p * kPanel;
    if (out.bias) out.bias += (size_t)p * kPanel;
    return out;
}

// Panels that are expanded before they are multiplied: for one row each alone, so that the first cache holds it.
constexpr int kExpandedTogether = 4;

}  // namespace

Format format_of(Type type, bool spans) {
    if (spans && type == Type::q8_0) return Format::q8_span;
    if (spans && type == Type::q4_0) return Format::q4_span;
    switch (type) {
        case Type::f16: return Format::f16;
        case Type::bf16: return Format::bf16;
        case Type::q8_0:
        case Type::q5_0:
        case Type::iq4_nl: return Format::q8;
        case Type::q5_1:
        case Type::q5_k: return Format::q8_min;
        case Type::q6_k: return Format::q8_half;
        case Type::q4_0: return Format::q4;
        case Type::q4_1:
        case Type::q4_k: return Format::q4_min;
        default: return Format::f32;
    }
}

PackedMatrix::PackedMatrix(const Tensor& tensor, bool spans) : tensor_(&tensor), format_(format_of(tensor.type, spans)) {
    const std::string name(tensor.name);
    if (tensor.type == Type::i8 || tensor.type == Type::i32)
        throw Error("bad_type", "a weight matrix must hold floats or quantised blocks. Got type " +
                                    std::string(layout_of(tensor.type).name) + " in tensor " + name + ". Convert the model again.");
    if (tensor.dims[0] > INT32_MAX || tensor.dims[1] > INT32_MAX)
        throw Error("bad_shape", "a weight matrix must have fewer than 2^31 rows and columns. Got more in tensor " + name + ".");
    view_.cols = (int)tensor.dims[0];
    view_.rows = (int)tensor.dims[1];
    const PanelLayout layout{format_, (size_t)view_.cols};
    view_.scales_at = layout.scales_at();
    if (quantized()) view_.panel_stride = layout.size_bytes();
    else view_.panel_stride = (size_t)view_.cols * kPanel * layout_of(tensor.type).block_bytes;
}

PackedMatrix::PackedMatrix(Planes planes) : planes_(std::make_shared<const Planes>(std::move(planes))), format_(planes_->format()) {
    view_.rows = planes_->rows();
    view_.cols = planes_->cols();
}

std::vector<const Tensor*> PackedMatrix::tensors() const { return planes_ ? planes_->tensors() : std::vector<const Tensor*>{tensor_}; }

bool PackedMatrix::pack_panel(int panel, uint8_t* to) const {
    if (planes_) return planes_->pack(panel, to), true;
    const int rows = view_.rows - panel * kPanel < kPanel ? view_.rows - panel * kPanel : kPanel;
    const PanelLayout layout{format_, (size_t)view_.cols};
    const auto row_at = [&](int r) { return row_of(*tensor_, (uint64_t)panel * kPanel + (uint64_t)r); };
    if (tensor_->type == Type::q4_0 || tensor_->type == Type::q8_0) {
        const uint8_t* all[kPanel];
        for (int r = 0; r < kPanel; ++r) all[r] = row_at(r < rows ? r : rows - 1);   // nobody reads what has no row
        return put_plain_blocks(all, layout, to);
    }
    if (rows < kPanel) std::memset(to, 0, view_.panel_stride);
    for (int r = 0; r < rows; ++r) {
        const uint8_t* row = row_at(r);
        if (quantized()) {
            Block32 block;
            for (size_t b = 0; b < layout.blocks(); ++b) {
                read_block(tensor_->type, row, b, block);
                put_block(block, format_, layout.place(to, b, r));
            }
        } else if (format_ == Format::f32) {
            put_row<float>(row, view_.cols, r, to);
        } else {
            put_row<uint16_t>(row, view_.cols, r, to);
        }
    }
    return true;
}

bool PackedMatrix::pack(int panel_begin, int panel_end) {
    for (int p = panel_begin; p < panel_end; ++p)
        if (!pack_panel(p, const_cast<uint8_t*>(view_.data) + panel_at(p))) return false;
    return true;
}

bool PackedMatrix::scales_agree() const {
    if (!in_spans(format_) || planes_) return true;
    const size_t blocks = (size_t)view_.cols / kBlock;
    uint16_t scale;
    int8_t shares[kSpanBlocks];
    for (int row = 0; row < view_.rows; ++row)
        for (size_t begin = 0; begin < blocks; begin += kSpanBlocks)
            if (!find_span(format_, row_of(*tensor_, (uint64_t)row), begin, std::min(begin + kSpanBlocks, blocks), scale, shares)) return false;
    return true;
}

void PackedMatrix::multiply(const Kernels& kernels, const Rows& x, int n, const Output& out, int panel_begin, int panel_end, int read_end) const {
    const Products& products = x.bf16 && quantized() ? *kernels.rounded_products : kernels.products;
    if (planes_) return multiply_expanded(kernels, products.of[(int)Format::q8_span], x, n, out, panel_begin, panel_end, read_end);
    const Product product = products.of[(int)format_];
    if (view_.data) {
        Matrix view = view_;
        if (read_end > 0) view.read_end = view.data + (size_t)read_end * view.panel_stride;
        return product(view, x, n, out, panel_begin, panel_end);
    }
    uint8_t* const panel = scratch_panels(Scratch::packed, view_.panel_stride);
    for (int p = panel_begin; p < panel_end; ++p) {
        (void)pack_panel(p, panel);   // what is used in place was checked when the model was opened
        Matrix one = view_;
        one.data = panel;
        one.rows = view_.rows - p * kPanel < kPanel ? view_.rows - p * kPanel : kPanel;
        product(one, x, n, output_at(out, p), 0, 1);
    }
}

void PackedMatrix::multiply_expanded(const Kernels& kernels, Product product, const Rows& x, int n, const Output& out, int begin, int end, int read_end) const {
    const PanelLayout layout{Format::q8_span, (size_t)view_.cols};
    const Expanding& way = kernels.expands->of(format_);
    const bool at_once = n == 1 && way.one_row && !x.bf16;
    const size_t before = scales_before(layout.cols), scales = spans_of(layout.cols) * kPanel * sizeof(uint16_t), blocks = layout.blocks();
    const int most = n == 1 ? 1 : kExpandedTogether;
    Matrix some;
    some.data = scratch_panels(Scratch::expanded, layout.size_bytes() * kExpandedTogether);
    some.panel_stride = layout.size_bytes();
    some.scales_at = layout.scales_at();
    some.cols = view_.cols;
    const uint8_t* const stop = view_.data && read_end > 0 ? view_.data + panel_at(read_end) : nullptr;
    for (int p = begin; p < end; p += most) {
        const int count = std::min(most, end - p);
        for (int i = 0; i < count; ++i) {
            const uint8_t* packed = view_.data + panel_at(p + i);
            if (!view_.data) {
                uint8_t* const made = scratch_panels(Scratch::packed, panel_at(p + i + 1) - panel_at(p + i) + Planes::kReadBeyond);
                planes_->pack(p + i, made);
                packed = made;
            }
            if (at_once) {
                way.one_row(packed, std::min(view_.rows - p * kPanel, kPanel), view_.cols, x, output_at(out, p), stop);
                break;
            }
            uint8_t* const to = const_cast<uint8_t*>(some.data) + (size_t)i * some.panel_stride;
            way.expand(packed + before, blocks, to, stop);
            if (blocks % 2) std::memset(to + blocks * layout.block_bytes(), 0, layout.block_bytes());
            std::memcpy(to + some.scales_at, packed, scales);
        }
        if (at_once) continue;
        some.rows = std::min(view_.rows - p * kPanel, count * kPanel);
        product(some, x, n, output_at(out, p), 0, count);
    }
}

void PackedMatrix::read_row(int row, float* out) const {
    if (planes_) return planes_->read_row(row, out);
    if (!view_.data) {   // the same bits as packed
        if (!quantized()) return read_tensor_row(*tensor_, (uint64_t)row, out);
        const size_t blocks = (size_t)view_.cols / kBlock;
        return read_blocks(tensor_->type, row_of(*tensor_, (uint64_t)row), blocks, true, out);
    }
    uint8_t* const panel = const_cast<uint8_t*>(view_.data) + (size_t)(row / kPanel) * view_.panel_stride;
    const int r = row % kPanel;
    if (!quantized()) {
        for (int k = 0; k < view_.cols; ++k) {
            const size_t at = (size_t)k * kPanel + r;
            if (format_ == Format::f32) out[k] = reinterpret_cast<const float*>(panel)[at];
            else out[k] = (format_ == Format::f16 ? half_to_float : bfloat_to_float)(reinterpret_cast<const uint16_t*>(panel)[at]);
        }
        return;
    }
    const PanelLayout layout{format_, (size_t)view_.cols};
    const bool bytes = code_bits(format_) == 8;
    const int middle = bytes ? 128 : format_ == Format::q4_min ? 0 : 8;
    for (size_t b = 0; b < layout.blocks(); ++b) {
        const Place place = layout.place(panel, b, r);
        const float minimum = has_minimum(format_) ? half_to_float(*place.minimum) : 0.0f;
        float scale[2] = {half_to_float(*place.scales), 0.0f};
        if (format_ == Format::q4_span) scale[0] *= (float)*place.share;   // exact: a power of two
        scale[1] = scales_of_block(format_) == 2 ? half_to_float(place.scales[kPanel]) : scale[0];
        for (int k = 0; k < kBlock; ++k) {
            const uint8_t byte = place.codes[(size_t)(k / 4 % (bytes ? 8 : 4)) * kPanel * 4 + k % 4];
            const int code = (bytes ? byte : k < 16 ? byte & 15 : byte >> 4) - middle;
            out[b * kBlock + k] = (float)code * scale[k / 16] + minimum;
        }
    }
}

void Table::read_row(uint64_t row, float* out) const {
    if (planes_) planes_->read_row((int)row, out);
    else read_tensor_row(*tensor_, row, out);
}

void read_tensor_row(const Tensor& tensor, uint64_t row, float* out) {
    const size_t cols = tensor.dims[0];
    const uint8_t* from = row_of(tensor, row);
    const auto word = [from](size_t k) { return (uint16_t)(from[2 * k] | from[2 * k + 1] << 8); };
    if (tensor.type == Type::f32) {
        std::memcpy(out, from, cols * sizeof(float));
    } else if (tensor.type == Type::f16) {
        for (size_t k = 0; k < cols; ++k) out[k] = half_to_float(word(k));
    } else if (tensor.type == Type::bf16) {
        for (size_t k = 0; k < cols; ++k) out[k] = bfloat_to_float(word(k));
    } else {
        read_blocks(tensor.type, from, cols / kBlock, false, out);
    }
}

}  // namespace sw
