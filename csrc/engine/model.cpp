#include "engine/model.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace sw {
namespace {

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if ((unsigned char)c < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)c);
            out += escape;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

// What a tensor is stored as: its type, or the format of ours of whose planes it is one.
const char* storage_of(const Tensor& tensor, const Weights& weights) {
    const auto planes = weights.planes.find(tensor.name.substr(0, tensor.name.rfind('.')));
    if (planes == weights.planes.end()) return layout_of(tensor.type).name;
    return planes->second == Format::q3_span ? "q3_span" : planes->second == Format::q2_span ? "q2_span" : "q4_sparse";
}

std::string describe(const File& file, const ModelSpec& spec, const Weights& weights, const Kernels& kernels) {
    std::map<std::string, std::pair<uint64_t, uint64_t>> types;   // name: tensors, bytes
    for (const Tensor& tensor : file.tensors()) {
        auto& [count, bytes] = types[storage_of(tensor, weights)];
        ++count;
        bytes += tensor.size_bytes;
    }
    std::string out = "{";
    const auto field = [&out](const char* name, const std::string& value) {
        out += (out.size() > 1 ? "," : "") + quoted(name) + ":" + value;
    };
    field("architecture", quoted(spec.architecture));
    field("task", spec.classifier ? "\"classify\"" : "\"generate\"");
    field("parameters", std::to_string(weights.parameters));
    field("file_bytes", std::to_string(file.size_bytes()));
    field("packed_bytes", std::to_string(weights.packed_bytes()));
    field("tiles", weights.tiles.data() ? "true" : "false");
    field("width", std::to_string(spec.width));
    field("layers", std::to_string(spec.layers.size()));
    field("vocabulary", std::to_string(spec.vocabulary));
    field("context", std::to_string(spec.context));
    field("classes", std::to_string(spec.labels.size()));
    field("isa", quoted(kernels.name));
    std::string list;
    for (const auto& [name, counts] : types)
        list += (list.empty() ? "" : ",") + quoted(name) + ":{\"tensors\":" + std::to_string(counts.first) + ",\"bytes\":" + std::to_string(counts.second) + "}";
    field("tensor_types", "{" + list + "}");
    list.clear();
    for (const std::string_view& key : file.keys()) list += (list.empty() ? "" : ",") + quoted(key);
    field("keys", "[" + list + "]");
    return out + "}";
}

}  // namespace

std::unique_ptr<Model> Model::open(const std::string& path, bool in_place) {
    select_kernels();   // an impossible ISA is refused before the file is read
    return std::unique_ptr<Model>(new Model(File::open(path), in_place, path));
}

std::unique_ptr<Model> Model::parse(const uint8_t* bytes, uint64_t size_bytes, bool in_place) {
    return std::unique_ptr<Model>(new Model(File::parse(bytes, size_bytes), in_place, ""));
}

void Model::prepare(const std::string& path) {
    const Model model(File::open(path), false, "");
    Tiles::write(path, model.file_, model.weights_.panels);
}

Model::Model(File file, bool in_place, const std::string& path) : file_(std::move(file)), kernels_(select_kernels()), spec_(ModelSpec::read(file_)) {
    std::string_view tokenizer;
    if (file_.find_string("tokenizer.ggml.model", tokenizer)) {
        tokenizer_ = Tokenizer::create(file_);
        if (tokenizer_->vocabulary() > spec_.vocabulary)
            throw Error("bad_vocabulary", "the model must have a row for every token. Got " + std::to_string(spec_.vocabulary) +
                                              " rows for " + std::to_string(tokenizer_->vocabulary()) + " tokens.");
        suffix_tokens_ = tokenizer_->suffix_size();
    }
    weights_ = Weights::load(file_, spec_, in_place, path);
    plan_ = Plan::compile(spec_, weights_);
    description_ = describe(file_, spec_, weights_, kernels_);
}

const Tokenizer& Model::tokenizer() const {
    if (!tokenizer_) throw Error("no_tokenizer", "texts need a tokenizer in the file (key tokenizer.ggml.model). This file has none; use tokens.");
    return *tokenizer_;
}

std::string_view Model::find_text(std::string_view key) const {
    std::string_view found;
    file_.find_string(key, found);
    return found;
}

std::string_view Model::find_token_text(std::string_view key) const {
    uint64_t token = 0;
    std::vector<std::string_view> texts;
    if (!file_.find_uint(key, token) || !file_.find_strings("tokenizer.ggml.tokens", texts) || token >= texts.size()) return {};
    return texts[(size_t)token];
}

void Model::read_embedding(int token, float* out) const {
    if (weights_.table) weights_.table.read_row((uint64_t)token, out);
    else weights_.head.w.read_row(token, out);
}

std::vector<int32_t> Model::encode_for_classes(std::string_view text, bool& truncated) const {
    std::vector<int32_t> tokens = tokenizer().encode(text, true);
    const size_t context = (size_t)spec_.context;
    truncated = tokens.size() > context;
    if (truncated) {
        const size_t suffix = std::min(suffix_tokens_, context);
        std::copy(tokens.end() - suffix, tokens.end(), tokens.begin() + (context - suffix));
        tokens.resize(context);
    }
    return tokens;
}

std::string Model::write_prompt(std::string_view text, bool whole) const {
    std::string out = spec_.prompt_begin;
    if (spec_.prompt_lowercase) out += to_lowercase(text);
    else out += text;
    return whole ? out + spec_.prompt_end : out;
}

std::vector<int32_t> Model::encode_prompt(std::string_view text) const {
    std::vector<int32_t> tokens = tokenizer().encode(text, true);
    tokens.resize(tokens.size() - std::min(suffix_tokens_, tokens.size()));
    return tokens;
}

}  // namespace sw
