// Merges the pair of lowest rank first, the leftmost of equals, as the tokenizers library does.
// Source: GPT-2's byte alphabet and merges; Llama 3's rule that a word in the vocabulary is taken whole.
#include "tokenizer/bpe.h"

#include <algorithm>
#include <queue>

#include "file/error.h"
#include "file/utf8.h"
#include "tokenizer/unicode.h"

namespace sw {

namespace {

// Longer words are merged with a heap: its bookkeeping pays off only there.
constexpr size_t kShortWord = 64;

// The code point by which GPT-2's alphabet writes each byte: itself where it is printable, else the next one from
// U+0100 on.
struct Alphabet {
    uint32_t code_of[256];
    int16_t byte_of[0x180];   // -1: not in the alphabet

    Alphabet() {
        std::fill(std::begin(byte_of), std::end(byte_of), int16_t(-1));
        uint32_t next = 0x100;
        for (uint32_t byte = 0; byte < 256; ++byte) {
            const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
            code_of[byte] = printable ? byte : next++;
            byte_of[code_of[byte]] = static_cast<int16_t>(byte);
        }
    }
};

const Alphabet& alphabet() {
    static const Alphabet instance;
    return instance;
}

// False when a character is not in the alphabet.
bool to_bytes(std::string_view token, std::string& out) {
    out.clear();
    uint32_t code = 0;
    size_t skip = 0;
    for (size_t at = 0; at < token.size();) {
        at += read_utf8(token, at, code, skip);   // tokens are UTF-8, checked when the pipeline was read
        if (code >= std::size(alphabet().byte_of) || alphabet().byte_of[code] < 0) return false;
        out += static_cast<char>(alphabet().byte_of[code]);
    }
    return true;
}

}  // namespace

MergeTable::MergeTable(size_t capacity) {
    size_t slots = 16;
    while (slots < capacity * 2) slots *= 2;
    slots_.assign(slots, {UINT64_MAX, 0, 0});
}

size_t MergeTable::slot_of(uint64_t pair) const {
    const size_t mask = slots_.size() - 1;
    uint64_t hash = pair * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    size_t slot = static_cast<size_t>(hash) & mask;
    while (slots_[slot].pair != UINT64_MAX && slots_[slot].pair != pair) slot = (slot + 1) & mask;
    return slot;
}

void MergeTable::add(int32_t left, int32_t right, uint32_t rank, int32_t merged) {
    const uint64_t pair = uint64_t(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    slots_[slot_of(pair)] = {pair, rank, merged};
}

uint32_t MergeTable::find(int32_t left, int32_t right, int32_t& merged) const {
    const Slot& slot = slots_[slot_of(uint64_t(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right))];
    if (slot.pair == UINT64_MAX) return kNoMerge;
    merged = slot.merged;
    return slot.rank;
}

Bpe::Bpe(const Pipeline& pipeline) : merges_(pipeline.merges.size()), unknown_(pipeline.unknown) {
    StringTable spelled(pipeline.tokens.size());   // tokens as the file spells them, for the merges
    if (pipeline.ignore_merges) words_ = std::make_unique<StringTable>(pipeline.tokens.size());
    std::string bytes;
    for (size_t i = 0; i < pipeline.tokens.size(); ++i) {
        const bool in_alphabet = to_bytes(pipeline.tokens[i], bytes);
        bytes_.add(in_alphabet ? std::string_view(bytes) : pipeline.tokens[i]);
        if (pipeline.types[i] == TokenType::unused) continue;
        spelled.add(pipeline.tokens[i], static_cast<int32_t>(i));
        if (words_ && in_alphabet) words_->add(bytes, static_cast<int32_t>(i));
    }
    for (uint32_t byte = 0; byte < 256; ++byte) {
        std::string text;
        append_utf8(text, alphabet().code_of[byte]);
        byte_tokens_[byte] = spelled.find(text);
    }
    const auto refuse = [](size_t index, const std::string& got) {
        throw Error("bad_tokenizer", "a merge is two tokens of the vocabulary with one space between, and so is their sum. Got " +
                                         got + " in tokenizer.ggml.merges: " + std::to_string(index) +
                                         ". Write the package again.");
    };
    for (size_t i = 0; i < pipeline.merges.size(); ++i) {
        const std::string_view merge = pipeline.merges[i];
        const size_t space = merge.find(' ');
        if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos) refuse(i, "another form");
        const std::string_view left = merge.substr(0, space);
        const std::string_view right = merge.substr(space + 1);
        const int32_t one = spelled.find(left);
        const int32_t two = spelled.find(right);
        const int32_t sum = spelled.find(std::string(left) + std::string(right));
        if (left.empty() || right.empty() || one < 0 || two < 0 || sum < 0) refuse(i, "a part that is no token");
        merges_.add(one, two, static_cast<uint32_t>(i), sum);
    }
}

void Bpe::encode_word(std::string_view bytes, std::vector<int32_t>& out) const {
    if (words_) {
        const int32_t token = words_->find(bytes);
        if (token >= 0) {
            out.push_back(token);
            return;
        }
    }
    std::vector<int32_t> symbols;
    symbols.reserve(bytes.size());
    for (const char byte : bytes) {
        const int32_t token = byte_tokens_[static_cast<unsigned char>(byte)];
        if (token >= 0) symbols.push_back(token);
        else if (unknown_ >= 0) symbols.push_back(unknown_);
        // A byte that the vocabulary lacks is dropped, as the tokenizers library drops it.
    }
    if (symbols.size() <= kShortWord) merge_short(symbols);
    else merge_long(symbols);
    out.insert(out.end(), symbols.begin(), symbols.end());
}

void Bpe::merge_short(std::vector<int32_t>& symbols) const {
    if (symbols.size() < 2) return;
    uint32_t ranks[kShortWord];      // of the pair that starts at each place
    int32_t merged[kShortWord] = {};
    size_t count = symbols.size();
    const auto look_up = [&](size_t at) { ranks[at] = merges_.find(symbols[at], symbols[at + 1], merged[at]); };
    for (size_t i = 0; i + 1 < count; ++i) look_up(i);
    while (count > 1) {
        const size_t best = static_cast<size_t>(std::min_element(ranks, ranks + count - 1) - ranks);
        if (ranks[best] == MergeTable::kNoMerge) break;
        symbols[best] = merged[best];
        for (size_t i = best + 1; i + 1 < count; ++i) {
            symbols[i] = symbols[i + 1];
            ranks[i] = ranks[i + 1];
            merged[i] = merged[i + 1];
        }
        --count;
        if (best + 1 < count) look_up(best);
        if (best > 0) look_up(best - 1);
    }
    symbols.resize(count);
}

void Bpe::merge_long(std::vector<int32_t>& symbols) const {
    struct Candidate {
        uint32_t rank;
        size_t at;
        int32_t left;
        int32_t right;
        int32_t merged;
        bool operator<(const Candidate& other) const {   // the queue gives the greatest: lowest rank, leftmost
            return rank != other.rank ? rank > other.rank : at > other.at;
        }
    };
    constexpr size_t kNone = SIZE_MAX;
    const size_t count = symbols.size();
    std::vector<size_t> previous(count);
    std::vector<size_t> next(count);
    for (size_t i = 0; i < count; ++i) {
        previous[i] = i == 0 ? kNone : i - 1;
        next[i] = i + 1 == count ? kNone : i + 1;
    }
    std::priority_queue<Candidate> queue;
    const auto offer = [&](size_t at) {
        if (at == kNone || next[at] == kNone) return;
        int32_t merged = 0;
        const uint32_t rank = merges_.find(symbols[at], symbols[next[at]], merged);
        if (rank != MergeTable::kNoMerge) queue.push({rank, at, symbols[at], symbols[next[at]], merged});
    };
    for (size_t i = 0; i < count; ++i) offer(i);
    while (!queue.empty()) {
        const Candidate top = queue.top();
        queue.pop();
        // A symbol that was merged away holds -1; one that has changed no longer equals what was offered.
        const size_t after = next[top.at];
        if (symbols[top.at] != top.left || after == kNone || symbols[after] != top.right) continue;
        symbols[top.at] = top.merged;
        symbols[after] = -1;
        next[top.at] = next[after];
        if (next[after] != kNone) previous[next[after]] = top.at;
        offer(previous[top.at]);
        offer(top.at);
    }
    symbols.erase(std::remove(symbols.begin(), symbols.end(), -1), symbols.end());
}

}  // namespace sw
