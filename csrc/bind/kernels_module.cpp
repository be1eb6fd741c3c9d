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
    for (const char* name : {"ref", "avx2", "avx512"}) {
        try {
            names.emplace_back(sw::select_kernels(name).name);
        } catch (const sw::Error&) {
            continue;   // this machine cannot run it; the caller reads who is missing
        }
    }
    return names;
}

sw::Type type_of(const std::string& name) {
    if (name == "f32") return sw::Type::f32;
    if (name == "f16") return sw::Type::f16;
    if (name == "q8_0") return sw::Type::q8_0;
    if (name == "q4_0") return sw::Type::q4_0;
    throw sw::Error("bad_argument", "a type must be f32, f16, q8_0 or q4_0. Got '" + name + "'.");
}

struct Packed {
    Packed(const std::string& type, const Bytes& data, int64_t row_count, int64_t columns) {
        sw::Tensor tensor{};
        tensor.name = "test";
        tensor.type = type_of(type);
        need(row_count > 0 && columns > 0 && row_count < (1 << 24) && columns < (1 << 24), "rows and cols must be from 1 to 2^24.");
        const int64_t size = type == "f32" ? row_count * columns * 4 : type == "f16" ? row_count * columns * 2
                           : row_count * (columns / 32) * (type == "q8_0" ? 34 : 18);
        need((int64_t)data.shape(0) == size, "data must have the exact size of the matrix.");
        tensor.n_dims = 2;
        tensor.dims[0] = (uint64_t)columns;
        tensor.dims[1] = (uint64_t)row_count;
        tensor.dims[2] = tensor.dims[3] = 1;
        tensor.data = data.data();
        tensor.size_bytes = (uint64_t)size;
        matrix = sw::PackedMatrix(tensor);
    }
    sw::PackedMatrix matrix;
};

nb::object product(const std::string& isa, const Packed& w, const FloatRows& x, const std::optional<Floats>& bias,
                   const std::optional<FloatRows>& add) {
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
    std::vector<int32_t> offset;
    if (w.matrix.quantized()) {
        q.resize(n * cols);
        scale.resize(n * cols / 32);
        offset.resize(n * cols / 32);
        k.quantize(x.data(), n * cols, q.data(), scale.data(), offset.data());
        in.q = q.data();
        in.scale = scale.data();
        in.offset = offset.data();
        in.q_stride = cols;
    }
    const sw::Output out{y.get(), out_rows, bias ? bias->data() : nullptr, add.has_value()};
    if (n > 0) w.matrix.product(k)(w.matrix.view(), in, (int)n, out, 0, w.matrix.panels());
    return rows(n, out_rows, std::move(y));
}

nb::object quantize(const std::string& isa, const Floats& x) {
    need(x.shape(0) % 32 == 0, "x must have a multiple of 32 values.");
    std::vector<int8_t> q(x.shape(0));
    std::vector<float> scale(x.shape(0) / 32);
    std::vector<int32_t> offset(x.shape(0) / 32);
    kernels(isa).quantize(x.data(), x.shape(0), q.data(), scale.data(), offset.data());
    nb::list codes, scales, offsets;
    for (const int8_t v : q) codes.append(nb::int_((int)v));
    for (const float v : scale) scales.append(nb::float_((double)v));
    for (const int32_t v : offset) offsets.append(nb::int_(v));
    return nb::make_tuple(codes, scales, offsets);
}

// The elementwise functions by name: (n,) -> (1, n)
nb::object map(const std::string& isa, const std::string& name, const Floats& x) {
    const sw::Kernels& k = kernels(isa);
    const size_t n = x.shape(0);
    auto y = allocate(1, n);
    if (n) std::memcpy(y.get(), x.data(), n * sizeof(float));
    const char* const names[] = {"silu", "gelu", "gelu_tanh", "relu", "tanh"};
    sw::Elementwise f = name == "exp" ? k.exp : name == "erf" ? k.erf : nullptr;
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
    w.matrix.read_row(sw::select_kernels("ref"), row, y.get());
    return rows(1, (size_t)w.matrix.cols(), std::move(y));
}

}  // namespace

void bind_kernels(nb::module_& m) {
    m.def("available", &available, "Names of the instruction sets that run here.");
    nb::class_<Packed>(m, "Packed").def(nb::init<const std::string&, const Bytes&, int64_t, int64_t>(), nb::arg("type"),
                                        nb::arg("data"), nb::arg("rows"), nb::arg("cols"))
        .def("read_row", &read_row, nb::arg("row"));
    m.def("product", &product, nb::arg("isa"), nb::arg("w"), nb::arg("x"), nb::arg("bias") = nb::none(), nb::arg("add") = nb::none());
    m.def("quantize", &quantize, nb::arg("isa"), nb::arg("x"));
    m.def("map", &map, nb::arg("isa"), nb::arg("name"), nb::arg("x"));
    m.def("norm", &norm, nb::arg("isa"), nb::arg("x"), nb::arg("weight"), nb::arg("bias"), nb::arg("epsilon"));
    m.def("rotate", &rotate, nb::arg("isa"), nb::arg("x"), nb::arg("cos"), nb::arg("sin"), nb::arg("pairs"));
}

}  // namespace sw_bind
