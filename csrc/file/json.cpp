// A recursive-descent reader of RFC 8259, without extensions. Stricter in three ways: member names are unique, numbers
// are finite, and depth and size are bounded.
#include "file/json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <locale>
#include <sstream>

#include "file/error.h"
#include "file/utf8.h"

namespace sw {

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxBytes = size_t(16) << 20;
constexpr size_t kMaxValues = size_t(1) << 20;   // a value costs a hundred bytes of memory, but two of text
constexpr size_t kMaxNumberBytes = 64;   // longer than any number that a float64 or int64 prints as

const char* name_of(Json::Kind kind) {
    switch (kind) {
        case Json::Kind::null: return "null";
        case Json::Kind::boolean: return "a boolean";
        case Json::Kind::number: return "a number";
        case Json::Kind::string: return "a string";
        case Json::Kind::array: return "an array";
        case Json::Kind::object: return "an object";
    }
    return "nothing";
}

[[noreturn]] void fail_kind(Json::Kind wanted, Json::Kind got) {
    throw Error("bad_json", std::string("a JSON value here must be ") + name_of(wanted) + ". Got " + name_of(got) +
                                " in the package's JSON. Write the package again.");
}

}  // namespace

class JsonParser {
public:
    explicit JsonParser(std::string_view text) : text_(text) {}

    Json parse() {
        if (text_.size() > kMaxBytes)
            fail("JSON is at most " + std::to_string(kMaxBytes) + " bytes", std::to_string(text_.size()) + " bytes");
        Json value = parse_value(1);
        skip_space();
        if (at_ != text_.size()) fail("JSON is one value", "more text after it");
        return value;
    }

private:
    [[noreturn]] void fail(const std::string& law, const std::string& got) const {
        throw Error("bad_json",
                    law + ". Got " + got + " at byte " + std::to_string(at_) + " of the JSON. Write the package again.");
    }

    bool ended() const { return at_ >= text_.size(); }
    char peek() const { return ended() ? '\0' : text_[at_]; }

    void skip_space() {
        while (!ended() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
    }

    void expect(char wanted) {
        if (ended() || peek() != wanted) fail(std::string("'") + wanted + "' belongs here", describe_here());
        ++at_;
    }

    std::string describe_here() const {
        if (ended()) return "the end";
        const auto byte = static_cast<unsigned char>(peek());
        if (byte >= 0x20 && byte < 0x7f) return std::string("'") + peek() + "'";
        return "byte " + std::to_string(byte);
    }

    void take_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) fail("a value is null, true, false, a number, a string, [ or {",
                                                         describe_here());
        at_ += word.size();
    }

    Json parse_value(int depth) {
        if (depth > kMaxDepth) fail("JSON nests at most " + std::to_string(kMaxDepth) + " deep", "a deeper value");
        if (++values_ > kMaxValues) fail("JSON has at most " + std::to_string(kMaxValues) + " values", "more");
        skip_space();
        Json value;
        switch (peek()) {
            case '{': parse_object(value, depth); break;
            case '[': parse_array(value, depth); break;
            case '"':
                value.kind_ = Json::Kind::string;
                value.string_ = parse_string();
                break;
            case 't':
                take_word("true");
                value.kind_ = Json::Kind::boolean;
                value.boolean_ = true;
                break;
            case 'f':
                take_word("false");
                value.kind_ = Json::Kind::boolean;
                break;
            case 'n': take_word("null"); break;
            default:
                value.kind_ = Json::Kind::number;
                value.number_ = parse_number();
        }
        return value;
    }

    void parse_object(Json& value, int depth) {
        value.kind_ = Json::Kind::object;
        expect('{');
        skip_space();
        if (peek() == '}') {
            ++at_;
            return;
        }
        while (true) {
            skip_space();
            if (peek() != '"') fail("a member starts with its name", describe_here());
            std::string key = parse_string();
            skip_space();
            expect(':');
            value.members_.emplace_back(std::move(key), parse_value(depth + 1));
            skip_space();
            if (peek() != ',') break;
            ++at_;
        }
        expect('}');
        check_unique(value);
    }

    void check_unique(const Json& value) const {
        std::vector<std::string_view> names;
        names.reserve(value.members_.size());
        for (const auto& member : value.members_) names.push_back(member.first);
        std::sort(names.begin(), names.end());
        const auto twice = std::adjacent_find(names.begin(), names.end());
        if (twice != names.end()) fail("member names are unique", "'" + std::string(twice->substr(0, 80)) + "' twice before");
    }

    void parse_array(Json& value, int depth) {
        value.kind_ = Json::Kind::array;
        expect('[');
        skip_space();
        if (peek() == ']') {
            ++at_;
            return;
        }
        while (true) {
            value.array_.push_back(parse_value(depth + 1));
            skip_space();
            if (peek() != ',') break;
            ++at_;
        }
        expect(']');
    }

    uint32_t parse_hex4() {
        uint32_t code = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = peek();
            uint32_t digit = 0;
            if (c >= '0' && c <= '9') digit = static_cast<uint32_t>(c - '0');
            else if (c >= 'a' && c <= 'f') digit = static_cast<uint32_t>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F') digit = static_cast<uint32_t>(c - 'A' + 10);
            else fail("\\u is followed by four hexadecimal digits", describe_here());
            code = code * 16 + digit;
            ++at_;
        }
        return code;
    }

    void parse_escape(std::string& out) {
        ++at_;   // the backslash
        const char c = peek();
        if (c == 'u') {
            ++at_;
            uint32_t code = parse_hex4();
            if (code >= 0xdc00 && code <= 0xdfff) fail("a low surrogate follows a high one", "one alone");
            if (code >= 0xd800 && code <= 0xdbff) {
                if (text_.substr(at_, 2) != "\\u") fail("a high surrogate is followed by a low one", describe_here());
                at_ += 2;
                const uint32_t low = parse_hex4();
                if (low < 0xdc00 || low > 0xdfff) fail("a high surrogate is followed by a low one", "another code");
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
            append_utf8(out, code);
            return;
        }
        static const std::string_view from = "\"\\/bfnrt";
        static const std::string_view to = "\"\\/\b\f\n\r\t";
        const size_t which = ended() ? std::string_view::npos : from.find(c);
        if (which == std::string_view::npos) fail("an escape is one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u", describe_here());
        out += to[which];
        ++at_;
    }

    std::string parse_string() {
        expect('"');
        std::string out;
        while (true) {
            if (ended()) fail("a string ends with a quotation mark", "the end");
            const auto byte = static_cast<unsigned char>(peek());
            if (byte == '"') break;
            if (byte == '\\') {
                parse_escape(out);
                continue;
            }
            if (byte < 0x20) fail("control characters in a string are escaped", describe_here());
            uint32_t code = 0;
            size_t skip = 0;
            const size_t length = read_utf8(text_, at_, code, skip);
            if (length == 0) fail("JSON is UTF-8", describe_here());
            out.append(text_.substr(at_, length));
            at_ += length;
        }
        ++at_;
        return out;
    }

    size_t take_digits() {
        size_t count = 0;
        while (peek() >= '0' && peek() <= '9') {
            ++at_;
            ++count;
        }
        return count;
    }

    double parse_number() {
        const size_t begin = at_;
        const std::string law = "a value is null, true, false, a number, a string, [ or {";
        if (peek() == '-') ++at_;
        const bool zero = peek() == '0';
        const size_t whole = take_digits();
        if (whole == 0 || (zero && whole > 1)) fail(law, describe_here());
        if (peek() == '.') {
            ++at_;
            if (take_digits() == 0) fail("a decimal point is followed by digits", describe_here());
        }
        if (peek() == 'e' || peek() == 'E') {
            ++at_;
            if (peek() == '+' || peek() == '-') ++at_;
            if (take_digits() == 0) fail("an exponent has digits", describe_here());
        }
        if (at_ - begin > kMaxNumberBytes)
            fail("a number has at most " + std::to_string(kMaxNumberBytes) + " characters", std::to_string(at_ - begin));
        // The classic locale, whatever the host program set: strtod would read a comma there.
        std::istringstream stream{std::string(text_.substr(begin, at_ - begin))};
        stream.imbue(std::locale::classic());
        double value = 0;
        stream >> value;
        if (stream.fail() || !std::isfinite(value)) fail("numbers are finite float64", std::string(text_.substr(begin, at_ - begin)));
        return value;
    }

    std::string_view text_;
    size_t at_ = 0;
    size_t values_ = 0;
};

Json Json::parse(std::string_view text) { return JsonParser(text).parse(); }

bool Json::boolean() const {
    if (kind_ != Kind::boolean) fail_kind(Kind::boolean, kind_);
    return boolean_;
}

double Json::number() const {
    if (kind_ != Kind::number) fail_kind(Kind::number, kind_);
    return number_;
}

int64_t Json::integer() const {
    const double value = number();
    // Beyond 2^53 a float64 no longer tells neighbours apart.
    if (value != std::floor(value) || std::fabs(value) > 9007199254740992.0)
        throw Error("bad_json", "a JSON value here must be an integer within 2^53. Got " + std::to_string(value) +
                                    " in the package's JSON. Write the package again.");
    return static_cast<int64_t>(value);
}

const std::string& Json::string() const {
    if (kind_ != Kind::string) fail_kind(Kind::string, kind_);
    return string_;
}

const std::vector<Json>& Json::array() const {
    if (kind_ != Kind::array) fail_kind(Kind::array, kind_);
    return array_;
}

const Json* Json::find(std::string_view key) const {
    for (const auto& member : members())
        if (member.first == key) return &member.second;
    return nullptr;
}

const Json& Json::at(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr)
        throw Error("bad_json", "a JSON object here must have the member '" + std::string(key.substr(0, 80)) +
                                    "'. Got none in the package's JSON. Write the package again.");
    return *value;
}

const std::vector<std::pair<std::string, Json>>& Json::members() const {
    if (kind_ != Kind::object) fail_kind(Kind::object, kind_);
    return members_;
}

}  // namespace sw
