// Lookups in tables that a script made by asking the tokenizers library, and Unicode's normalisation (UAX 15).
#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "file/utf8.h"

namespace sw {

namespace {

struct ClassRun {
    uint32_t first;
    uint8_t bits;
};
struct Group {           // first, first + step, ..., last
    uint32_t first;
    uint32_t last;
    uint32_t step;
    int32_t value;
};
struct Pair {
    uint32_t code;
    uint32_t one;
    uint32_t two;
};
struct Decomposition {
    uint32_t code;
    uint16_t begin;
    uint16_t count;
};
struct Composition {
    uint32_t one;
    uint32_t two;
    uint32_t code;
};

#include "tokenizer/unicode_tables.inc"

static_assert(k_letter == kLetter && k_number == kNumber && k_space == kSpace && k_digit == kDigit &&
                  k_punctuation == kPunctuation && k_mark == kMark && k_control == kControl && k_cjk == kCjk,
              "the tables were made for other bits");

// Hangul syllables are composed by arithmetic (the Unicode standard, section 3.12).
constexpr uint32_t kSyllables = 0xac00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11a7;
constexpr uint32_t kLeads = 19, kVowels = 21, kTails = 28;
constexpr uint32_t kSyllableCount = kLeads * kVowels * kTails;

uint8_t search_classes(uint32_t code) {
    const auto* after = std::upper_bound(std::begin(kClassRuns), std::end(kClassRuns), code,
                                         [](uint32_t c, const ClassRun& run) { return c < run.first; });
    return (after - 1)->bits;   // the first run starts at 0
}

// The group that holds a code point, or null.
template <size_t N>
const Group* find_group(const Group (&groups)[N], uint32_t code) {
    const Group* after = std::upper_bound(std::begin(groups), std::end(groups), code,
                                          [](uint32_t c, const Group& group) { return c < group.first; });
    if (after == std::begin(groups)) return nullptr;
    const Group* group = after - 1;
    return code <= group->last && (code - group->first) % group->step == 0 ? group : nullptr;
}

int combining_class(uint32_t code) {
    if (code < 0x300) return 0;
    const Group* group = find_group(kCombining, code);
    return group == nullptr ? 0 : group->value;
}

void append_decomposed(Codes& out, uint32_t code) {
    if (code < 0xc0) {
        out.push_back(code);
        return;
    }
    if (code - kSyllables < kSyllableCount) {
        const uint32_t index = code - kSyllables;
        out.push_back(kLead + index / (kVowels * kTails));
        out.push_back(kVowel + index / kTails % kVowels);
        if (index % kTails != 0) out.push_back(kTail + index % kTails);
        return;
    }
    const auto* at = std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), code,
                                      [](const Decomposition& entry, uint32_t c) { return entry.code < c; });
    if (at == std::end(kDecompositions) || at->code != code) {
        out.push_back(code);
        return;
    }
    out.insert(out.end(), kDecomposed + at->begin, kDecomposed + at->begin + at->count);
}

// The code point that two make, or 0.
uint32_t compose_pair(uint32_t one, uint32_t two) {
    if (one - kLead < kLeads && two - kVowel < kVowels)
        return kSyllables + ((one - kLead) * kVowels + (two - kVowel)) * kTails;
    if (one - kSyllables < kSyllableCount && (one - kSyllables) % kTails == 0 && two - kTail - 1 < kTails - 1)
        return one + (two - kTail);
    const auto* at = std::lower_bound(std::begin(kCompositions), std::end(kCompositions), std::make_pair(one, two),
                                      [](const Composition& entry, const std::pair<uint32_t, uint32_t>& wanted) {
                                          return std::make_pair(entry.one, entry.two) < wanted;
                                      });
    return at != std::end(kCompositions) && at->one == one && at->two == two ? at->code : 0;
}

}  // namespace

uint8_t classes_of(uint32_t code) {
    static const std::array<uint8_t, 0x800> near = [] {   // two-byte UTF-8: most alphabets
        std::array<uint8_t, 0x800> out{};
        for (uint32_t c = 0; c < out.size(); ++c) out[c] = search_classes(c);
        return out;
    }();
    return code < near.size() ? near[code] : search_classes(code);
}

Codes decode_utf8(std::string_view text) {
    Codes out;
    out.reserve(text.size());
    uint32_t code = 0;
    size_t skip = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t length = read_utf8(text, at, code, skip);
        out.push_back(length == 0 ? 0xfffd : code);
        at += length == 0 ? skip : length;
    }
    return out;
}

std::string replace_invalid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    uint32_t code = 0;
    size_t skip = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t length = read_utf8(text, at, code, skip);
        if (length == 0) {
            append_utf8(out, 0xfffd);
            at += skip;
        } else {
            out.append(text.substr(at, length));
            at += length;
        }
    }
    return out;
}

void append_lowercase(Codes& out, uint32_t code) {
    if (code < 0x80) {
        out.push_back(code >= 'A' && code <= 'Z' ? code + 32 : code);
        return;
    }
    if (const Group* group = find_group(kLowercase, code)) {
        out.push_back(static_cast<uint32_t>(static_cast<int64_t>(code) + group->value));
        return;
    }
    for (const Pair& pair : kLowercasePairs) {
        if (pair.code != code) continue;
        out.push_back(pair.one);
        out.push_back(pair.two);
        return;
    }
    out.push_back(code);
}

Codes to_nfd(const Codes& codes) {
    Codes out;
    out.reserve(codes.size() + codes.size() / 8);
    for (const uint32_t code : codes) append_decomposed(out, code);
    // Canonical order: marks between two starters are sorted by class, stably.
    std::vector<std::pair<int, uint32_t>> marks;
    for (size_t at = 0; at < out.size();) {
        const int first = combining_class(out[at]);
        if (first == 0) {
            ++at;
            continue;
        }
        marks.clear();
        size_t end = at;
        for (int value = first; value != 0;) {
            marks.emplace_back(value, out[end]);
            ++end;
            value = end < out.size() ? combining_class(out[end]) : 0;
        }
        std::stable_sort(marks.begin(), marks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        for (size_t i = 0; i < marks.size(); ++i) out[at + i] = marks[i].second;
        at = end;
    }
    return out;
}

Codes to_nfc(const Codes& codes) {
    const Codes parts = to_nfd(codes);
    Codes out;
    out.reserve(parts.size());
    size_t starter = SIZE_MAX;   // where in `out` the last starter is
    int last = 0;                // class of what stands last after it; 0: nothing does
    for (const uint32_t code : parts) {
        const int value = combining_class(code);
        // A mark is blocked by one of its own class or higher, a starter by anything between.
        if (starter != SIZE_MAX && (out.size() == starter + 1 || last < value)) {
            if (const uint32_t composed = compose_pair(out[starter], code)) {
                out[starter] = composed;
                continue;
            }
        }
        if (value == 0) starter = out.size();
        last = value;
        out.push_back(code);
    }
    return out;
}

}  // namespace sw
