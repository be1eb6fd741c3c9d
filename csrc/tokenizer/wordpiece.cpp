// The steps and their order are those of the tokenizers library: BertNormalizer, BertPreTokenizer, WordPiece.
// In the file a piece that starts a word carries U+2581 and a continuation has lost its "##" (llama.cpp's convention).
#include "tokenizer/wordpiece.h"

#include "file/utf8.h"
#include "tokenizer/unicode.h"

namespace sw {

namespace {

constexpr std::string_view kWordStart = "\xe2\x96\x81";   // U+2581
constexpr std::string_view kContinuation = "##";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    std::string out;
    size_t at = 0;
    for (size_t found = text.find(from); found != std::string::npos; found = text.find(from, at)) {
        out.append(text, at, found - at);
        out.append(to);
        at = found + from.size();
    }
    text = out.append(text, at, std::string::npos);
}

// What the library's WordPiece decoder does to each piece to take spaces before punctuation away.
std::string clean_up(std::string text) {
    static const std::string_view rules[][2] = {{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","},
                                                {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"},
                                                {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& rule : rules) replace_all(text, rule[0], rule[1]);
    return text;
}

}  // namespace

WordPiece::WordPiece(const Pipeline& pipeline)
    : starts_(pipeline.tokens.size()), continuations_(pipeline.tokens.size()), lowercase_(pipeline.lowercase),
      strip_accents_(pipeline.strip_accents), clean_text_(pipeline.clean_text), split_cjk_(pipeline.split_cjk),
      max_word_chars_(pipeline.max_word_chars), unknown_(pipeline.unknown) {
    for (size_t i = 0; i < pipeline.tokens.size(); ++i) {
        std::string_view text = pipeline.tokens[i];
        const TokenType type = pipeline.types[i];
        const bool plain = type == TokenType::normal || type == TokenType::undefined || type == TokenType::byte;
        const bool marked = type != TokenType::control && text.substr(0, kWordStart.size()) == kWordStart;
        const bool continues = plain && !marked;
        if (marked) text.remove_prefix(kWordStart.size());
        const auto number = static_cast<int32_t>(i);
        if (type != TokenType::unused && !text.empty()) (continues ? continuations_ : starts_).add(text, number);
        if (continues) {
            first_.add(clean_up(std::string(kContinuation) + std::string(text)));
            next_.add(clean_up(std::string(text)));
        } else {
            first_.add(clean_up(std::string(text)));
            next_.add(clean_up(" " + std::string(text)));
        }
    }
}

Codes WordPiece::normalize(std::string_view text) const {
    Codes codes;
    codes.reserve(text.size());
    for (const uint32_t code : decode_utf8(text)) {
        const uint8_t classes = classes_of(code);
        if (clean_text_ && (classes & kControl)) continue;
        if (split_cjk_ && (classes & kCjk)) codes.insert(codes.end(), {' ', code, ' '});
        else codes.push_back(clean_text_ && (classes & kSpace) ? ' ' : code);
    }
    if (strip_accents_) {
        Codes kept;
        kept.reserve(codes.size());
        for (const uint32_t code : to_nfd(codes))
            if ((classes_of(code) & kMark) == 0) kept.push_back(code);
        codes.swap(kept);
    }
    if (!lowercase_) return codes;
    Codes lower;
    lower.reserve(codes.size());
    for (const uint32_t code : codes) append_lowercase(lower, code);
    return lower;
}

void WordPiece::encode(std::string_view text, std::vector<int32_t>& out) const {
    const Codes codes = normalize(text);
    size_t begin = 0;   // of the word that is being read
    for (size_t at = 0; at < codes.size(); ++at) {
        const uint8_t classes = classes_of(codes[at]);
        if ((classes & (kSpace | kPunctuation)) == 0) continue;
        encode_word(codes, begin, at, out);
        if (classes & kPunctuation) encode_word(codes, at, at + 1, out);
        begin = at + 1;
    }
    encode_word(codes, begin, codes.size(), out);
}

void WordPiece::encode_word(const Codes& codes, size_t begin, size_t end, std::vector<int32_t>& out) const {
    if (begin == end) return;
    if (end - begin > max_word_chars_) {
        out.push_back(unknown_);
        return;
    }
    std::string word;
    for (size_t i = begin; i < end; ++i) append_utf8(word, codes[i]);
    const size_t before = out.size();
    for (size_t at = 0; at < word.size();) {
        size_t length = 0;
        const StringTable& table = at == 0 ? starts_ : continuations_;
        const int32_t token = table.find_longest(std::string_view(word).substr(at), length);
        if (token < 0) {   // a word with a part that no piece covers is unknown as a whole
            out.resize(before);
            out.push_back(unknown_);
            return;
        }
        out.push_back(token);
        at += length;
    }
}

}  // namespace sw
