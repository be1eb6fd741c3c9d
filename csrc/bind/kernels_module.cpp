// The kernels of each instruction set, callable one by one: only tests use this.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <string>
#include <vector>

#include "bind/bind.h"
#include "file/error.h"
#include "kernels/blocks.h"
#include "kernels/memory.h"
#include "kernels/pack.h"

namespace nb = nanobind;

namespace sw_bind {
namespace {

using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using FloatRows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void need(bool condition, const char* law) {
    if (!condition) throw sw::Error("bad_argument", law);
}

const sw::Kernels& kernels(const std::string& isa) { return sw::select_kernels(isa.c_str()); }

std::vector<std::string> available() {
    std::vector<std::string> names;
    for (const char* name : {"ref", "avx2", "avx512", "amx", "neon", "neon_i8mm"}) {
        try {
            names.emplace_back(sw::select_kernels(name).name);
        } catch (const sw::Error&) {
            continue;   // this machine cannot run it; the caller reads who is missing
        }
    }
    return names;
}

sw::Type type_of(const std::string& name) {
    for (const sw::Type type : {sw::Type::f32, sw::Type::f16, sw::Type::bf16, sw::Type::q8_0, sw::Type::q4_0, sw::Type::q4_1,
                                sw::Type::q5_0, sw::Type::q5_1, sw::Type::q4_k, sw::Type::q5_k, sw::Type::q6_k, sw::Type::iq4_nl})
        if (name == sw::layout_of(type).name) return type;
    throw sw::Error("bad_argument", "a type must be one that weights may have. Got '" + name + "'.");
}

sw::Tensor tensor_of(const std::string& type, const Bytes& data, int64_t row_count, int64_t columns) {
    sw::Tensor tensor{};
    tensor.name = "test";
    tensor.type = type_of(type);
    need(row_count > 0 && columns > 0 && row_count < (1 << 24) && columns < (1 << 24), "rows and cols must be from 1 to 2^24.");
    const size_t block = sw::block_columns(tensor.type);
    need(columns % (int64_t)block == 0, "cols must be divisible by the type's block.");
    tensor.size_bytes = (uint64_t)row_count * ((uint64_t)columns / block) * sw::block_bytes(tensor.type);
    need(data.shape(0) == tensor.size_bytes, "data must have the exact size of the matrix.");
    tensor.n_dims = 2;
    tensor.dims[0] = (uint64_t)columns;
    tensor.dims[1] = (uint64_t)row_count;
    tensor.dims[2] = tensor.dims[3] = 1;
    tensor.data = data.data();
    return tensor;
}

// A matrix with its own copy of the file's bytes; used in place, or packed.
struct Packed {
    Packed(const std::string& type, const Bytes& data, int64_t row_count, int64_t columns, bool in_place, bool spans)
        : bytes(data.data(), data.data() + data.shape(0)), tensor(tensor_of(type, data, row_count, columns)) {
        tensor.data = bytes.data();
        matrix = sw::PackedMatrix(tensor, spans);
        need(matrix.scales_agree(), "the scales must agree in spans.");
        if (in_place) return;
        panels = sw::Buffer(matrix.size_bytes());
        matrix.place(panels.as());
        need(matrix.pack(0, matrix.panels()), "the scales must agree in spans.");
    }
    Packed(const Packed&) = delete;
    Packed& operator=(const Packed&) = delete;
    std::vector<uint8_t> bytes;
    sw::Tensor tensor;
    sw::Buffer panels;
    sw::PackedMatrix matrix;
};

// Every block of a tensor: (blocks, 35) with the codes, both scales and the minimum.
nb::object read_blocks(const std::string& type, const Bytes& data, int64_t row_count, int64_t columns) {
    const sw::Tensor tensor = tensor_of(type, data, row_count, columns);
    need(sw::quantized(tensor.type), "type must be a quantised one.");
    const size_t blocks = (size_t)columns / 32;
    auto y = allocate((size_t)row_count * blocks, 35);
    for (size_t i = 0; i < (size_t)row_count * blocks; ++i) {
        sw::Block32 block;
        sw::read_block(tensor.type, tensor.data + i / blocks * (tensor.size_bytes / row_count), i % blocks, block);
        float* to = y.get() + i * 35;
        for (int k = 0; k < 32; ++k) to[k] = block.codes[k];
        to[32] = block.scale[0];
        to[33] = block.scale[1];
        to[34] = block.minimum;
    }
    return rows((size_t)row_count * blocks, 35, std::move(y));
}

nb::object read_rows(const std::string& type, const Bytes& data, int64_t row_count, int64_t columns) {
    const sw::Tensor tensor = tensor_of(type, data, row_count, columns);
    auto y = allocate((size_t)row_count, (size_t)columns);
    for (int64_t row = 0; row < row_count; ++row)
        sw::read_tensor_row(tensor, (uint64_t)row, y.get() + row * columns);
    return rows((size_t)row_count, (size_t)columns, std::move(y));
}

std::vector<std::string> rounding() {
    std::vector<std::string> names;
    for (const std::string& name : available())
        if (kernels(name).rounded_products) names.push_back(name);
    return names;
}

// Tiles of the rows rounded to bf16, as kernels.h has them.
sw::Buffer make_tiles(const sw::Kernels& k, const FloatRows& x) {
    const size_t n = x.shape(0), cols = x.shape(1);
    sw::Buffer tiles((n + 15) / 16 * 16 * cols * sizeof(uint16_t));
    for (size_t t = 0; t < n; ++t) k.to_tiles(x.data() + t * cols, cols, tiles.as<uint16_t>() + t / 16 * 16 * cols + t % 16 * sw::kBlock);
    return tiles;
}

nb::object product(const std::string& isa, const Packed& w, const FloatRows& x, const std::optional<Floats>& bias,
                   const std::optional<FloatRows>& add, bool rounded) {
    const sw::Kernels& k = kernels(isa);
    const size_t n = x.shape(0), cols = x.shape(1), out_rows = (size_t)w.matrix.rows();
    need(cols == (size_t)w.matrix.cols(), "x must have as many columns as the matrix.");
    need(!bias || bias->shape(0) == out_rows, "bias must have one value a row.");
    need(!add || (add->shape(0) == n && add->shape(1) == out_rows), "add must have the shape of the result.");
    auto y = allocate(n, out_rows);
    if (add) std::memcpy(y.get(), add->data(), n * out_rows * sizeof(float));
    sw::Rows in;
    in.f32 = x.data();
    in.f32_stride = cols;
    std::vector<int8_t> q;
    std::vector<float> scale;
    std::vector<int32_t> offset, half;
    sw::Buffer tiles;
    if (rounded) {
        need(k.rounded_products && w.matrix.quantized(), "only some instruction sets round rows, for quantised weights.");
        tiles = make_tiles(k, x);
        in.bf16 = tiles.as<uint16_t>();
        in.q_stride = cols;
    } else if (w.matrix.quantized()) {
        const size_t stride = cols + 2 * sw::kBlock;   // as in a pass, where other matrices are wider
        const size_t readable = (n + 15) / 16 * 16 * stride;
        q.assign(readable, 77);
        scale.assign(readable / sw::kBlock, 1.0f);
        offset.assign(readable / sw::kBlock, 99);
        half.assign(readable / sw::kBlock, 99);
        const sw::Quantize quantize = in_spans(w.matrix.format()) ? k.quantize_spans : k.quantize;
        for (size_t row = 0, at = 0; row < n; ++row, at += stride)
            quantize(x.data() + row * cols, cols, q.data() + at, scale.data() + at / sw::kBlock, offset.data() + at / sw::kBlock,
                     half.data() + at / sw::kBlock);
        in.q_stride = stride;
        in.q = q.data();
        in.scale = scale.data();
        in.offset = offset.data();
        in.half = half.data();
    }
    const sw::Output out{y.get(), out_rows, bias ? bias->data() : nullptr, add.has_value()};
    if (n > 0) w.matrix.multiply(k, in, (int)n, out, 0, w.matrix.panels(), w.matrix.panels());
    return rows(n, out_rows, std::move(y));
}

nb::object quantize(const std::string& isa, const Floats& x, bool spans) {
    need(x.shape(0) % 32 == 0, "x must have a multiple of 32 values.");
    std::vector<int8_t> q(x.shape(0));
    std::vector<float> scale(x.shape(0) / 32);
    std::vector<int32_t> offset(x.shape(0) / 32), half(x.shape(0) / 32);
    (spans ? kernels(isa).quantize_spans : kernels(isa).quantize)(x.data(), x.shape(0), q.data(), scale.data(), offset.data(), half.data());
    nb::list codes, scales, offsets, halves;
    for (const int8_t v : q) codes.append(nb::int_((int)v));
    for (const float v : scale) scales.append(nb::float_((double)v));
    for (const int32_t v : offset) offsets.append(nb::int_(v));
    for (const int32_t v : half) halves.append(nb::int_(v));
    return nb::make_tuple(codes, scales, offsets, halves);
}

// The elementwise functions by name: (n,) -> (1, n)
nb::object map(const std::string& isa, const std::string& name, const Floats& x) {
    const sw::Kernels& k = kernels(isa);
    const size_t n = x.shape(0);
    auto y = allocate(1, n);
    if (n) std::memcpy(y.get(), x.data(), n * sizeof(float));
    const char* const names[] = {"silu", "gelu", "gelu_tanh", "relu", "tanh"};
    sw::Elementwise f = name == "exp" ? k.exp : nullptr;
    for (int i = 0; i < sw::kActivations; ++i)
        if (name == names[i]) f = k.activate[i];
    if (f) {
        f(y.get(), n);
    } else if (name == "half") {
        std::vector<uint16_t> half(n);
        k.to_half(x.data(), half.data(), n);
        k.from_half(half.data(), y.get(), n);
    } else if (name == "softmax") {
        const float sum = k.softmax(y.get(), n, n);
        k.scale(y.get(), 1.0f / sum, n);
    } else {
        throw sw::Error("bad_argument", "a function must be one of the table's. Got '" + name + "'.");
    }
    return rows(1, n, std::move(y));
}

nb::object norm(const std::string& isa, const Floats& x, const Floats& weight, const std::optional<Floats>& bias, float epsilon) {
    const size_t n = x.shape(0);
    need(weight.shape(0) == n && (!bias || bias->shape(0) == n), "weight and bias must be as long as x.");
    auto y = allocate(1, n);
    if (bias) kernels(isa).layer_norm(x.data(), weight.data(), bias->data(), n, epsilon, y.get());
    else kernels(isa).rms_norm(x.data(), weight.data(), n, epsilon, y.get());
    return rows(1, n, std::move(y));
}

nb::object rotate(const std::string& isa, const Floats& x, const Floats& cos, const Floats& sin, bool pairs) {
    const size_t half = cos.shape(0);
    need(x.shape(0) == 2 * half && sin.shape(0) == half, "x must be twice as long as cos and sin.");
    auto y = allocate(1, 2 * half);
    if (half) std::memcpy(y.get(), x.data(), 2 * half * sizeof(float));
    (pairs ? kernels(isa).rotate_pairs : kernels(isa).rotate_halves)(y.get(), cos.data(), sin.data(), half);
    return rows(1, 2 * half, std::move(y));
}

nb::object read_row(const Packed& w, int row) {
    need(row >= 0 && row < w.matrix.rows(), "row must be one of the matrix.");
    auto y = allocate(1, (size_t)w.matrix.cols());
    w.matrix.read_row(row, y.get());
    return rows(1, (size_t)w.matrix.cols(), std::move(y));
}

}  // namespace

void bind_kernels(nb::module_& m) {
    m.def("available", &available, "Names of the instruction sets that run here.");
    m.def("rounding", &rounding, "Those that multiply rows rounded to bf16.");
    nb::class_<Packed>(m, "Packed").def(nb::init<const std::string&, const Bytes&, int64_t, int64_t, bool, bool>(), nb::arg("type"),
                                        nb::arg("data"), nb::arg("rows"), nb::arg("cols"), nb::arg("in_place") = false, nb::arg("spans") = false)
        .def("read_row", &read_row, nb::arg("row"));
    m.def("read_blocks", &read_blocks, nb::arg("type"), nb::arg("data"), nb::arg("rows"), nb::arg("cols"));
    m.def("read_rows", &read_rows, nb::arg("type"), nb::arg("data"), nb::arg("rows"), nb::arg("cols"));
    m.def("product", &product, nb::arg("isa"), nb::arg("w"), nb::arg("x"), nb::arg("bias") = nb::none(), nb::arg("add") = nb::none(),
          nb::arg("rounded") = false);
    m.def("quantize", &quantize, nb::arg("isa"), nb::arg("x"), nb::arg("spans") = false);
    m.def("map", &map, nb::arg("isa"), nb::arg("name"), nb::arg("x"));
    m.def("norm", &norm, nb::arg("isa"), nb::arg("x"), nb::arg("weight"), nb::arg("bias"), nb::arg("epsilon"));
    m.def("rotate", &rotate, nb::arg("isa"), nb::arg("x"), nb::arg("cos"), nb::arg("sin"), nb::arg("pairs"));
}

}  // namespace sw_bind
