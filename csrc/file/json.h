// A small strict JSON reader for the private keys of a package (ModelSpec, task, tokenizer pipeline).
// Enters: UTF-8 text, hostile until parsed (depth and size are bounded). Leaves: a tree of values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sw {

class Json {
public:
    enum class Kind { null, boolean, number, string, array, object };
    static Json parse(std::string_view text);   // throws Error kind "bad_json"

    Kind kind() const { return kind_; }
    bool is_null() const { return kind_ == Kind::null; }
    // Typed access; throws Error kind "bad_json" naming what was expected.
    bool boolean() const;
    double number() const;
    int64_t integer() const;                    // an integral number
    const std::string& string() const;
    const std::vector<Json>& array() const;
    const Json& at(std::string_view key) const; // object member; throws when absent
    const Json* find(std::string_view key) const;
    const std::vector<std::pair<std::string, Json>>& members() const;

private:
    friend class JsonParser;
    Kind kind_ = Kind::null;
    bool boolean_ = false;
    double number_ = 0;
    std::string string_;
    std::vector<Json> array_;
    std::vector<std::pair<std::string, Json>> members_;
};

}  // namespace sw
