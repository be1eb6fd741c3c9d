// One error type for the whole library: a stable kind (for programs and tests) and a message (for people).
#pragma once

#include <stdexcept>
#include <string>

namespace sw {

class Error : public std::runtime_error {
public:
    Error(std::string kind, const std::string& message) : std::runtime_error(message), kind_(std::move(kind)) {}
    const std::string& kind() const { return kind_; }

private:
    std::string kind_;
};

}  // namespace sw
