#include "engine/pass.h"

#include <algorithm>
#include <cstring>

namespace sw {

namespace {

constexpr size_t kTileRows = 16, kTile = kTileRows * kBlock;   // of numbers that are rounded: kernels.h

uint16_t* tile_row(uint16_t* tiles, size_t width, size_t row) { return tiles + row / kTileRows * kTileRows * width + row % kTileRows * kBlock; }

}  // namespace

Pass::Pass(const Model& m, int thread_count, bool rounds) : model(m), kernels(m.kernels()), threads(thread_count), rounds_(rounds) {
    scratch_.resize((size_t)threads.count());
}

void Pass::clear() {
    tokens.clear();
    rows = 0;
    sequences.clear();
    positions.clear();
    keep.clear();
    owner.clear();
}

void Pass::add(const Sequence& sequence, const int32_t* first_token) {
    tokens.insert(tokens.end(), first_token, first_token + sequence.rows);
    sequences.push_back(sequence);
    sequences.back().row = rows;
    for (size_t r = 0; r < sequence.rows; ++r) {
        positions.push_back((int32_t)(sequence.past + r));
        owner.push_back((int)sequences.size() - 1);
    }
    rows += sequence.rows;
}

size_t Pass::longest() const {
    size_t longest = 0;
    for (const Sequence& sequence : sequences) longest = std::max(longest, sequence.length);
    return longest;
}

void Pass::prepare() {
    if (rows <= row_capacity_) return;
    const Plan& plan = model.plan();
    const size_t capacity = round_up(rows, 16);   // products may read whole tiles of rows
    size_t total = 0;
    const auto place = [&](size_t size_bytes) {
        const size_t at = total;
        total += round_up(size_bytes, 64);
        return at;
    };
    size_t at_slot[(int)Slot::count], at_codes[(int)Codes::count][4];
    for (int i = 0; i < (int)Slot::count; ++i)
        at_slot[i] = place(i == (int)Slot::logits ? 0 : capacity * plan.widths[i] * sizeof(float));
    for (int i = 0; i < (int)Codes::count; ++i) {
        const size_t width = plan.code_widths[i];
        at_codes[i][0] = place(capacity * width * (rounds_ ? sizeof(uint16_t) : 1));
        for (int part = 1; part < 4; ++part) at_codes[i][part] = place(rounds_ ? 0 : capacity * (width / kBlock) * sizeof(float));
    }
    row_capacity_ = 0;
    arena_ = Buffer();
    arena_ = Buffer(total);
    uint8_t* const base = arena_.as();
    for (int i = 0; i < (int)Slot::count; ++i) slots_[i] = reinterpret_cast<float*>(base + at_slot[i]);
    for (int i = 0; i < (int)Codes::count; ++i) {
        if (rounds_) codes_[i].bf16 = reinterpret_cast<uint16_t*>(base + at_codes[i][0]);
        else codes_[i] = {reinterpret_cast<int8_t*>(base + at_codes[i][0]), nullptr, reinterpret_cast<float*>(base + at_codes[i][1]),
                          reinterpret_cast<int32_t*>(base + at_codes[i][2]), reinterpret_cast<int32_t*>(base + at_codes[i][3])};
    }
    row_capacity_ = capacity;
}

void Pass::reserve_scratch(size_t floats) {
    for (Buffer& scratch : scratch_)
        if (scratch.size_bytes() < floats * sizeof(float)) scratch = Buffer(floats * sizeof(float));
}

Rows Pass::rows_of(Slot from, Codes codes) const {
    Rows out;
    out.f32 = slot(from);
    out.f32_stride = stride(from);
    if (codes == Codes::none) return out;
    const CodeRows& c = codes_[(int)codes];
    out.q = c.q;
    out.bf16 = c.bf16;
    out.scale = c.scale;
    out.offset = c.offset;
    out.half = c.half;
    out.q_stride = (size_t)model.plan().code_widths[(int)codes];
    return out;
}

void Pass::quantize_row(const Operation& op, const float* x, size_t row, size_t begin, size_t count) {
    const size_t width = (size_t)model.plan().code_widths[(int)op.out], block = row * (width / kBlock) + begin / kBlock;
    const CodeRows& c = codes_[(int)op.out];
    if (c.bf16) return kernels.to_tiles(x, count, tile_row(c.bf16, width, row) + begin / kBlock * kTile);
    const Quantize quantize = op.rounding == Rounding::spans ? kernels.quantize_spans : kernels.quantize;
    quantize(x, count, c.q + row * width + begin, c.scale + block, c.offset + block, c.half + block);
}

void Pass::move_row(Slot which, size_t from, size_t to) {
    const size_t width = stride(which);
    std::memcpy(slot(which) + to * width, slot(which) + from * width, width * sizeof(float));
}

void Pass::move_row(Codes codes, size_t from, size_t to) {
    const size_t width = (size_t)model.plan().code_widths[(int)codes], blocks = width / kBlock;
    const CodeRows& c = codes_[(int)codes];
    if (width == 0) return;
    if (c.bf16) {
        for (size_t b = 0; b < blocks; ++b)
            std::memcpy(tile_row(c.bf16, width, to) + b * kTile, tile_row(c.bf16, width, from) + b * kTile, kBlock * sizeof(uint16_t));
        return;
    }
    std::memcpy(c.q + to * width, c.q + from * width, width);
    std::memcpy(c.scale + to * blocks, c.scale + from * blocks, blocks * sizeof(float));
    std::memcpy(c.offset + to * blocks, c.offset + from * blocks, blocks * sizeof(int32_t));
    std::memcpy(c.half + to * blocks, c.half + from * blocks, blocks * sizeof(int32_t));
}

}  // namespace sw
