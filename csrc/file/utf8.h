// UTF-8, read strictly: no overlong forms, no surrogates, nothing above U+10FFFF.
// Enters: bytes. Leaves: code points, or the news that the bytes are not UTF-8. Not here: what a character is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sw {

// Reads one code point at `at`. Returns its length in bytes, or 0 when the bytes are no code point; then `skip` is the
// length of the ill-formed piece that one U+FFFD replaces (the practice of the Unicode standard, table 3-8, which
// Python's and Rust's replacing decoders follow too).
inline size_t read_utf8(std::string_view text, size_t at, uint32_t& code, size_t& skip) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(at);
    skip = 1;
    if (first < 0x80) {
        code = first;
        return 1;
    }
    size_t length = 0;
    unsigned low = 0x80;    // range of the second byte
    unsigned high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
        code = first & 0x1f;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        code = first & 0x0f;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        code = first & 0x07;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    } else {
        return 0;
    }
    for (size_t i = 1; i < length; ++i) {
        if (at + i >= text.size() || byte(at + i) < low || byte(at + i) > high) {
            skip = i;
            return 0;
        }
        code = (code << 6) | (byte(at + i) & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

inline bool is_utf8(std::string_view text) {
    uint32_t code = 0;
    size_t skip = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t length = read_utf8(text, at, code, skip);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

inline void append_utf8(std::string& out, uint32_t code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xc0 | (code >> 6));
        out += static_cast<char>(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        out += static_cast<char>(0xe0 | (code >> 12));
        out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
        out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
        out += static_cast<char>(0xf0 | (code >> 18));
        out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
        out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
        out += static_cast<char>(0x80 | (code & 0x3f));
    }
}

}  // namespace sw
