// What the package says about its tokenizer, checked: the vocabulary's strings and roles, and the facts around them.
// Enters: a file's native keys and the key smallwright.tokenizer. Leaves: a Pipeline. Not here: encoding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/split.h"
#include "tokenizer/vocabulary.h"

namespace sw {

class File;

// GGML's token types.
enum class TokenType : uint8_t { undefined = 0, normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// The counterpart of TokenizerSpec in the build half; the fields mean the same.
struct Pipeline {
    bool wordpiece = false;
    bool sentencepiece = false;           // else byte-level BPE, if not wordpiece either
    Split split = Split::gpt2;
    bool nfc = false;
    bool add_prefix_space = false;
    bool ignore_merges = false;
    bool lowercase = false;
    bool strip_accents = false;
    bool clean_text = false;
    bool split_cjk = false;
    uint32_t max_word_chars = 100;
    int32_t unknown = -1;                 // -1: none
    std::vector<int32_t> prefix;
    std::vector<int32_t> suffix;
    std::vector<int32_t> special;
    std::vector<int32_t> literal;
    int32_t end_token = -1;

    std::vector<std::string_view> tokens;   // views into the file
    std::vector<TokenType> types;
    std::vector<std::string_view> merges;   // views into the file
    std::vector<float> scores;              // of a sentencepiece: one a token
};

// Throws Error kinds "bad_tokenizer", "unsupported_tokenizer", and those of the file's own reader.
Pipeline read_pipeline(const File& file);

}  // namespace sw
