// The kinds of tokenizer around what they share: special tokens in the text, prefix, suffix, decoding.
#include "tokenizer/tokenizer.h"

#include "file/gguf.h"
#include "file/utf8.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/split.h"
#include "tokenizer/unicode.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

namespace sw {

namespace {

class Pipelined : public Tokenizer {
public:
    explicit Pipelined(const Pipeline& pipeline)
        : prefix_(pipeline.prefix), suffix_(pipeline.suffix), hidden_(pipeline.tokens.size(), false),
          end_token_(pipeline.end_token) {
        for (size_t i = 0; i < hidden_.size(); ++i) hidden_[i] = pipeline.types[i] == TokenType::unused;
        for (const auto* list : {&pipeline.special, &pipeline.literal})
            for (const int32_t token : *list) special_.add(pipeline.tokens[static_cast<size_t>(token)], token);
        for (const int32_t token : pipeline.special) hidden_[static_cast<size_t>(token)] = true;
        special_.finish();
    }

    std::vector<int32_t> encode(std::string_view text, bool add_special) const override {
        std::string mended;
        if (!is_utf8(text)) {
            mended = replace_invalid_utf8(text);
            text = mended;
        }
        if (!add_special) {
            std::vector<int32_t> out;
            encode_plain(text, out);
            return out;
        }
        std::vector<int32_t> out = prefix_;
        size_t at = 0;
        size_t begin = 0;
        size_t end = 0;
        int32_t token = 0;
        while (special_.find(text, at, begin, end, token)) {
            encode_plain(text.substr(at, begin - at), out);
            out.push_back(token);
            at = end;
        }
        encode_plain(text.substr(at), out);
        out.insert(out.end(), suffix_.begin(), suffix_.end());
        return out;
    }

    std::string decode_token(int32_t token) const override {
        return is_shown(token) ? std::string(text_of(token, false)) : std::string();
    }

    std::string decode(const std::vector<int32_t>& tokens) const override {
        std::string out;
        bool first = true;
        for (const int32_t token : tokens) {
            if (!is_shown(token)) continue;
            out += text_of(token, first);
            first = false;
        }
        return is_utf8(out) ? out : replace_invalid_utf8(out);
    }

    int32_t vocabulary() const override { return static_cast<int32_t>(hidden_.size()); }
    int32_t end_token() const override { return end_token_; }
    size_t suffix_size() const override { return suffix_.size(); }

protected:
    virtual void encode_plain(std::string_view text, std::vector<int32_t>& out) const = 0;
    virtual std::string_view text_of(int32_t token, bool first) const = 0;

private:
    bool is_shown(int32_t token) const {
        return token >= 0 && token < vocabulary() && !hidden_[static_cast<size_t>(token)];
    }

    std::vector<int32_t> prefix_;
    std::vector<int32_t> suffix_;
    std::vector<bool> hidden_;   // special tokens and rows without a token: skipped in decoding
    SpecialTokens special_;
    int32_t end_token_;
};

class BpeTokenizer final : public Pipelined {
public:
    explicit BpeTokenizer(const Pipeline& pipeline)
        : Pipelined(pipeline), bpe_(pipeline), split_(pipeline.split), nfc_(pipeline.nfc),
          add_prefix_space_(pipeline.add_prefix_space) {}

protected:
    void encode_plain(std::string_view text, std::vector<int32_t>& out) const override {
        if (text.empty()) return;
        Codes codes = decode_utf8(text);
        if (nfc_ && !is_ascii(text)) codes = to_nfc(codes);
        if (add_prefix_space_ && codes.front() != ' ') codes.insert(codes.begin(), ' ');
        std::string word;
        split_words(split_, codes, [&](size_t begin, size_t end) {
            word.clear();
            for (size_t i = begin; i < end; ++i) append_utf8(word, codes[i]);
            bpe_.encode_word(word, out);
        });
    }

    std::string_view text_of(int32_t token, bool) const override { return bpe_.bytes_of(token); }

private:
    static bool is_ascii(std::string_view text) {
        for (const char byte : text)
            if (static_cast<unsigned char>(byte) >= 0x80) return false;
        return true;
    }

    Bpe bpe_;
    Split split_;
    bool nfc_;
    bool add_prefix_space_;
};

class WordPieceTokenizer final : public Pipelined {
public:
    explicit WordPieceTokenizer(const Pipeline& pipeline) : Pipelined(pipeline), pieces_(pipeline) {}

protected:
    void encode_plain(std::string_view text, std::vector<int32_t>& out) const override { pieces_.encode(text, out); }
    std::string_view text_of(int32_t token, bool first) const override {
        return first ? pieces_.first_text(token) : pieces_.next_text(token);
    }

private:
    WordPiece pieces_;
};

class SentencePieceTokenizer final : public Pipelined {
public:
    explicit SentencePieceTokenizer(const Pipeline& pipeline) : Pipelined(pipeline), pieces_(pipeline) {}

protected:
    void encode_plain(std::string_view text, std::vector<int32_t>& out) const override { pieces_.encode(text, out); }
    std::string_view text_of(int32_t token, bool first) const override { return pieces_.text_of(token, first); }

private:
    SentencePiece pieces_;
};

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::create(const File& file) {
    const Pipeline pipeline = read_pipeline(file);
    if (pipeline.sentencepiece) return std::make_unique<SentencePieceTokenizer>(pipeline);
    if (pipeline.wordpiece) return std::make_unique<WordPieceTokenizer>(pipeline);
    return std::make_unique<BpeTokenizer>(pipeline);
}

std::string to_lowercase(std::string_view text) {
    Codes lower;
    for (const uint32_t code : decode_utf8(text)) append_lowercase(lower, code);
    std::string out;
    for (const uint32_t code : lower) append_utf8(out, code);
    return out;
}

}  // namespace sw
