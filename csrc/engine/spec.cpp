#include "engine/spec.h"

#include <cmath>

#include "file/json.h"

namespace sw {
namespace {

[[noreturn]] void refuse(const std::string& law, const std::string& got, const std::string& place) {
    throw Error("bad_model", law + ". Got " + got + " in " + place + ".");
}

constexpr uint64_t kFormatVersion = 1;   // docs/format.md

// Bounds far above any model of this project, low enough that no product of two overflows a size.
constexpr int64_t kMostWidth = 1 << 17, kMostLayers = 1024, kMostContext = 1 << 24, kMostVocabulary = 1 << 24,
                  kMostFeedForward = 1 << 20, kMostHeads = 4096, kMostHeadWidth = 1024;

int bounded(int64_t value, int64_t most, const std::string& place, int64_t least = 1) {
    if (value < least || value > most)
        refuse("a size must be from " + std::to_string(least) + " to " + std::to_string(most), std::to_string(value), place);
    return (int)value;
}

float positive(double value, const std::string& place) {
    if (!(value > 0) || !(value < 1e30)) refuse("a number must be positive and finite", std::to_string(value), place);
    return (float)value;
}

template <class T>
T choose(const std::string& name, const std::vector<std::pair<const char*, T>>& known, const std::string& place) {
    std::string names;
    for (const auto& [key, value] : known) {
        if (name == key) return value;
        names += names.empty() ? key : std::string(", ") + key;
    }
    refuse("one of " + names + " is needed", "'" + name + "'", place);
}

const std::vector<std::pair<const char*, Activation>> kActivationNames = {
    {"silu", Activation::silu}, {"gelu", Activation::gelu}, {"gelu_tanh", Activation::gelu_tanh}, {"relu", Activation::relu}};
const std::vector<std::pair<const char*, Pooling>> kPoolingNames = {
    {"first", Pooling::first}, {"mean", Pooling::mean}, {"last", Pooling::last}, {"mean_before_norm", Pooling::mean_before_norm}};

bool or_false(const Json* value) { return value && !value->is_null() && value->boolean(); }

LayerSpec read_layer(const Json& json, const std::string& place) {
    const Json &mixer = json.at("mixer"), &feedforward = json.at("feedforward");
    LayerSpec layer;
    if (const Json* kind = mixer.find("kind"); kind && kind->string() != "attention")
        refuse("mixer kind must be attention", kind->string(), place);
    layer.heads = bounded(mixer.at("heads").integer(), kMostHeads, place + ".heads");
    layer.key_value_heads = bounded(mixer.at("key_value_heads").integer(), kMostHeads, place + ".key_value_heads");
    layer.head_width = bounded(mixer.at("head_width").integer(), kMostHeadWidth, place + ".head_width");
    layer.bias = or_false(mixer.find("bias"));
    layer.output_bias = or_false(mixer.find("output_bias"));
    layer.qk_norm = or_false(mixer.find("qk_norm"));
    layer.feedforward_width = bounded(feedforward.at("width").integer(), kMostFeedForward, place + ".feedforward.width");
    layer.feedforward_bias = or_false(feedforward.find("bias"));
    layer.activation = choose(feedforward.at("activation").string(), kActivationNames, place + ".activation");
    layer.gated = choose<bool>(feedforward.at("kind").string(), {{"gated", true}, {"plain", false}}, place + ".feedforward.kind");
    return layer;
}

void read_head(ModelSpec& spec, const Json& head, const std::string& place) {
    spec.classifier = choose<bool>(head.at("kind").string(), {{"classifier", true}, {"language_model", false}}, place + ".kind");
    if (!spec.classifier) {
        spec.tied = or_false(head.find("tied"));
        return;
    }
    spec.pooling = choose(head.at("pooling").string(), kPoolingNames, place + ".pooling");
    spec.pooler = or_false(head.find("pooler"));
    spec.output_bias = or_false(head.find("output_bias"));
    for (const Json& label : head.at("labels").array()) spec.labels.push_back(label.string());
}

// The head that smallwright.task names, or the only one.
const Json& find_head(const File& file, const Json& heads, std::string& name) {
    std::string_view text;
    if (file.find_string("smallwright.task", text)) {
        const Json task = Json::parse(text);
        name = task.at("head").string();
        const Json* head = heads.find(name);
        if (!head) refuse("smallwright.task must name a head of the model", "'" + name + "'", "smallwright.task");
        const std::string& kind = task.at("kind").string();
        if (kind != (head->at("kind").string() == "classifier" ? "classify" : "generate"))
            refuse("the task must fit its head", "'" + kind + "'", "smallwright.task");
        return *head;
    }
    if (heads.members().size() != 1)
        refuse("without smallwright.task a model has one head", std::to_string(heads.members().size()), "smallwright.model");
    name = heads.members()[0].first;
    return heads.members()[0].second;
}

void read_own(ModelSpec& spec, const File& file, std::string_view text) {
    const Json json = Json::parse(text);
    const Json &embedding = json.at("embedding"), &norm = json.at("norm");
    spec.own = true;
    spec.width = bounded(json.at("width").integer(), kMostWidth, "width");
    spec.context = bounded(json.at("context").integer(), kMostContext, "context");
    spec.causal = json.at("causal").boolean();
    spec.vocabulary = bounded(embedding.at("vocabulary").integer(), kMostVocabulary, "embedding.vocabulary");
    if (const Json* rows = embedding.find("positions"); rows && !rows->is_null())
        spec.positions = bounded(rows->integer(), kMostContext, "embedding.positions");
    if (const Json* rows = embedding.find("token_types"); rows && !rows->is_null())
        spec.token_types = bounded(rows->integer(), 1 << 16, "embedding.token_types");
    if (const Json* rows = embedding.find("bigrams"); rows && !rows->is_null())
        spec.bigrams = bounded(rows->integer(), kMostVocabulary, "embedding.bigrams");
    spec.embedding_norm = or_false(embedding.find("norm"));
    spec.layer_norm = choose<bool>(norm.at("kind").string(), {{"rms", false}, {"layer", true}}, "norm.kind");
    spec.post_norm = choose<bool>(norm.at("placement").string(), {{"pre", false}, {"post", true}}, "norm.placement");
    spec.epsilon = positive(norm.at("epsilon").number(), "norm.epsilon");
    if (const Json* base = json.find("rotary_base"); base && !base->is_null())
        spec.rotary_base = positive(base->number(), "rotary_base");
    const auto& layers = json.at("layers").array();
    bounded((int64_t)layers.size(), kMostLayers, "layers");
    for (size_t i = 0; i < layers.size(); ++i) spec.layers.push_back(read_layer(layers[i], "layers." + std::to_string(i)));
    std::string name;
    const Json& head = find_head(file, json.at("heads"), name);
    read_head(spec, head, "heads." + name);
}

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

void read_native_layers(ModelSpec& spec, const NativeKeys& keys) {
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
        layer.activation = layer.gated ? Activation::silu : Activation::gelu;
        spec.layers.push_back(layer);
    }
}

void read_native_head(ModelSpec& spec, const NativeKeys& keys) {
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

void read_native(ModelSpec& spec, const File& file) {
    const NativeKeys keys{file, spec.architecture};
    const bool bert = spec.architecture == "bert";
    if (!bert && spec.architecture != "llama" && spec.architecture != "qwen2" && spec.architecture != "qwen3")
        throw Error("unsupported_architecture",
                    "general.architecture must be llama, qwen2, qwen3 or bert, or the file must carry smallwright.model. Got '" +
                        spec.architecture + "'.");
    spec.width = bounded(keys.need("embedding_length"), kMostWidth, keys.key("embedding_length"));
    spec.context = bounded(keys.need("context_length"), kMostContext, keys.key("context_length"));
    const Tensor& table = file.get_tensor("token_embd.weight");
    spec.vocabulary = bounded((int64_t)std::min<uint64_t>(table.dims[1], INT32_MAX), kMostVocabulary, "token_embd.weight");
    spec.causal = !bert;
    if (bool causal; file.find_bool(keys.key("attention.causal"), causal)) spec.causal = causal;
    spec.layer_norm = spec.post_norm = spec.embedding_norm = bert;
    float epsilon = 0;
    const std::string name = keys.key(bert ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
    if (!file.find_float(name, epsilon)) throw Error("missing_key", "the file must have the key " + name + ". It has not.");
    spec.epsilon = positive(epsilon, name);
    if (bert) {
        const Tensor& positions = file.get_tensor("position_embd.weight");
        spec.positions = bounded((int64_t)std::min<uint64_t>(positions.dims[1], INT32_MAX), kMostContext, "position_embd.weight");
        spec.context = std::min(spec.context, spec.positions);
        if (const Tensor* types = file.find_tensor("token_types.weight"))
            spec.token_types = bounded((int64_t)std::min<uint64_t>(types->dims[1], INT32_MAX), 1 << 16, "token_types.weight");
    } else {
        float base = 10000.0f;
        file.find_float(keys.key("rope.freq_base"), base);
        spec.rotary_base = positive(base, keys.key("rope.freq_base"));
        std::string_view scaling;
        if (file.find_string(keys.key("rope.scaling.type"), scaling) && scaling != "none")
            throw Error("unsupported_rope", "rotary positions must not be scaled. Got '" + std::string(scaling) + "' in " +
                                                keys.key("rope.scaling.type") + ".");
    }
    read_native_layers(spec, keys);
    uint64_t rotated = 0;
    if (!bert && file.find_uint(keys.key("rope.dimension_count"), rotated))
        for (const LayerSpec& layer : spec.layers)
            if (rotated != (uint64_t)layer.head_width)
                throw Error("unsupported_rope", "the whole head must be rotated. Got rope.dimension_count " + std::to_string(rotated) +
                                                    " for heads of width " + std::to_string(layer.head_width) + ".");
    read_native_head(spec, keys);
}

// A later format may say things that this engine would read wrongly rather than not at all.
void check_format(const File& file) {
    uint64_t version = kFormatVersion;
    if (file.find_uint("smallwright.format_version", version) && version != kFormatVersion)
        throw Error("unsupported_format", "smallwright.format_version must be " + std::to_string(kFormatVersion) + ". Got " +
                                              std::to_string(version) + ". Use the engine of the release that wrote the package.");
}

void check(const ModelSpec& spec) {
    if ((spec.rotary_base > 0) == (spec.positions > 0))
        refuse("positions are either learned or rotary", spec.positions ? "both" : "neither", "the model");
    if (spec.positions && spec.positions < spec.context)
        refuse("learned positions cover the context", std::to_string(spec.positions), "embedding.positions");
    for (size_t i = 0; i < spec.layers.size(); ++i) {
        const LayerSpec& layer = spec.layers[i];
        const std::string place = "layers." + std::to_string(i);
        if (layer.heads % layer.key_value_heads != 0)
            refuse("key_value_heads divides heads", std::to_string(layer.key_value_heads), place);
        if (spec.rotary_base > 0 && layer.head_width % 2 != 0)
            refuse("rotary heads have an even width", std::to_string(layer.head_width), place);
        if ((int64_t)layer.heads * layer.head_width > kMostFeedForward)
            refuse("all heads together are at most " + std::to_string(kMostFeedForward) + " wide",
                   std::to_string((int64_t)layer.heads * layer.head_width), place);
    }
    // A pass of a language model may begin in the middle of a text, where the token before is not known.
    if (spec.bigrams && !spec.classifier) refuse("bigrams need whole texts: the head is a classifier", "a language model", "embedding.bigrams");
    if (spec.classifier && spec.pooling == Pooling::mean_before_norm && spec.post_norm)
        refuse("pooling mean_before_norm needs a norm after the last layer", "norms of placement post", "the head");
    if (spec.classifier && spec.labels.size() < 2)
        refuse("a classifier has at least two labels", std::to_string(spec.labels.size()), "the head");
    if (!spec.classifier && !spec.causal) refuse("a language model is causal", "a bidirectional one", "the head");
}

}  // namespace

ModelSpec ModelSpec::read(const File& file) {
    check_format(file);
    ModelSpec spec;
    spec.architecture = std::string(file.get_string("general.architecture"));
    std::string_view text;
    if (file.find_string("smallwright.model", text)) read_own(spec, file, text);
    else read_native(spec, file);
    spec.rotary_pairs = spec.architecture == "llama";
    if (bool pairs; file.find_bool("smallwright.rotary_interleaved", pairs)) spec.rotary_pairs = pairs;
    if (float t; file.find_float("smallwright.calibration.temperature", t))
        spec.temperature = positive(t, "smallwright.calibration.temperature");
    check(spec);
    return spec;
}

}  // namespace sw
