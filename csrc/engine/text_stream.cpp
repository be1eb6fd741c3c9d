#include "engine/text_stream.h"

#include <algorithm>

#include "file/utf8.h"

namespace sw {

std::string Utf8Stream::push(std::string_view bytes) {
    pending_ += bytes;
    std::string out;
    size_t at = 0;
    while (at < pending_.size()) {
        uint32_t code = 0;
        size_t skip = 0;
        const size_t length = read_utf8(pending_, at, code, skip);
        if (length > 0) {
            out.append(pending_, at, length);
            at += length;
            continue;
        }
        if (at + skip == pending_.size()) {
            // A piece that ends with the bytes may become a character: try with a continuation byte behind it.
            const unsigned char lead = (unsigned char)pending_[at];
            const size_t needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
            if (lead >= 0xc2 && lead <= 0xf4 && skip < needed) break;
        }
        out += "\xEF\xBF\xBD";
        at += skip;
    }
    pending_.erase(0, at);
    return out;
}

std::string Utf8Stream::finish() {
    const bool unfinished = !pending_.empty();
    pending_.clear();
    return unfinished ? "\xEF\xBF\xBD" : "";
}

std::string TextStream::release(std::string text) {
    if (stopped_) return "";
    held_ += text;
    size_t first = std::string::npos, waiting = 0;
    for (const std::string& stop : stops_) {
        first = std::min(first, held_.find(stop));
        for (size_t length = std::min(stop.size() - 1, held_.size()); length > waiting; --length)
            if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) waiting = length;
    }
    stopped_ = first != std::string::npos;
    const size_t ready = stopped_ ? first : held_.size() - waiting;
    text.assign(held_, 0, ready);
    held_.erase(0, ready);
    return text;
}

std::string TextStream::push(std::string_view bytes) { return release(characters_.push(bytes)); }

std::string TextStream::finish() {
    std::string rest = release(characters_.finish());
    if (!stopped_) rest += held_;
    held_.clear();
    return rest;
}

}  // namespace sw
