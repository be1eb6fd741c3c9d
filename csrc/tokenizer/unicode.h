// Code points: their classes, lower case, and the normal forms NFD and NFC, as the tokenizers library has them.
// Enters: code points. Leaves: code points. Not here: UTF-8 (file/utf8.h), words (split.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sw {

using Codes = std::vector<uint32_t>;

constexpr uint8_t kLetter = 1;         // \p{L}
constexpr uint8_t kNumber = 2;         // \p{N}
constexpr uint8_t kSpace = 4;          // \s
constexpr uint8_t kDigit = 8;          // what splits alone where digits do; a newer Unicode's \p{N}
constexpr uint8_t kPunctuation = 16;   // BERT's
constexpr uint8_t kMark = 32;          // non-spacing; dropped when accents are stripped
constexpr uint8_t kControl = 64;       // dropped when text is cleaned
constexpr uint8_t kCjk = 128;          // a word by itself for BERT

// The classes of a code point, as a sum of the constants above.
uint8_t classes_of(uint32_t code);

// Invalid UTF-8 becomes U+FFFD, one for each ill-formed piece.
Codes decode_utf8(std::string_view text);
std::string replace_invalid_utf8(std::string_view text);

void append_lowercase(Codes& out, uint32_t code);
Codes to_nfd(const Codes& codes);
Codes to_nfc(const Codes& codes);

}  // namespace sw
