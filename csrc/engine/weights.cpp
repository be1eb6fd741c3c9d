// Every tensor that the description demands, checked and packed.
#include <algorithm>
#include <cstring>

#include "engine/mixer.h"

namespace sw {

const Tensor& Loader::expect(const std::string& name, uint64_t cols, uint64_t rows) const {
    const Tensor& tensor = file.get_tensor(name);
    bool fits = tensor.dims[0] == cols && tensor.dims[1] == rows;
    for (int i = 2; i < 4; ++i) fits = fits && tensor.dims[i] == 1;
    if (!fits)
        throw Error("bad_shape", "a tensor must have the shape that the model's description demands, (" + std::to_string(rows) + ", " +
                                     std::to_string(cols) + "). Got (" + std::to_string(tensor.dims[1]) + ", " +
                                     std::to_string(tensor.dims[0]) + ") in tensor " + name + ".");
    return tensor;
}

const Tensor& Loader::expect_rows(const std::string& name, uint64_t cols, uint64_t rows) const {
    const Tensor& tensor = expect(name, cols, rows);
    if (tensor.type == Type::i8 || tensor.type == Type::i32)
        throw Error("bad_type", "a table must hold floats or quantised blocks. Got an integer type in tensor " + name + ".");
    return tensor;
}

Planes Loader::planes(const std::string& name, uint64_t cols, uint64_t rows) const {
    Planes planes(file.get_tensor(name + ".codes"), file.get_tensor(name + ".scales"), file.find_tensor(name + ".mask"), rows, cols);
    out.planes.emplace(name, planes.format());
    return planes;
}

Table Loader::table(const std::string& name, uint64_t cols, uint64_t rows) const {
    return in_planes(name) ? Table(planes(name, cols, rows)) : Table(expect_rows(name, cols, rows));
}

std::vector<float> Loader::vector(const std::string& name, uint64_t size) const {
    const Tensor& tensor = expect(name, size, 1);
    if (tensor.type != Type::f32)
        throw Error("bad_type", "norms and biases must be F32. Got type " + std::string(layout_of(tensor.type).name) + " in tensor " + name + ".");
    std::vector<float> values(size);
    std::memcpy(values.data(), tensor.data, size * sizeof(float));
    out.parameters += size;
    return values;
}

Norm Loader::norm(const std::string& name) const {
    Norm norm;
    norm.weight = vector(name + ".weight", spec.width);
    if (spec.layer_norm) norm.bias = vector(name + ".bias", spec.width);
    return norm;
}

Linear Loader::linear(const std::string& name, uint64_t rows, uint64_t cols, bool bias) const {
    const std::string weight = name + ".weight";
    Linear linear;
    linear.w = in_planes(weight) ? PackedMatrix(planes(weight, cols, rows)) : PackedMatrix(expect(weight, cols, rows), spec.spans);
    if (bias) linear.bias = vector(name + ".bias", rows);
    out.parameters += rows * cols;
    return linear;
}

LayerWeights Loader::layer(size_t index) const {
    const LayerSpec& s = spec.layers[index];
    const std::string block = Loader::block(index);
    const uint64_t width = spec.width;
    LayerWeights w;
    w.mixer_norm = norm(block + (spec.post_norm ? "attn_output_norm" : "attn_norm"));
    w.feedforward_norm = norm(block + (spec.post_norm ? "layer_output_norm" : "ffn_norm"));
    kMixers[s.mixer]->load(*this, index, w);
    if (s.post_norms) {
        w.mixer_post_norm = norm(block + "post_attention_norm");
        w.feedforward_post_norm = norm(block + "post_ffw_norm");
    }
    if (s.gated) w.gate = linear(block + "ffn_gate", s.feedforward_width, width, s.feedforward_bias);
    w.up = linear(block + "ffn_up", s.feedforward_width, width, s.feedforward_bias);
    w.down = linear(block + "ffn_down", width, s.feedforward_width, s.feedforward_bias);
    return w;
}

Weights Weights::load(const File& file, const ModelSpec& spec, bool in_place, const std::string& path) {
    Weights weights;
    const Loader load{file, spec, weights};
    Table table = load.table("token_embd.weight", spec.width, spec.vocabulary);
    if (spec.bigrams) {
        weights.bigrams = load.table("bigram_embd.weight", spec.width, spec.bigrams);
        weights.parameters += (uint64_t)spec.bigrams * spec.width;
    }
    if (spec.positions) {
        const Tensor& positions = load.expect_rows("position_embd.weight", spec.width, spec.positions);
        if (positions.type == Type::f32) {
            weights.positions = reinterpret_cast<const float*>(positions.data);
        } else {
            weights.position_rows.resize((size_t)spec.positions * spec.width);
            for (int row = 0; row < spec.positions; ++row)
                read_tensor_row(positions, row, weights.position_rows.data() + (size_t)row * spec.width);
            weights.positions = weights.position_rows.data();
        }
        weights.parameters += (uint64_t)spec.positions * spec.width;
    }
    if (spec.token_types) {
        const Tensor& types = load.expect_rows("token_types.weight", spec.width, spec.token_types);
        weights.token_type.resize(spec.width);
        read_tensor_row(types, 0, weights.token_type.data());
        weights.parameters += (uint64_t)spec.token_types * spec.width;
    }
    if (spec.embedding_norm) weights.embedding_norm = load.norm("token_embd_norm");
    if (spec.rotary_base > 0 && file.find_tensor("rope_freqs.weight")) {
        weights.rotary_factors = load.vector("rope_freqs.weight", spec.layers[0].head_width / 2);
        for (float factor : weights.rotary_factors)
            if (!(factor > 0)) throw Error("bad_model", "rotary factors must be positive. Got another in tensor rope_freqs.weight.");
        for (const LayerSpec& layer : spec.layers)
            if (layer.head_width != spec.layers[0].head_width)
                throw Error("bad_shape", "rope_freqs.weight needs heads of one width. Got several.");
    }
    for (size_t i = 0; i < spec.layers.size(); ++i) weights.layers.push_back(load.layer(i));
    if (!spec.post_norm) weights.final_norm = load.norm("output_norm");
    if (spec.classifier) {
        if (spec.pooler) weights.pooler = load.linear("cls", spec.width, spec.width, true);
        weights.head = load.linear("cls.output", spec.labels.size(), spec.width, spec.output_bias);
    } else {
        weights.head = load.linear(spec.tied ? "token_embd" : "output", spec.vocabulary, spec.width, false);
    }
    if (spec.classifier || !spec.tied) {
        weights.table = std::move(table);
        weights.parameters += (uint64_t)spec.vocabulary * spec.width;
    }
    weights.pack(file, in_place, path);
    return weights;
}

void Weights::pack(const File& file, bool in_place, const std::string& path) {
    const auto refuse = [](const PackedMatrix& matrix) {
        throw Error("bad_scales", "in a file with the key smallwright.scale_span the scales of every 128 inputs of a Q8_0 row must be equal, and those "
                                  "of a Q4_0 row at most 15 times one power of two, whole times. They are not in tensor " +
                                      std::string(matrix.tensors()[0]->name) + ". Make the package again.");
    };
    std::vector<PackedMatrix*> matrices;
    for (LayerWeights& w : layers)
        for (Linear* linear : {&w.q, &w.k, &w.v, &w.output, &w.gate, &w.up, &w.down})
            if (linear->w.rows()) matrices.push_back(&linear->w);
    for (Linear* linear : {&pooler, &head})
        if (linear->w.rows()) matrices.push_back(&linear->w);
    if (in_place) {
        for (const PackedMatrix* matrix : matrices)
            if (!matrix->scales_agree()) refuse(*matrix);
        return;
    }
    size_t size_bytes = 0;
    for (const PackedMatrix* matrix : matrices) size_bytes += matrix->size_bytes();
    if (!path.empty()) tiles = Tiles::open(path, file, size_bytes);
    if (!tiles.data()) panels = Buffer(size_bytes);
    const uint8_t* at = tiles.data() ? tiles.data() : panels.as();
    for (PackedMatrix* matrix : matrices) {
        matrix->place(at);
        at += matrix->size_bytes();
    }
    if (tiles.data()) return;
    constexpr size_t kWorthThreads = 4u << 20;   // less is packed before a thread has started
    Threads threads(size_bytes < kWorthThreads ? 1 : 0);
    const Threads::Pass pass(threads);
    // The head, most often the largest, goes first: what is packed gives its part of the file back, so memory is
    // highest at the end, by the last matrix.
    std::rotate(matrices.begin(), matrices.end() - 1, matrices.end());
    for (PackedMatrix* matrix : matrices) {
        constexpr int kPanelsOfTask = 8;
        const int tasks = (matrix->panels() + kPanelsOfTask - 1) / kPanelsOfTask;
        threads.run(tasks, [&](int task, int) {
            if (!matrix->pack(task * kPanelsOfTask, std::min((task + 1) * kPanelsOfTask, matrix->panels()))) refuse(*matrix);
        });
        for (const Tensor* tensor : matrix->tensors()) file.release(*tensor);
    }
}

}  // namespace sw
