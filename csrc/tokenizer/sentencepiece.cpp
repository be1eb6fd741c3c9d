// Pairs wait in a queue by score, the leftmost of equals first; one that no longer stands as it was offered is passed over.
#include "tokenizer/sentencepiece.h"

#include <queue>

namespace sw {

namespace {

constexpr std::string_view kSpaceMark = "\xe2\x96\x81";   // U+2581 stands for a space
constexpr size_t kNone = SIZE_MAX;

struct Symbol {
    size_t begin;
    size_t bytes;   // 0: merged away
    size_t previous;
    size_t next;
};

struct Candidate {
    float score;
    size_t at;
    size_t bytes;
    bool operator<(const Candidate& other) const {   // the queue gives the greatest
        return score != other.score ? score < other.score : at > other.at;
    }
};

std::string spaces_restored(std::string_view spelled) {
    std::string out;
    for (size_t at = 0; at < spelled.size();) {
        const bool space = spelled.substr(at, kSpaceMark.size()) == kSpaceMark;
        out += space ? ' ' : spelled[at];
        at += space ? kSpaceMark.size() : 1;
    }
    return out;
}

// The byte that "<0x0A>" spells; -1 for any other text. Digits alone: a sign would be a place before the first byte.
int byte_spelled(std::string_view text) {
    if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
    int byte = 0;
    for (const char c : text.substr(3, 2)) {
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return -1;
        byte = byte * 16 + digit;
    }
    return byte;
}

std::vector<Symbol> characters_of(std::string_view text) {
    std::vector<Symbol> symbols;
    for (size_t at = 0; at < text.size();) {
        size_t end = at + 1;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
        const size_t index = symbols.size();
        symbols.push_back({at, end - at, index == 0 ? kNone : index - 1, end == text.size() ? kNone : index + 1});
        at = end;
    }
    return symbols;
}

}  // namespace

SentencePiece::SentencePiece(const Pipeline& pipeline)
    : spelled_(pipeline.tokens.size()), scores_(pipeline.scores), add_prefix_space_(pipeline.add_prefix_space) {
    for (int32_t& token : byte_tokens_) token = pipeline.unknown;
    for (size_t i = 0; i < pipeline.tokens.size(); ++i) {
        const std::string_view spelled = pipeline.tokens[i];
        const TokenType type = pipeline.types[i];
        if (type != TokenType::unused) spelled_.add(spelled, static_cast<int32_t>(i));
        const int byte = type == TokenType::byte ? byte_spelled(spelled) : -1;
        if (byte >= 0) {
            byte_tokens_[byte] = static_cast<int32_t>(i);
            text_.add(std::string(1, static_cast<char>(byte)));
        } else {
            text_.add(type == TokenType::user_defined ? std::string(spelled) : spaces_restored(spelled));
        }
    }
}

void SentencePiece::encode(std::string_view text, std::vector<int32_t>& out) const {
    if (text.empty()) return;
    std::string spelled(add_prefix_space_ ? kSpaceMark : std::string_view());
    for (const char byte : text) {
        if (byte == ' ') spelled += kSpaceMark;
        else spelled += byte;
    }
    const std::string_view all = spelled;
    std::vector<Symbol> symbols = characters_of(all);
    std::priority_queue<Candidate> queue;
    const auto offer = [&](size_t left) {
        if (left == kNone || symbols[left].next == kNone) return;
        const size_t bytes = symbols[left].bytes + symbols[symbols[left].next].bytes;
        const int32_t token = spelled_.find(all.substr(symbols[left].begin, bytes));
        if (token >= 0) queue.push({scores_[static_cast<size_t>(token)], left, bytes});
    };
    for (size_t i = 0; i < symbols.size(); ++i) offer(i);
    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        Symbol& left = symbols[best.at];
        if (left.bytes == 0 || left.next == kNone) continue;
        Symbol& right = symbols[left.next];
        if (left.bytes + right.bytes != best.bytes) continue;
        left.bytes = best.bytes;
        right.bytes = 0;
        left.next = right.next;
        if (right.next != kNone) symbols[right.next].previous = best.at;
        offer(left.previous);
        offer(best.at);
    }
    for (size_t at = 0; at != kNone; at = symbols[at].next) {
        const std::string_view piece = all.substr(symbols[at].begin, symbols[at].bytes);
        const int32_t token = spelled_.find(piece);
        if (token >= 0) out.push_back(token);
        else
            for (const char byte : piece) out.push_back(byte_tokens_[static_cast<unsigned char>(byte)]);
    }
}

std::string_view SentencePiece::text_of(int32_t token, bool first) const {
    std::string_view text = text_[static_cast<size_t>(token)];
    if (first && add_prefix_space_ && !text.empty() && text.front() == ' ') text.remove_prefix(1);
    return text;
}

}  // namespace sw
