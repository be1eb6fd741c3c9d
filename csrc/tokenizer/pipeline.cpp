// Reads the tokenizer's keys. A package's own key says all; an ordinary GGUF file says it in llama.cpp's conventions.
#include "tokenizer/pipeline.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "file/gguf.h"
#include "file/json.h"

namespace sw {

namespace {

constexpr size_t kMaxSpecialBytes = 1024;   // keeps the search for special tokens linear in the text
constexpr int64_t kMaxWordChars = 10000;

[[noreturn]] void refuse(const std::string& law, const std::string& got, const std::string& place) {
    throw Error("bad_tokenizer", law + ". Got " + got + " in " + place + ". Write the package again.");
}

[[noreturn]] void refuse_unknown(const std::string& what, std::string_view got, const std::string& known) {
    throw Error("unsupported_tokenizer", "the engine knows the " + what + " " + known + ". Got '" +
                                             std::string(got.substr(0, 80)) +
                                             "' in the package's tokenizer. Use a model with one of these.");
}

int32_t check_token(uint64_t token, size_t count, const std::string& place) {
    if (token >= count) refuse("a token is below " + std::to_string(count), std::to_string(token), place);
    return static_cast<int32_t>(token);
}

int32_t read_token(const Json& value, size_t count, const std::string& name) {
    const int64_t token = value.integer();
    if (token < 0) refuse("a token is not negative", std::to_string(token), "smallwright.tokenizer: " + name);
    return check_token(static_cast<uint64_t>(token), count, "smallwright.tokenizer: " + name);
}

std::vector<int32_t> read_tokens(const Json& json, const char* name, size_t count) {
    std::vector<int32_t> out;
    const Json* value = json.find(name);
    if (value == nullptr) return out;
    for (const Json& item : value->array()) out.push_back(read_token(item, count, name));
    if (out.size() > count) refuse(std::string(name) + " lists each token once", std::to_string(out.size()) + " tokens",
                                   "smallwright.tokenizer");
    return out;
}

bool read_flag(const Json& json, const char* name) {
    const Json* value = json.find(name);
    return value != nullptr && value->boolean();
}

void check_members(const Json& json) {
    static const char* const known[] = {"model", "split", "normalize", "add_prefix_space", "ignore_merges", "lowercase",
                                        "strip_accents", "clean_text", "split_cjk", "max_word_chars", "unknown",
                                        "prefix", "suffix", "special", "literal"};
    for (const auto& member : json.members())
        if (std::find(std::begin(known), std::end(known), member.first) == std::end(known))
            throw Error("unsupported_tokenizer", "a tokenizer's description has only members that this engine knows. Got '" +
                                                     member.first.substr(0, 80) +
                                                     "' in smallwright.tokenizer. Use a newer engine.");
}

void read_spec(Pipeline& out, std::string_view text) {
    const Json json = Json::parse(text);
    check_members(json);
    const size_t count = out.tokens.size();
    const std::string& model = json.at("model").string();
    if (model != "bpe" && model != "wordpiece") refuse_unknown("tokenizer models", model, "bpe and wordpiece");
    if ((model == "wordpiece") != out.wordpiece || out.sentencepiece)
        refuse("tokenizer.ggml.model and smallwright.tokenizer name the same model", "'" + model + "'",
               "smallwright.tokenizer");
    if (!out.wordpiece && !find_split(json.at("split").string(), out.split))
        refuse_unknown("splits", json.at("split").string(), "gpt2, llama3, qwen2 and smollm");
    const Json* normalize = json.find("normalize");
    if (normalize != nullptr && !normalize->is_null()) {
        if (normalize->string() != "nfc") refuse_unknown("normal forms", normalize->string(), "nfc and null");
        out.nfc = true;
    }
    out.add_prefix_space = read_flag(json, "add_prefix_space");
    out.ignore_merges = read_flag(json, "ignore_merges");
    out.lowercase = read_flag(json, "lowercase");
    out.strip_accents = read_flag(json, "strip_accents");
    out.clean_text = read_flag(json, "clean_text");
    out.split_cjk = read_flag(json, "split_cjk");
    if (const Json* value = json.find("max_word_chars")) {
        const int64_t chars = value->integer();
        if (chars < 1 || chars > kMaxWordChars)
            refuse("max_word_chars is 1 to " + std::to_string(kMaxWordChars), std::to_string(chars), "smallwright.tokenizer");
        out.max_word_chars = static_cast<uint32_t>(chars);
    }
    const Json* unknown = json.find("unknown");
    if (unknown != nullptr && !unknown->is_null()) out.unknown = read_token(*unknown, count, "unknown");
    out.prefix = read_tokens(json, "prefix", count);
    out.suffix = read_tokens(json, "suffix", count);
    out.special = read_tokens(json, "special", count);
    out.literal = read_tokens(json, "literal", count);
}

// The token that a native key names, or -1 when the key is absent.
int32_t find_role(const File& file, const std::string& name, size_t count) {
    const std::string key = "tokenizer.ggml." + name;
    uint64_t token = 0;
    if (!file.find_uint(key, token)) return -1;
    return check_token(token, count, key);
}

bool find_flag(const File& file, const std::string& name, bool otherwise) {
    bool value = otherwise;
    file.find_bool("tokenizer.ggml." + name, value);
    return value;
}

void derive_bpe(Pipeline& out, const File& file) {
    std::string_view pre = "default";
    file.find_string("tokenizer.ggml.pre", pre);
    bool add_begin = false;
    if (pre == "default" || pre == "gpt-2") {
        out.split = Split::gpt2;
    } else if (pre == "llama-bpe" || pre == "llama3") {
        out.split = Split::llama3;
        out.ignore_merges = true;
        add_begin = true;
    } else if (pre == "smaug-bpe") {
        out.split = Split::llama3;   // with merges, and without a begin token: SmolLM3
    } else if (pre == "qwen2") {
        out.split = Split::qwen2;
        out.nfc = true;
    } else if (pre == "smollm") {
        out.split = Split::smollm;
    } else {
        refuse_unknown("pre-tokenizers", pre, "default, gpt-2, llama-bpe, llama3, smaug-bpe, qwen2 and smollm");
    }
    out.add_prefix_space = find_flag(file, "add_space_prefix", false);
    const int32_t begin = find_role(file, "bos_token_id", out.tokens.size());
    const int32_t end = find_role(file, "eos_token_id", out.tokens.size());
    if (begin >= 0 && find_flag(file, "add_bos_token", add_begin)) out.prefix.push_back(begin);
    if (end >= 0 && find_flag(file, "add_eos_token", false)) out.suffix.push_back(end);
}

void derive_wordpiece(Pipeline& out, const File& file) {
    const size_t count = out.tokens.size();
    out.lowercase = find_flag(file, "normalizer.lowercase", true);
    out.strip_accents = find_flag(file, "normalizer.strip_accents", out.lowercase);
    out.clean_text = true;
    out.split_cjk = true;
    out.unknown = find_role(file, "unknown_token_id", count);
    for (size_t i = 0; i < count && out.unknown < 0; ++i)
        if (out.tokens[i] == "[UNK]") out.unknown = static_cast<int32_t>(i);
    int32_t begin = find_role(file, "cls_token_id", count);
    if (begin < 0) begin = find_role(file, "bos_token_id", count);
    int32_t end = find_role(file, "seperator_token_id", count);   // the key's spelling is llama.cpp's
    if (end < 0) end = find_role(file, "eos_token_id", count);
    if (begin >= 0 && find_flag(file, "add_bos_token", true)) out.prefix.push_back(begin);
    if (end >= 0 && find_flag(file, "add_sep_token", true)) out.suffix.push_back(end);
}

// The numbers that stand where a key is absent are llama.cpp's.
int32_t find_role_or(const File& file, const std::string& name, size_t count, int32_t otherwise) {
    const int32_t token = find_role(file, name, count);
    return token >= 0 ? token : check_token(static_cast<uint64_t>(otherwise), count, "tokenizer.ggml." + name + " (absent)");
}

void derive_sentencepiece(Pipeline& out, const File& file) {
    const size_t count = out.tokens.size();
    if (!file.find_floats("tokenizer.ggml.scores", out.scores) || out.scores.size() != count)
        refuse("every token of a SentencePiece has a score", std::to_string(out.scores.size()) + " scores for " + std::to_string(count) + " tokens",
               "tokenizer.ggml.scores");
    for (const float score : out.scores)
        if (std::isnan(score)) refuse("scores are numbers", "NaN", "tokenizer.ggml.scores");
    out.unknown = find_role_or(file, "unknown_token_id", count, 0);
    out.end_token = find_role_or(file, "eos_token_id", count, 2);
    const int32_t begin = find_role_or(file, "bos_token_id", count, 1);
    out.add_prefix_space = find_flag(file, "add_space_prefix", true);
    if (find_flag(file, "add_bos_token", true)) out.prefix.push_back(begin);
    if (find_flag(file, "add_eos_token", false)) out.suffix.push_back(out.end_token);
}

void derive_special(Pipeline& out) {
    for (size_t i = 0; i < out.types.size(); ++i) {
        if (out.types[i] == TokenType::control || ((out.wordpiece || out.sentencepiece) && out.types[i] == TokenType::unknown))
            out.special.push_back(static_cast<int32_t>(i));
        else if (out.types[i] == TokenType::user_defined)
            out.literal.push_back(static_cast<int32_t>(i));
    }
}

void read_native(Pipeline& out, const File& file) {
    const std::string_view model = file.get_string("tokenizer.ggml.model");
    if (model != "gpt2" && model != "bert" && model != "llama")
        refuse_unknown("tokenizer models", model, "gpt2 (byte-level BPE), bert and llama (SentencePiece)");
    out.wordpiece = model == "bert";
    out.sentencepiece = model == "llama";
    if (!file.find_strings("tokenizer.ggml.tokens", out.tokens) || out.tokens.empty())
        refuse("a tokenizer has tokens", "none", "tokenizer.ggml.tokens");
    if (out.tokens.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
        refuse("tokens are numbered in 32 bits", std::to_string(out.tokens.size()), "tokenizer.ggml.tokens");
    std::vector<uint64_t> types;
    out.types.assign(out.tokens.size(), TokenType::normal);
    if (file.find_uints("tokenizer.ggml.token_type", types)) {
        if (types.size() != out.tokens.size())
            refuse("every token has a type", std::to_string(types.size()) + " types for " + std::to_string(out.tokens.size()) + " tokens",
                   "tokenizer.ggml.token_type");
        for (size_t i = 0; i < types.size(); ++i) {
            if (types[i] > 6) refuse("a token's type is 0 to 6", std::to_string(types[i]), "tokenizer.ggml.token_type");
            out.types[i] = static_cast<TokenType>(types[i]);
        }
    } else if (out.wordpiece) {
        // Older files do without types; there the special tokens are those in brackets.
        for (size_t i = 0; i < out.tokens.size(); ++i)
            if (out.tokens[i].size() > 2 && out.tokens[i].front() == '[' && out.tokens[i].back() == ']')
                out.types[i] = TokenType::control;
    }
    if (!out.wordpiece && !out.sentencepiece) file.find_strings("tokenizer.ggml.merges", out.merges);
    out.end_token = find_role(file, "eos_token_id", out.tokens.size());
}

void check_whole(const Pipeline& pipeline) {
    if (pipeline.wordpiece && pipeline.unknown < 0)
        refuse("a WordPiece tokenizer has an unknown token", "none", "the package's tokenizer");
    if (pipeline.add_prefix_space && pipeline.split != Split::gpt2)
        throw Error("unsupported_tokenizer", "a space before the text goes with the split gpt2 only. Got another split in "
                                             "the package's tokenizer. Use a model without it.");
    for (const auto* list : {&pipeline.special, &pipeline.literal})
        for (const int32_t token : *list) {
            const size_t size = pipeline.tokens[static_cast<size_t>(token)].size();
            if (size > kMaxSpecialBytes)
                refuse("a special token has at most " + std::to_string(kMaxSpecialBytes) + " bytes",
                       std::to_string(size) + " for token " + std::to_string(token), "tokenizer.ggml.tokens");
        }
}

}  // namespace

Pipeline read_pipeline(const File& file) {
    Pipeline out;
    read_native(out, file);
    std::string_view spec;
    if (file.find_string("smallwright.tokenizer", spec)) {
        read_spec(out, spec);
    } else {
        (out.sentencepiece ? derive_sentencepiece : out.wordpiece ? derive_wordpiece : derive_bpe)(out, file);
        derive_special(out);
    }
    check_whole(out);
    return out;
}

}  // namespace sw
