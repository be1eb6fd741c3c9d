// The strings of a vocabulary, found by content, by number, or as the longest one that starts a text.
// Enters: strings in order of their numbers. Leaves: numbers. Not here: what a string stands for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sw {

// Strings in one block of memory, by number.
class StringPool {
public:
    void add(std::string_view text) {
        text_.append(text);
        ends_.push_back(text_.size());
    }
    std::string_view operator[](size_t index) const {
        const size_t begin = index == 0 ? 0 : ends_[index - 1];
        return std::string_view(text_).substr(begin, ends_[index] - begin);
    }
    size_t size() const { return ends_.size(); }

private:
    std::string text_;
    std::vector<size_t> ends_;
};

// Strings to numbers. A string that is added twice keeps its first number.
class StringTable {
public:
    explicit StringTable(size_t capacity);
    void add(std::string_view text, int32_t number);
    int32_t find(std::string_view text) const;   // -1 when absent
    // The longest entry that `text` starts with: its number and length in bytes; -1 when there is none.
    int32_t find_longest(std::string_view text, size_t& length) const;

private:
    size_t slot_of(std::string_view text, uint64_t hash) const;

    std::vector<int32_t> slots_;      // indices into the pool, -1 when free; a power of two of them
    std::vector<int32_t> numbers_;    // by index
    StringPool pool_;
    size_t max_bytes_ = 0;
};

// A few strings that are cut out of raw text: the leftmost match, and of those the longest.
class SpecialTokens {
public:
    void add(std::string_view text, int32_t token);   // empty strings are never found
    void finish();                                    // call once, after the last add
    // Finds the first match at or after `from`; false when there is none.
    bool find(std::string_view text, size_t from, size_t& begin, size_t& end, int32_t& token) const;
    bool empty() const { return entries_.empty(); }

private:
    struct Entry {
        std::string text;
        int32_t token;
    };
    std::vector<Entry> entries_;      // sorted by text
    uint32_t starts_[257] = {};       // entries whose first byte is b: [starts_[b], starts_[b + 1])
};

}  // namespace sw
