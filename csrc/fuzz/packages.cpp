// Every model has the smallest sizes that its types of tensor allow: a fuzzer's speed is the number of its questions.
#include "fuzz/packages.h"

#include <cstdio>
#include <string>
#include <utility>

#include "file/utf8.h"
#include "fuzz/writer.h"

namespace sw_fuzz {

namespace {

// GPT-2's spelling of the 256 bytes.
std::vector<std::string> byte_tokens() {
    std::vector<std::string> out;
    uint32_t other = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
        out.emplace_back();
        sw::append_utf8(out.back(), printable ? byte : other++);
    }
    return out;
}

// The following return the number of tokens.

uint32_t add_bpe(Writer& writer, const std::string& pre, const std::string& spec) {
    std::vector<std::string> tokens = byte_tokens();
    std::vector<std::string> merges;
    static const std::pair<const char*, const char*> pairs[] = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"t", "u"}, {"r", "n"},
                                                                {"tu", "rn"}, {"\xc4\xa0", "l"}, {"1", "2"}, {"a", "a"}, {"aa", "aa"}};
    for (const auto& pair : pairs) {
        merges.push_back(std::string(pair.first) + " " + pair.second);
        tokens.push_back(std::string(pair.first) + pair.second);
    }
    tokens.emplace_back("<|end|>");
    const auto end = static_cast<uint32_t>(tokens.size() - 1);
    std::vector<uint32_t> types(tokens.size(), 1);
    types.back() = 3;
    writer.text("tokenizer.ggml.model", "gpt2");
    writer.text("tokenizer.ggml.pre", pre);
    writer.texts("tokenizer.ggml.tokens", tokens);
    writer.numbers("tokenizer.ggml.token_type", types);
    writer.texts("tokenizer.ggml.merges", merges);
    writer.number("tokenizer.ggml.eos_token_id", end);
    if (!spec.empty())
        writer.text("smallwright.tokenizer", "{\"model\":\"bpe\",\"split\":\"" + spec + "\",\"normalize\":\"nfc\",\"ignore_merges\":true," +
                                                 "\"prefix\":[],\"suffix\":[" + std::to_string(end) + "],\"special\":[" + std::to_string(end) + "]}");
    return end + 1;
}

uint32_t add_wordpiece(Writer& writer, bool ours) {
    std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
    std::vector<uint32_t> types(4, 3);
    for (const char* piece : {"turn", "on", "off", "light", "the", ".", "!", "\xe4\xbd\xa0"}) tokens.push_back(std::string("\xe2\x96\x81") + piece);
    for (char letter = 'a'; letter <= 'z'; ++letter) {
        tokens.push_back(std::string("\xe2\x96\x81") + letter);
        tokens.emplace_back(1, letter);
    }
    types.resize(tokens.size(), 1);
    writer.text("tokenizer.ggml.model", "bert");
    writer.texts("tokenizer.ggml.tokens", tokens);
    writer.numbers("tokenizer.ggml.token_type", types);
    const std::pair<const char*, uint32_t> special[] = {{"padding", 0}, {"unknown", 1}, {"cls", 2}, {"seperator", 3}, {"bos", 2}};
    for (const auto& [name, token] : special)
        if (!ours) writer.number(std::string("tokenizer.ggml.") + name + "_token_id", token);
    if (ours)
        writer.text("smallwright.tokenizer",
                "{\"model\":\"wordpiece\",\"lowercase\":true,\"strip_accents\":true,\"clean_text\":true,\"split_cjk\":true,"
                "\"max_word_chars\":50,\"unknown\":1,\"prefix\":[2],\"suffix\":[3],\"special\":[0,1,2,3],\"literal\":[],\"split\":null}");
    return static_cast<uint32_t>(tokens.size());
}

uint32_t add_sentencepiece(Writer& writer) {
    std::vector<std::string> tokens{"<unk>", "<s>", "</s>", "<turn>"};
    std::vector<uint32_t> types{2, 3, 3, 4};
    for (int byte = 0; byte < 256; ++byte) {
        char text[8];
        std::snprintf(text, sizeof text, "<0x%02X>", byte);
        tokens.emplace_back(text);
        types.push_back(6);
    }
    for (const char* piece : {"\xe2\x96\x81", "t", "u", "r", "n", "tu", "rn", "turn", "\xe2\x96\x81t", "o", "on", "a", "aa", "aaaa", "\xe4\xbd\xa0"})
        tokens.emplace_back(piece);
    types.resize(tokens.size(), 1);
    std::vector<float> scores(tokens.size());
    for (size_t i = 0; i < scores.size(); ++i) scores[i] = -float(i % 7);
    writer.text("tokenizer.ggml.model", "llama");
    writer.texts("tokenizer.ggml.tokens", tokens);
    writer.numbers("tokenizer.ggml.token_type", types);
    writer.reals("tokenizer.ggml.scores", scores);
    return static_cast<uint32_t>(tokens.size());
}

constexpr uint32_t kWidth = 32;
constexpr uint32_t kFeedForward = 64;

void add_encoder_tensors(Writer& writer, sw::Type type, uint32_t tokens) {
    const sw::Type plain = sw::Type::f32;
    writer.tensor("token_embd.weight", type, kWidth, tokens);
    writer.tensor("position_embd.weight", plain, kWidth, 24);
    writer.tensor("token_types.weight", plain, kWidth, 2);
    for (const char* norm : {"token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"})
        for (const char* part : {".weight", ".bias"}) writer.tensor(std::string(norm) + part, plain, kWidth);
    for (const char* name : {"blk.0.attn_q", "blk.0.attn_k", "blk.0.attn_v", "blk.0.attn_output", "cls"}) {
        writer.tensor(std::string(name) + ".weight", type, kWidth, kWidth);
        writer.tensor(std::string(name) + ".bias", plain, kWidth);
    }
    writer.tensor("blk.0.ffn_up.weight", type, kWidth, kFeedForward);
    writer.tensor("blk.0.ffn_up.bias", plain, kFeedForward);
    writer.tensor("blk.0.ffn_down.weight", type, kFeedForward, kWidth);
    writer.tensor("blk.0.ffn_down.bias", plain, kWidth);
    writer.tensor("cls.output.weight", type, kWidth, 3);
    writer.tensor("cls.output.bias", plain, 3);
}

Bytes make_encoder(sw::Type type) {
    Writer writer;
    writer.text("general.architecture", "smallwright");
    writer.number("general.alignment", kAlignment);
    const uint32_t tokens = add_wordpiece(writer, true);
    writer.text("smallwright.model",
                "{\"width\":32,\"context\":24,\"causal\":false,\"rotary_base\":null,"
                "\"embedding\":{\"vocabulary\":" + std::to_string(tokens) + ",\"positions\":24,\"token_types\":2,\"norm\":true},"
                "\"layers\":[{\"mixer\":{\"kind\":\"attention\",\"heads\":2,\"key_value_heads\":2,\"head_width\":16,\"bias\":true,"
                "\"output_bias\":true,\"qk_norm\":false},\"feedforward\":{\"kind\":\"plain\",\"width\":64,\"activation\":\"gelu\",\"bias\":true}}],"
                "\"norm\":{\"kind\":\"layer\",\"placement\":\"post\",\"epsilon\":1e-12},"
                "\"heads\":{\"intent\":{\"kind\":\"classifier\",\"pooling\":\"mean\",\"pooler\":true,\"output_bias\":true,\"tied\":false,"
                "\"labels\":[\"on\",\"off\",\"other\"]}}}");
    writer.text("smallwright.task", "{\"kind\":\"classify\",\"head\":\"intent\"}");
    writer.real("smallwright.calibration.temperature", 1.25f);
    add_encoder_tensors(writer, type, tokens);
    return writer.finish();
}

// Every matrix in planes, in turn of 2 bits, of 3 bits and sparse.
void add_planes(Writer& writer, uint32_t tokens, int layers) {
    int turn = 0;
    const auto matrix = [&](const std::string& name, uint64_t columns, uint64_t rows) {
        writer.planes(name + ".weight", turn % 3 == 2 ? 0 : 2 + turn % 3, columns, rows);
        ++turn;
    };
    matrix("token_embd", kWidth, tokens);
    for (int layer = 0; layer < layers; ++layer) {
        const std::string block = "blk." + std::to_string(layer) + ".";
        for (const char* norm : {"attn_norm.weight", "ffn_norm.weight"}) writer.tensor(block + norm, sw::Type::f32, kWidth);
        for (const char* name : {"attn_q", "attn_output"}) matrix(block + name, kWidth, kWidth);
        for (const char* name : {"attn_k", "attn_v"}) matrix(block + name, kWidth, kWidth / 2);
        for (const char* name : {"ffn_gate", "ffn_up"}) matrix(block + name, kWidth, kFeedForward);
        matrix(block + "ffn_down", kFeedForward, kWidth);
    }
    writer.tensor("output_norm.weight", sw::Type::f32, kWidth);
}

void add_decoder_tensors(Writer& writer, sw::Type type, uint32_t tokens, int layers) {
    writer.tensor("token_embd.weight", type, kWidth, tokens);
    for (int layer = 0; layer < layers; ++layer) {
        const std::string block = "blk." + std::to_string(layer) + ".";
        writer.tensor(block + "attn_norm.weight", sw::Type::f32, kWidth);
        writer.tensor(block + "attn_q.weight", type, kWidth, kWidth);
        writer.tensor(block + "attn_k.weight", type, kWidth, kWidth / 2);
        writer.tensor(block + "attn_v.weight", type, kWidth, kWidth / 2);
        writer.tensor(block + "attn_output.weight", type, kWidth, kWidth);
        writer.tensor(block + "ffn_norm.weight", sw::Type::f32, kWidth);
        writer.tensor(block + "ffn_gate.weight", type, kWidth, kFeedForward);
        writer.tensor(block + "ffn_up.weight", type, kWidth, kFeedForward);
        writer.tensor(block + "ffn_down.weight", type, kFeedForward, kWidth);
    }
    writer.tensor("output_norm.weight", sw::Type::f32, kWidth);
}

// An ordinary file of the BERT family, without any key of ours.
Bytes make_native_encoder() {
    Writer writer;
    writer.text("general.architecture", "bert");
    writer.number("general.alignment", kAlignment);
    const uint32_t tokens = add_wordpiece(writer, false);
    const std::pair<const char*, uint32_t> sizes[] = {{"block_count", 1}, {"context_length", 24}, {"embedding_length", kWidth},
                                                      {"feed_forward_length", kFeedForward}, {"attention.head_count", 2}, {"pooling_type", 2}};
    for (const auto& [key, value] : sizes) writer.number(std::string("bert.") + key, value);
    writer.real("bert.attention.layer_norm_epsilon", 1e-12f);
    writer.texts("bert.classifier.output_labels", {"on", "off", "other"});
    add_encoder_tensors(writer, sw::Type::bf16, tokens);
    return writer.finish();
}

// Rows of token pairs, capital letters apart, the mean of all rows before the last norm.
Bytes make_pairs(sw::Type type) {
    Writer writer;
    writer.text("general.architecture", "smallwright");
    writer.number("general.alignment", kAlignment);
    const uint32_t tokens = add_bpe(writer, "gpt-2", "gpt2");
    writer.text("smallwright.model",
                "{\"width\":32,\"context\":40,\"causal\":false,\"rotary_base\":10000.0,"
                "\"embedding\":{\"vocabulary\":" + std::to_string(tokens) + ",\"positions\":null,\"token_types\":null,\"norm\":false,\"bigrams\":48},"
                "\"layers\":[{\"mixer\":{\"kind\":\"attention\",\"heads\":2,\"key_value_heads\":1,\"head_width\":16,\"qk_norm\":true},"
                "\"feedforward\":{\"kind\":\"gated\",\"width\":64,\"activation\":\"silu\"}}],"
                "\"norm\":{\"kind\":\"rms\",\"placement\":\"pre\",\"epsilon\":1e-5},"
                "\"heads\":{\"intent\":{\"kind\":\"classifier\",\"pooling\":\"mean_before_norm\",\"pooler\":false,\"output_bias\":false,"
                "\"tied\":false,\"labels\":[\"on\",\"off\"]}}}");
    writer.tensor("bigram_embd.weight", type, kWidth, 48);
    for (const char* norm : {"blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight"}) writer.tensor(norm, sw::Type::f32, 16);
    add_decoder_tensors(writer, type, tokens, 1);
    writer.tensor("cls.output.weight", type, kWidth, 2);
    return writer.finish();
}

Bytes make_decoder(sw::Type type, bool in_planes = false) {
    Writer writer;
    writer.text("general.architecture", "smallwright");
    writer.number("general.alignment", kAlignment);
    const uint32_t tokens = add_bpe(writer, "qwen2", "qwen2");
    const std::string layer = "{\"mixer\":{\"kind\":\"attention\",\"heads\":2,\"key_value_heads\":1,\"head_width\":16},"
                              "\"feedforward\":{\"kind\":\"gated\",\"width\":64,\"activation\":\"silu\"}}";
    writer.text("smallwright.model", "{\"width\":32,\"context\":40,\"causal\":true,\"rotary_base\":10000.0,"
                                     "\"embedding\":{\"vocabulary\":" + std::to_string(tokens) + ",\"positions\":null,\"token_types\":null,\"norm\":false},"
                                     "\"layers\":[" + layer + "," + layer + "],\"norm\":{\"kind\":\"rms\",\"placement\":\"pre\",\"epsilon\":1e-5},"
                                     "\"heads\":{\"text\":{\"kind\":\"language_model\",\"tied\":true}}}");
    if (in_planes) add_planes(writer, tokens, 2);
    else add_decoder_tensors(writer, type, tokens, 2);
    return writer.finish();
}

// An ordinary file of a family that needs more than Llama does, its matrices of as many types as have room for a block.
Bytes make_family(const std::string& name, int rotation) {
    static const sw::Type wide[] = {sw::Type::q4_k, sw::Type::q5_k, sw::Type::q6_k, sw::Type::bf16, sw::Type::iq4_nl};
    static const sw::Type narrow[] = {sw::Type::q4_1, sw::Type::q5_0, sw::Type::q5_1, sw::Type::iq4_nl, sw::Type::q8_0, sw::Type::f16};
    constexpr uint32_t width = 256, query = 32, feedforward = 32;
    const uint32_t layers = name == "smollm3" ? 4 : 2;   // of which every fourth, or second, is of another kind
    const bool gemma = name == "gemma2" || name == "gemma3", bytes = name == "smollm3" || name == "qwen2" || name == "qwen3";
    Writer writer;
    const auto matrix = [&](const std::string& tensor, uint64_t columns, uint64_t rows) {
        const int turn = rotation++;
        writer.tensor(tensor + ".weight", columns == width ? wide[turn % 5] : narrow[turn % 6], columns, rows);
    };
    const auto vector = [&](const std::string& tensor, uint64_t size) { writer.tensor(tensor + ".weight", sw::Type::f32, size); };
    writer.text("general.architecture", name);
    writer.number("general.alignment", kAlignment);
    const uint32_t tokens = bytes ? add_bpe(writer, name == "smollm3" ? "smaug-bpe" : "qwen2", "") : add_sentencepiece(writer);
    const std::pair<const char*, uint32_t> sizes[] = {
        {".block_count", layers}, {".context_length", 40}, {".embedding_length", width}, {".feed_forward_length", feedforward},
        {".attention.head_count", 4}, {".attention.head_count_kv", 2}, {".attention.key_length", query / 4},
        {".attention.value_length", query / 4}, {".attention.sliding_window", 4}, {".attention.sliding_window_pattern", 2}};
    for (const auto& [key, value] : sizes) writer.number(name + key, value);
    writer.real(name + ".attention.layer_norm_rms_epsilon", 1e-6f);
    writer.real(name + ".rope.freq_base", 1e6f);
    writer.text(name + ".rope.scaling.type", "linear");
    writer.real(name + ".rope.scaling.factor", 8.0f);
    writer.real(name + ".attn_logit_softcapping", 50.0f);
    writer.real(name + ".final_logit_softcapping", 30.0f);
    matrix("token_embd", width, tokens);
    for (uint32_t layer = 0; layer < layers; ++layer) {
        const std::string block = "blk." + std::to_string(layer) + ".";
        for (const char* norm : {"attn_norm", "ffn_norm"}) vector(block + norm, width);
        for (const char* norm : {"post_attention_norm", "post_ffw_norm"})
            if (gemma) vector(block + norm, width);
        for (const char* norm : {"attn_q_norm", "attn_k_norm"})
            if (name == "gemma3" || name == "qwen3") vector(block + norm, query / 4);
        for (const auto& [part, rows] : {std::pair<const char*, uint32_t>{"attn_q", query}, {"attn_k", query / 2}, {"attn_v", query / 2}})
            if (name == "qwen2") writer.tensor(block + part + ".bias", sw::Type::f32, rows);
        matrix(block + "attn_q", width, query);
        matrix(block + "attn_k", width, query / 2);
        matrix(block + "attn_v", width, query / 2);
        matrix(block + "attn_output", query, width);
        matrix(block + "ffn_gate", width, feedforward);
        matrix(block + "ffn_up", width, feedforward);
        matrix(block + "ffn_down", feedforward, width);
    }
    vector("output_norm", width);
    if (!gemma && name != "smollm3") matrix("output", width, tokens);   // the others take the token rows
    if (name == "llama") writer.constant("rope_freqs.weight", 4.0f, query / 8);
    return writer.finish();
}

// An ordinary file of the Llama family, without any key of ours.
Bytes make_native() {
    Writer writer;
    writer.text("general.architecture", "llama");
    writer.number("general.alignment", kAlignment);
    const uint32_t tokens = add_bpe(writer, "llama-bpe", "");
    writer.number("llama.block_count", 2);
    writer.number("llama.context_length", 40);
    writer.number("llama.embedding_length", kWidth);
    writer.number("llama.feed_forward_length", kFeedForward);
    writer.numbers("llama.attention.head_count", {2, 2});
    writer.number("llama.attention.head_count_kv", 1);
    writer.real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    writer.real("llama.rope.freq_base", 10000.0f);
    writer.flag("tokenizer.ggml.add_bos_token", false);
    add_decoder_tensors(writer, sw::Type::f16, tokens, 2);
    return writer.finish();
}

}  // namespace

std::vector<Bytes> make_packages() {
    return {make_encoder(sw::Type::q8_0), make_encoder(sw::Type::f32), make_decoder(sw::Type::q4_0), make_decoder(sw::Type::i8, true), make_native(), make_native_encoder(),
            make_pairs(sw::Type::iq4_nl), make_pairs(sw::Type::q4_0), make_family("gemma2", 0), make_family("gemma3", 1),
            make_family("smollm3", 2), make_family("llama", 3), make_family("qwen2", 4), make_family("qwen3", 5), make_family("mistral3", 6)};
}

}  // namespace sw_fuzz
