// One error type for the whole library: a stable kind (for programs and tests) and a message (for people).
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "file/utf8.h"

namespace sw {

// A message as one line of printable UTF-8, whatever a hostile file put into it: control characters are escaped, bytes
// that are not UTF-8 become '?', and beyond 2000 bytes it is cut.
inline std::string one_line(std::string_view message) {
    constexpr size_t kMost = 2000;
    std::string out;
    uint32_t code = 0;
    size_t skip = 0;
    for (size_t at = 0; at < message.size();) {
        if (out.size() > kMost) return out + "...";
        const size_t length = read_utf8(message, at, code, skip);
        if (length == 0) {
            out += '?';
            at += skip;
            continue;
        }
        if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029) {
            char escape[16];
            std::snprintf(escape, sizeof escape, code < 0x100 ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(code));
            out += escape;
        } else {
            out += message.substr(at, length);
        }
        at += length;
    }
    return out;
}

class Error : public std::runtime_error {
public:
    Error(std::string kind, const std::string& message) : std::runtime_error(one_line(message)), kind_(std::move(kind)) {}
    const std::string& kind() const { return kind_; }

private:
    std::string kind_;
};

}  // namespace sw
