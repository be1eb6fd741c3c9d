// Byte-level byte-pair encoding.
// Enters: a checked Pipeline, then the bytes of single words. Leaves: tokens. Not here: cutting text into words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pipeline.h"
#include "tokenizer/vocabulary.h"

namespace sw {

// Two neighbouring tokens to the token that they merge into and the rank of that merge.
class MergeTable {
public:
    explicit MergeTable(size_t capacity);
    void add(int32_t left, int32_t right, uint32_t rank, int32_t merged);   // the last of equal pairs counts
    // The rank, or kNoMerge.
    uint32_t find(int32_t left, int32_t right, int32_t& merged) const;

    static constexpr uint32_t kNoMerge = UINT32_MAX;

private:
    struct Slot {
        uint64_t pair;      // all ones when free
        uint32_t rank;
        int32_t merged;
    };
    size_t slot_of(uint64_t pair) const;
    std::vector<Slot> slots_;
};

class Bpe {
public:
    explicit Bpe(const Pipeline& pipeline);
    void encode_word(std::string_view bytes, std::vector<int32_t>& out) const;
    // The bytes that a token stands for.
    std::string_view bytes_of(int32_t token) const { return bytes_[static_cast<size_t>(token)]; }

private:
    void merge_short(std::vector<int32_t>& symbols) const;
    void merge_long(std::vector<int32_t>& symbols) const;

    StringPool bytes_;                     // by token
    std::unique_ptr<StringTable> words_;   // whole words, where they are taken as they are; else null
    MergeTable merges_;
    int32_t byte_tokens_[256];             // -1: the vocabulary has no such byte
    int32_t unknown_;
};

}  // namespace sw
