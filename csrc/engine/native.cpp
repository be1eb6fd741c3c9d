// The families and what tells them apart; docs/format.md lists the keys. Source: the converters and model files of
// llama.cpp, whose meaning a file of its keys has.
#include "engine/native.h"

#include <algorithm>
#include <cmath>

#include "engine/bounds.h"

namespace sw {
namespace {

const char* const kArchitectures[] = {"llama", "mistral3", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3", "bert"};

bool is_gemma(const std::string& architecture) { return architecture.compare(0, 5, "gemma") == 0; }

// llama.cpp's keys: <architecture>.<name>
struct NativeKeys {
    const File& file;
    std::string architecture;

    std::string key(const char* name) const { return architecture + "." + name; }
    int64_t need(const char* name) const {
        const uint64_t value = file.get_uint(key(name));
        if (value > (uint64_t)INT32_MAX) refuse("a size must fit 31 bits", std::to_string(value), key(name));
        return (int64_t)value;
    }
    bool has(const std::string& tensor) const { return file.find_tensor(tensor) != nullptr; }
    float real(const char* name, float fallback) const {
        file.find_float(key(name), fallback);
        return positive(fallback, key(name));
    }
    // A number for every layer: one value, or an array with one each.
    std::vector<int64_t> per_layer(const char* name, size_t layers, int64_t fallback) const {
        bool there = false;
        for (const std::string_view& k : file.keys()) there = there || k == key(name);
        if (!there) {
            if (fallback < 0) throw Error("missing_key", "the file must have the key " + key(name) + ". It has not.");
            return std::vector<int64_t>(layers, fallback);
        }
        std::vector<int64_t> out;
        uint64_t one = 0;
        bool single = true;
        try {
            single = file.find_uint(key(name), one);
        } catch (const Error&) {
            single = false;   // an array
        }
        if (single) return std::vector<int64_t>(layers, one > INT32_MAX ? -1 : (int64_t)one);
        std::vector<uint64_t> many;
        file.find_uints(key(name), many);
        if (many.size() != layers) refuse("an array has one entry a layer", std::to_string(many.size()), key(name));
        for (uint64_t value : many) out.push_back(value > INT32_MAX ? -1 : (int64_t)value);
        return out;
    }
};

void read_layers(ModelSpec& spec, const NativeKeys& keys) {
    const size_t layers = bounded(keys.need("block_count"), kMostLayers, keys.key("block_count"));
    const auto heads = keys.per_layer("attention.head_count", layers, -1);
    const auto widths = keys.per_layer("feed_forward_length", layers, -1);
    const auto key_value_heads = keys.per_layer("attention.head_count_kv", layers, 0);
    uint64_t key_length = 0, value_length = 0;
    const bool explicit_width = keys.file.find_uint(keys.key("attention.key_length"), key_length);
    if (keys.file.find_uint(keys.key("attention.value_length"), value_length) && explicit_width && value_length != key_length)
        refuse("keys and values must be equally wide", std::to_string(value_length), keys.key("attention.value_length"));
    for (size_t i = 0; i < layers; ++i) {
        const std::string block = "blk." + std::to_string(i) + ".";
        LayerSpec layer;
        layer.heads = bounded(heads[i], kMostHeads, keys.key("attention.head_count"));
        layer.key_value_heads = key_value_heads[i] == 0 ? layer.heads : bounded(key_value_heads[i], kMostHeads, keys.key("attention.head_count_kv"));
        const uint64_t width = explicit_width ? key_length : (uint64_t)(spec.width / layer.heads);
        layer.head_width = bounded((int64_t)std::min<uint64_t>(width, INT32_MAX), kMostHeadWidth, "head width of " + block);
        layer.bias = keys.has(block + "attn_q.bias");
        layer.output_bias = keys.has(block + "attn_output.bias");
        layer.qk_norm = keys.has(block + "attn_q_norm.weight");
        layer.feedforward_width = bounded(widths[i], kMostFeedForward, keys.key("feed_forward_length"));
        layer.feedforward_bias = keys.has(block + "ffn_up.bias");
        layer.gated = keys.architecture != "bert";
        layer.activation = !layer.gated ? Activation::gelu : is_gemma(keys.architecture) ? Activation::gelu_tanh : Activation::silu;
        layer.query_scale = 1.0f / std::sqrt((float)layer.head_width);
        spec.layers.push_back(layer);
    }
}

// Which layers see only a window: every one but the last of each group, unless the file lists them.
std::vector<bool> windowed_layers(const NativeKeys& keys, size_t layers, uint64_t group) {
    const std::string name = keys.key("attention.sliding_window_pattern");
    std::vector<bool> listed;
    if (keys.file.find_bools(name, listed)) {
        if (listed.size() != layers) refuse("an array has one entry a layer", std::to_string(listed.size()), name);
        return listed;
    }
    keys.file.find_uint(name, group);
    listed.resize(layers);
    for (size_t i = 0; i < layers; ++i) listed[i] = group == 0 || i % group < group - 1;
    return listed;
}

// Factor of linear scaling; 1 without it. The other kinds change the angles in ways that the engine does not know.
float read_rope_factor(const NativeKeys& keys) {
    std::string_view kind;
    const std::string name = keys.key("rope.scaling.type");
    if (keys.file.find_string(name, kind) && kind != "none" && kind != "linear")
        throw Error("unsupported_rope", "rotary positions must not be scaled, or linearly. Got '" + std::string(kind) + "' in " + name + ".");
    float factor = 0;
    if (kind == "none") return 1;
    std::string place = keys.key("rope.scaling.factor");
    if (!keys.file.find_float(place, factor)) keys.file.find_float(place = keys.key("rope.scale_linear"), factor);
    return factor == 0 ? 1 : positive(factor, place);
}

void read_rotary(ModelSpec& spec, const NativeKeys& keys) {
    spec.rotary_base = keys.real("rope.freq_base", 10000.0f);
    const float factor = read_rope_factor(keys);
    uint64_t rotated = 0;
    const bool given = keys.file.find_uint(keys.key("rope.dimension_count"), rotated);
    for (size_t i = 0; i < spec.layers.size(); ++i) {
        LayerSpec& layer = spec.layers[i];
        if (given && rotated != (uint64_t)layer.head_width)
            throw Error("unsupported_rope", "the whole head must be rotated. Got rope.dimension_count " + std::to_string(rotated) +
                                                " for heads of width " + std::to_string(layer.head_width) + ".");
        const bool blind = keys.architecture == "smollm3" && (i + 1) % 4 == 0;
        layer.rotary_base = blind ? 0 : spec.rotary_base;
        layer.rotary_factor = factor;
    }
    if (float scale = 0; keys.file.find_float(keys.key("attention.temperature_scale"), scale) && scale != 0)
        throw Error("unsupported_rope", "queries must not be scaled by their position. Got " + std::to_string(scale) + " in " +
                                            keys.key("attention.temperature_scale") + ".");
}

// gemma2 and gemma3, after read_rotary: windows, capped scores, norms behind both halves of a layer.
void read_windows(ModelSpec& spec, const NativeKeys& keys) {
    if (!spec.causal) refuse("a model with windows is causal", "false", keys.key("attention.causal"));
    const bool second = keys.architecture == "gemma2";
    const size_t layers = spec.layers.size();
    uint64_t window = second ? 4096 : 0;
    keys.file.find_uint(keys.key("attention.sliding_window"), window);
    const int tokens = bounded((int64_t)std::min<uint64_t>(window, INT32_MAX), kMostContext, keys.key("attention.sliding_window"), second);
    const std::vector<bool> windowed = windowed_layers(keys, layers, second ? 2 : 6);
    const float base = keys.real("rope.freq_base_swa", second ? spec.rotary_base : 10000.0f);
    const float softcap = second ? keys.real("attn_logit_softcapping", 50.0f) : 0;
    for (size_t i = 0; i < layers; ++i) {
        LayerSpec& layer = spec.layers[i];
        layer.post_norms = true;
        layer.score_softcap = softcap;
        // The largest of both families divide the width among the heads, whatever the width of these is.
        if (layers == (second ? 46 : 62)) layer.query_scale = 1.0f / std::sqrt((float)(spec.width / layer.heads));
        if (tokens == 0 || !windowed[i]) continue;
        layer.window = tokens;
        layer.rotary_base = base;
        if (!second) layer.rotary_factor = 1;
    }
    float logits = second ? 30.0f : 0;
    const std::string name = keys.key("final_logit_softcapping");
    keys.file.find_float(name, logits);
    spec.logit_softcap = !second && logits == 0 ? 0 : positive(logits, name);
}

void read_head(ModelSpec& spec, const NativeKeys& keys) {
    spec.classifier = keys.has("cls.output.weight");
    if (!spec.classifier) {
        if (!spec.causal)
            throw Error("unsupported_task", "a bidirectional model must have a classifier (tensor cls.output.weight). It has none.");
        spec.tied = !keys.has("output.weight");
        return;
    }
    spec.pooler = keys.has("cls.weight");
    spec.output_bias = keys.has("cls.output.bias");
    spec.pooling = spec.causal ? Pooling::last : Pooling::first;
    uint64_t pooling = 0;
    const bool given = keys.file.find_uint(keys.key("pooling_type"), pooling);
    if (given && pooling == 4) keys.file.find_uint(keys.key("classifier.pooling_type"), pooling);   // "rank": how is said there
    if (given) {
        if (pooling == 1) spec.pooling = Pooling::mean;
        else if (pooling == 2) spec.pooling = Pooling::first;
        else if (pooling == 3) spec.pooling = Pooling::last;
        else if (pooling != 0 && pooling != 4) refuse("pooling_type must be from 0 to 4", std::to_string(pooling), keys.key("pooling_type"));
    }
    std::vector<std::string_view> labels;
    if (keys.file.find_strings(keys.key("classifier.output_labels"), labels)) {
        for (auto label : labels) spec.labels.emplace_back(label);
        return;
    }
    const uint64_t rows = keys.file.get_tensor("cls.output.weight").dims[1];
    bounded((int64_t)std::min<uint64_t>(rows, INT32_MAX), 1 << 20, "cls.output.weight", 2);
    for (uint64_t i = 0; i < rows; ++i) spec.labels.push_back("LABEL_" + std::to_string(i));
}

void read_bert(ModelSpec& spec, const NativeKeys& keys) {
    spec.layer_norm = spec.post_norm = spec.embedding_norm = true;
    const Tensor& positions = keys.file.get_tensor("position_embd.weight");
    spec.positions = bounded((int64_t)std::min<uint64_t>(positions.dims[1], INT32_MAX), kMostContext, "position_embd.weight");
    spec.context = std::min(spec.context, spec.positions);
    if (const Tensor* types = keys.file.find_tensor("token_types.weight"))
        spec.token_types = bounded((int64_t)std::min<uint64_t>(types->dims[1], INT32_MAX), 1 << 16, "token_types.weight");
}

void check_architecture(const std::string& architecture) {
    std::string names;
    for (const char* known : kArchitectures) {
        if (architecture == known) return;
        names += known;
        names += ", ";
    }
    throw Error("unsupported_architecture", "general.architecture must be one of " + names +
                                                "or the file must carry smallwright.model. Got '" + architecture + "'.");
}

}  // namespace

void read_native(ModelSpec& spec, const File& file) {
    check_architecture(spec.architecture);
    const NativeKeys keys{file, spec.architecture};
    const bool bert = spec.architecture == "bert";
    spec.width = bounded(keys.need("embedding_length"), kMostWidth, keys.key("embedding_length"));
    spec.context = bounded(keys.need("context_length"), kMostContext, keys.key("context_length"));
    const Tensor& table = file.get_tensor("token_embd.weight");
    spec.vocabulary = bounded((int64_t)std::min<uint64_t>(table.dims[1], INT32_MAX), kMostVocabulary, "token_embd.weight");
    spec.causal = !bert;
    if (bool causal; file.find_bool(keys.key("attention.causal"), causal)) spec.causal = causal;
    float epsilon = 0;
    const std::string name = keys.key(bert ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
    if (!file.find_float(name, epsilon)) throw Error("missing_key", "the file must have the key " + name + ". It has not.");
    spec.epsilon = positive(epsilon, name);
    if (bert) read_bert(spec, keys);
    read_layers(spec, keys);
    if (!bert) read_rotary(spec, keys);
    if (is_gemma(spec.architecture)) spec.embedding_scale = std::sqrt((float)spec.width);
    if (spec.architecture == "gemma2" || spec.architecture == "gemma3") read_windows(spec, keys);
    read_head(spec, keys);
}

}  // namespace sw
