#include "engine/spec.h"

#include <cmath>

#include "engine/bounds.h"
#include "engine/mixer.h"
#include "engine/native.h"
#include "file/json.h"

namespace sw {
namespace {

constexpr uint64_t kFormatVersion = 1;   // docs/format.md

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
    if (const Json* kind = mixer.find("kind")) {
        std::vector<std::pair<const char*, int>> kinds;
        for (int i = 0; i < kMixerCount; ++i) kinds.emplace_back(kMixers[i]->name, i);
        layer.mixer = choose(kind->string(), kinds, place + ".mixer.kind");
    }
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
const Json& find_head(ModelSpec& spec, const File& file, const Json& heads, std::string& name) {
    std::string_view text;
    if (file.find_string("smallwright.task", text)) {
        const Json task = Json::parse(text);
        name = task.at("head").string();
        const Json* head = heads.find(name);
        if (!head) refuse("smallwright.task must name a head of the model", "'" + name + "'", "smallwright.task");
        const std::string& kind = task.at("kind").string();
        if (kind != (head->at("kind").string() == "classifier" ? "classify" : "generate"))
            refuse("the task must fit its head", "'" + kind + "'", "smallwright.task");
        if (const Json* prompt = task.find("prompt")) {
            spec.prompt_begin = prompt->at("begin").string();
            spec.prompt_end = prompt->at("end").string();
            spec.prompt_lowercase = prompt->at("lowercase").boolean();
        }
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
    for (LayerSpec& layer : spec.layers) {
        layer.rotary_base = spec.rotary_base;
        layer.query_scale = 1.0f / std::sqrt((float)layer.head_width);
    }
    std::string name;
    const Json& head = find_head(spec, file, json.at("heads"), name);
    read_head(spec, head, "heads." + name);
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
    spec.rotary_pairs = spec.architecture == "llama" || spec.architecture == "smollm3" || spec.architecture == "mistral3";
    if (bool pairs; file.find_bool("smallwright.rotary_interleaved", pairs)) spec.rotary_pairs = pairs;
    if (float t; file.find_float("smallwright.calibration.temperature", t))
        spec.temperature = positive(t, "smallwright.calibration.temperature");
    if (uint64_t span; file.find_uint("smallwright.scale_span", span)) {
        if (span != (uint64_t)kSpan) throw Error("bad_scales", "smallwright.scale_span must be " + std::to_string(kSpan) + ". Got " + std::to_string(span) + ".");
        spec.spans = true;
    }
    check(spec);
    return spec;
}

}  // namespace sw
