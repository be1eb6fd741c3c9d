// Each function is one regular expression written out: alternatives in the order of the pattern, the first match wins.
// Sources: the pre_tokenizer of each family's tokenizer.json. Every function takes time linear in the text.
#include "tokenizer/split.h"

namespace sw {

namespace {

constexpr uint32_t kLongS = 0x17f;   // the only character beside 's' and 'S' that matches 's' when case is ignored

// A stretch of text that a pattern sees as all there is.
struct Stretch {
    const uint32_t* codes;
    const uint8_t* classes;
    size_t end;

    bool is(size_t at, uint8_t wanted) const { return at < end && (classes[at] & wanted) != 0; }
    bool is_code(size_t at, uint32_t code) const { return at < end && codes[at] == code; }
    bool is_newline(size_t at) const { return is_code(at, '\r') || is_code(at, '\n'); }
    // [^\s\p{L}\p{N}]
    bool is_other(size_t at) const { return at < end && (classes[at] & (kSpace | kLetter | kNumber)) == 0; }

    size_t skip(size_t at, uint8_t wanted) const {
        while (is(at, wanted)) ++at;
        return at;
    }
    size_t skip_other(size_t at) const {
        while (is_other(at)) ++at;
        return at;
    }
};

uint32_t fold(uint32_t code, bool any_case) {
    if (!any_case) return code;
    if (code == kLongS) return 's';
    return code >= 'A' && code <= 'Z' ? code + 32 : code;
}

// 's|'t|'re|'ve|'m|'ll|'d: where the match ends, or `at` when there is none.
size_t match_contraction(const Stretch& text, size_t at, bool any_case) {
    if (!text.is_code(at, '\'') || at + 1 >= text.end) return at;
    const uint32_t one = fold(text.codes[at + 1], any_case);
    if (one == 's' || one == 't' || one == 'm' || one == 'd') return at + 2;
    if (at + 2 >= text.end) return at;
    const uint32_t two = fold(text.codes[at + 2], any_case);
    const bool long_one = (one == 'r' && two == 'e') || (one == 'v' && two == 'e') || (one == 'l' && two == 'l');
    return long_one ? at + 3 : at;
}

// \s+(?!\S)|\s+: white space keeps its last character for the word after it, unless it is alone or the text ends.
size_t match_space(const Stretch& text, size_t at) {
    const size_t end = text.skip(at, kSpace);
    return end == text.end || end == at + 1 ? end : end - 1;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t match_gpt2(const Stretch& text, size_t at) {
    const size_t contraction = match_contraction(text, at, false);
    if (contraction != at) return contraction;
    const size_t body = text.is_code(at, ' ') ? at + 1 : at;
    if (text.is(body, kLetter)) return text.skip(body, kLetter);
    if (text.is(body, kNumber)) return text.skip(body, kNumber);
    if (text.is_other(body)) return text.skip_other(body);
    return match_space(text, at);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+
// |\s+(?!\S)|\s+
size_t match_llama3(const Stretch& text, size_t at, size_t digits) {
    const size_t contraction = match_contraction(text, at, true);
    if (contraction != at) return contraction;
    if (text.is(at, kLetter)) return text.skip(at, kLetter);
    if (!text.is_newline(at) && !text.is(at, kNumber) && text.is(at + 1, kLetter)) return text.skip(at + 1, kLetter);
    if (text.is(at, kNumber)) {
        size_t end = at + 1;
        while (end - at < digits && text.is(end, kNumber)) ++end;
        return end;
    }
    const size_t body = text.is_code(at, ' ') ? at + 1 : at;
    if (text.is_other(body)) {
        size_t end = text.skip_other(body);
        while (text.is_newline(end)) ++end;
        return end;
    }
    const size_t space = text.skip(at, kSpace);
    for (size_t end = space; end > at; --end)
        if (text.is_newline(end - 1)) return end;
    return match_space(text, at);
}

using Match = size_t (*)(const Stretch&, size_t);

void cut(const Stretch& text, size_t begin, Match match, const std::function<void(size_t, size_t)>& on_word) {
    for (size_t at = begin; at < text.end;) {
        const size_t end = match(text, at);
        on_word(at, end);
        at = end;
    }
}

}  // namespace

bool find_split(std::string_view name, Split& out) {
    if (name == "gpt2") out = Split::gpt2;
    else if (name == "llama3") out = Split::llama3;
    else if (name == "qwen2") out = Split::qwen2;
    else if (name == "smollm") out = Split::smollm;
    else return false;
    return true;
}

void split_words(Split split, const Codes& codes, const std::function<void(size_t, size_t)>& on_word) {
    std::vector<uint8_t> classes(codes.size());
    for (size_t i = 0; i < codes.size(); ++i) classes[i] = classes_of(codes[i]);
    const Stretch text{codes.data(), classes.data(), codes.size()};
    switch (split) {
        case Split::gpt2: cut(text, 0, match_gpt2, on_word); return;
        case Split::llama3:
            cut(text, 0, [](const Stretch& t, size_t at) { return match_llama3(t, at, 3); }, on_word);
            return;
        case Split::qwen2:
            cut(text, 0, [](const Stretch& t, size_t at) { return match_llama3(t, at, 1); }, on_word);
            return;
        case Split::smollm: break;
    }
    // Every digit by itself first; GPT-2's pattern then sees each piece as all there is.
    for (size_t at = 0; at < codes.size();) {
        size_t end = at + 1;
        if (!text.is(at, kDigit))
            while (end < codes.size() && !text.is(end, kDigit)) ++end;
        cut({codes.data(), classes.data(), end}, at, match_gpt2, on_word);
        at = end;
    }
}

}  // namespace sw
