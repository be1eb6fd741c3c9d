// An open-addressing hash table over one block of text; FNV-1a, because it gives the hash of every prefix on the way.
#include "tokenizer/vocabulary.h"

#include <algorithm>

namespace sw {

namespace {

constexpr uint64_t kHashStart = 0xcbf29ce484222325u;

uint64_t extend_hash(uint64_t hash, char byte) { return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u; }

uint64_t hash_of(std::string_view text) {
    uint64_t hash = kHashStart;
    for (const char byte : text) hash = extend_hash(hash, byte);
    return hash;
}

bool starts_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

}  // namespace

StringTable::StringTable(size_t capacity) {
    size_t slots = 16;
    while (slots < capacity * 2) slots *= 2;
    slots_.assign(slots, -1);
}

size_t StringTable::slot_of(std::string_view text, uint64_t hash) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = static_cast<size_t>(hash ^ (hash >> 29)) & mask;
    while (slots_[slot] >= 0 && pool_[static_cast<size_t>(slots_[slot])] != text) slot = (slot + 1) & mask;
    return slot;
}

void StringTable::add(std::string_view text, int32_t number) {
    const size_t slot = slot_of(text, hash_of(text));
    if (slots_[slot] >= 0) return;
    slots_[slot] = static_cast<int32_t>(pool_.size());
    pool_.add(text);
    numbers_.push_back(number);
    max_bytes_ = std::max(max_bytes_, text.size());
}

int32_t StringTable::find(std::string_view text) const {
    const int32_t index = slots_[slot_of(text, hash_of(text))];
    return index < 0 ? -1 : numbers_[static_cast<size_t>(index)];
}

int32_t StringTable::find_longest(std::string_view text, size_t& length) const {
    // Most words are in the vocabulary whole or in a few pieces, so the hashes of all prefixes are made once and tried
    // from the longest on.
    struct Prefix {
        size_t bytes;
        uint64_t hash;
    };
    thread_local std::vector<Prefix> prefixes;
    prefixes.clear();
    uint64_t hash = kHashStart;
    const size_t limit = std::min(text.size(), max_bytes_);
    for (size_t i = 0; i < limit; ++i) {
        hash = extend_hash(hash, text[i]);
        if (i + 1 == text.size() || starts_character(text[i + 1])) prefixes.push_back({i + 1, hash});
    }
    for (size_t i = prefixes.size(); i-- > 0;) {
        const int32_t index = slots_[slot_of(text.substr(0, prefixes[i].bytes), prefixes[i].hash)];
        if (index < 0) continue;
        length = prefixes[i].bytes;
        return numbers_[static_cast<size_t>(index)];
    }
    return -1;
}

void SpecialTokens::add(std::string_view text, int32_t token) {
    if (!text.empty()) entries_.push_back({std::string(text), token});
}

void SpecialTokens::finish() {
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
        return a.text != b.text ? a.text < b.text : a.token < b.token;
    });
    size_t at = 0;
    for (uint32_t byte = 0; byte < 256; ++byte) {
        starts_[byte] = static_cast<uint32_t>(at);
        while (at < entries_.size() && static_cast<unsigned char>(entries_[at].text[0]) == byte) ++at;
    }
    starts_[256] = static_cast<uint32_t>(at);
}

bool SpecialTokens::find(std::string_view text, size_t from, size_t& begin, size_t& end, int32_t& token) const {
    for (size_t at = from; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        // The entries that share the first `depth` bytes with the text, narrowed byte by byte.
        size_t low = starts_[byte];
        size_t high = starts_[byte + 1];
        bool found = false;
        for (size_t depth = 1; low < high; ++depth) {
            if (entries_[low].text.size() == depth) {   // the shortest of a sorted range comes first
                found = true;
                end = at + depth;
                token = entries_[low].token;
                while (low < high && entries_[low].text.size() == depth) ++low;
            }
            if (at + depth >= text.size()) break;
            const auto next = static_cast<unsigned char>(text[at + depth]);
            const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(low);
            const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(high);
            const auto narrowed = std::lower_bound(first, last, next, [depth](const Entry& entry, unsigned char wanted) {
                return static_cast<unsigned char>(entry.text[depth]) < wanted;
            });
            const auto beyond = std::upper_bound(narrowed, last, next, [depth](unsigned char wanted, const Entry& entry) {
                return wanted < static_cast<unsigned char>(entry.text[depth]);
            });
            low = static_cast<size_t>(narrowed - entries_.begin());
            high = static_cast<size_t>(beyond - entries_.begin());
        }
        if (!found) continue;
        begin = at;
        return true;
    }
    return false;
}

}  // namespace sw
