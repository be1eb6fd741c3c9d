// From the bytes of tokens to text that a person may see: whole characters only, and nothing of a stop string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sw {

// Bytes of tokens in, whole characters out: an unfinished one waits, an impossible one becomes U+FFFD.
class Utf8Stream {
public:
    std::string push(std::string_view bytes);
    std::string finish();

private:
    std::string pending_;
};

// The same, and it ends before the first stop string; what may be the beginning of one waits.
class TextStream {
public:
    explicit TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {}
    std::string push(std::string_view bytes);
    std::string finish();   // what has waited in vain
    bool stopped() const { return stopped_; }

private:
    std::string release(std::string text);
    std::vector<std::string> stops_;   // none empty
    Utf8Stream characters_;
    std::string held_;
    bool stopped_ = false;
};

}  // namespace sw
