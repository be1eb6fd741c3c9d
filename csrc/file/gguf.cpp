// Reads and validates the GGUF container, versions 2 and 3, little-endian. docs/format.md lists the refusals.
// Source: the GGUF specification in the ggml repository. Ours is stricter: one alignment rule, no overlap, no zero
// dimensions, no nested arrays, no empty or doubled names.
#include "file/gguf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "file/utf8.h"

namespace sw {

namespace {

constexpr uint64_t kDefaultAlignment = 32;   // the container's own, where general.alignment is absent
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxTensorNameBytes = 64;
constexpr uint64_t kMinKeyRecordBytes = 8 + 1 + 4 + 1;              // length, one character, type, one byte
constexpr uint64_t kMinTensorRecordBytes = 8 + 1 + 4 + 8 + 4 + 8;   // length, one character, dims, type, offset

// Value types of metadata, as the container numbers them.
enum ValueType : uint32_t {
    kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9,
    kU64 = 10, kI64 = 11, kF64 = 12
};
const char* const kValueTypeNames[] = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32",
                                       "bool", "string", "array", "uint64", "int64", "float64"};
constexpr uint32_t kValueTypes = 13;

// Bytes of one fixed-size value; 0 for strings and arrays.
uint64_t width_of(uint32_t type) {
    static const uint8_t widths[kValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return widths[type];
}

bool is_integer(uint32_t type) { return type <= kI32 || type == kU64 || type == kI64; }

// Null for a type that the engine does not read.
const Layout* find_layout(uint32_t type) {
    static const std::pair<Type, Layout> layouts[] = {
        {Type::f32, {"f32", 1, 4}},         {Type::f16, {"f16", 1, 2}},         {Type::bf16, {"bf16", 1, 2}},
        {Type::q8_0, {"q8_0", 32, 34}},     {Type::q4_0, {"q4_0", 32, 18}},     {Type::q4_1, {"q4_1", 32, 20}},
        {Type::q5_0, {"q5_0", 32, 22}},     {Type::q5_1, {"q5_1", 32, 24}},     {Type::iq4_nl, {"iq4_nl", 32, 18}},
        {Type::q4_k, {"q4_k", 256, 144}},   {Type::q5_k, {"q5_k", 256, 176}},   {Type::q6_k, {"q6_k", 256, 210}},
        {Type::i8, {"i8", 1, 1}},           {Type::i32, {"i32", 1, 4}}};
    for (const auto& entry : layouts)
        if (uint32_t(entry.first) == type) return &entry.second;
    return nullptr;
}

// The container's name for a tensor type that we do not read, for the message only.
std::string foreign_type_name(uint32_t type) {
    static const std::pair<uint32_t, const char*> names[] = {
        {9, "q8_1"}, {10, "q2_k"}, {11, "q3_k"}, {15, "q8_k"}, {16, "iq2_xxs"}, {17, "iq2_xs"}, {18, "iq3_xxs"},
        {19, "iq1_s"}, {21, "iq3_s"}, {22, "iq2_s"}, {23, "iq4_xs"}, {25, "i16"}, {27, "i64"}, {28, "f64"},
        {29, "iq1_m"}, {34, "tq1_0"}, {35, "tq2_0"}, {39, "mxfp4"}};
    for (const auto& entry : names)
        if (entry.first == type) return std::to_string(type) + " (" + entry.second + ")";
    return std::to_string(type);
}

// A string of the file, safe to print: cut at 80 bytes, everything but printable ASCII escaped.
std::string quote(std::string_view text) {
    std::string out = "'";
    for (size_t i = 0; i < text.size(); ++i) {
        if (i == 80) {
            out += "...";
            break;
        }
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte >= 0x20 && byte < 0x7f) {
            out += text[i];
        } else {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\x%02x", byte);
            out += escape;
        }
    }
    return out + "'";
}

template <class T>
T load(const uint8_t* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

struct Entry {
    std::string_view key;
    uint32_t type;           // ValueType
    uint32_t element;        // ValueType of an array's elements
    uint64_t count;          // elements of an array
    const uint8_t* bytes;    // first byte of the value (after an array's element type and count; after a string's length)
    uint64_t size_bytes;     // of a string
};

// Strings are UTF-8. They are checked when they are asked for: a key that nobody reads harms nobody.
std::string_view load_text(const Entry& entry, const uint8_t* bytes, uint64_t size_bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size_bytes);
    if (!is_utf8(text))
        throw Error("not_utf8", "text is UTF-8. Got " + quote(text) + " in the key " + quote(entry.key) +
                                    " of the file's metadata. Write the file again with a current tool.");
    return text;
}

// True when the integer is not negative; `out` is its value.
bool load_uint(uint32_t type, const uint8_t* bytes, uint64_t& out) {
    int64_t value = 0;
    switch (type) {
        case kU8: out = load<uint8_t>(bytes); return true;
        case kU16: out = load<uint16_t>(bytes); return true;
        case kU32: out = load<uint32_t>(bytes); return true;
        case kU64: out = load<uint64_t>(bytes); return true;
        case kI8: value = load<int8_t>(bytes); break;
        case kI16: value = load<int16_t>(bytes); break;
        case kI32: value = load<int32_t>(bytes); break;
        case kI64: value = load<int64_t>(bytes); break;
        default: return false;
    }
    out = static_cast<uint64_t>(value);
    return value >= 0;
}

// True when the value is a float32 or a float64 within float32's range.
bool load_float(uint32_t type, const uint8_t* bytes, float& out) {
    if (type == kF32) {
        out = load<float>(bytes);
        return true;
    }
    if (type != kF64) return false;
    const double value = load<double>(bytes);
    if (std::isfinite(value) && std::fabs(value) > double(std::numeric_limits<float>::max())) return false;
    out = static_cast<float>(value);
    return true;
}

std::string describe(const Entry& entry) {
    std::string name = kValueTypeNames[entry.type];
    if (entry.type == kArray) name += std::string(" of ") + kValueTypeNames[entry.element];
    return name;
}

[[noreturn]] void fail_type(const Entry& entry, const std::string& wanted) {
    throw Error("wrong_type", "the key " + quote(entry.key) + " must hold " + wanted + ". Got " + describe(entry) +
                                  " in the file's metadata. Write the file again with a current tool.");
}

}  // namespace

struct File::Impl {
    std::string place;               // how messages name the file
    const uint8_t* bytes = nullptr;
    uint64_t size_bytes = 0;
    void* mapping = nullptr;         // null when the memory is borrowed
    uint64_t position = 0;
    uint64_t alignment = kDefaultAlignment;
    std::vector<Entry> entries;      // in file order
    std::vector<uint32_t> by_key;    // indices into entries, sorted by key
    std::vector<Tensor> tensors;     // in file order
    std::vector<uint32_t> by_name;   // indices into tensors, sorted by name

    ~Impl() {
        if (mapping != nullptr) munmap(mapping, size_bytes);
    }

    void parse();
    void parse_header(uint64_t& tensor_count, uint64_t& key_count);
    void parse_entry(uint64_t index);
    void parse_array(Entry& entry);
    void parse_tensor(uint64_t index, std::vector<uint64_t>& offsets);
    void check_keys();
    void check_tensor_names();
    void find_alignment();
    void place_tensors(const std::vector<uint64_t>& offsets);
    const Entry* find(std::string_view key) const;

    uint64_t remaining() const { return size_bytes - position; }

    void need(uint64_t count, const std::string& what) const {
        if (count > remaining())
            throw Error("truncated", "a file holds all that it announces. Got " + std::to_string(remaining()) +
                                         " of " + std::to_string(count) + " bytes for " + what + " at byte " +
                                         std::to_string(position) + " of " + place +
                                         ". Copy or download the file again.");
    }

    template <class T>
    T take(const std::string& what) {
        need(sizeof(T), what);
        const T value = load<T>(bytes + position);
        position += sizeof(T);
        return value;
    }

    std::string_view take_string(const std::string& what) {
        const uint64_t at = position;
        const uint64_t length = take<uint64_t>("the length of " + what);
        if (length > size_bytes)
            throw Error("bad_string", "a string is not longer than its file. Got " + std::to_string(length) +
                                          " bytes for " + what + " at byte " + std::to_string(at) + " of " + place +
                                          " (" + std::to_string(size_bytes) +
                                          " bytes). The file is damaged: copy or download it again.");
        need(length, what);
        const std::string_view text(reinterpret_cast<const char*>(bytes + position), length);
        position += length;
        return text;
    }

    // `count` records of at least `min_bytes` each must fit in what remains.
    void check_count(uint64_t count, uint64_t min_bytes, const std::string& what) const {
        if (count > size_bytes)
            throw Error("bad_count", "a file has fewer " + what + " than bytes. Got " + std::to_string(count) +
                                         " before byte " + std::to_string(position) + " of " + place + " (" +
                                         std::to_string(size_bytes) +
                                         " bytes). The file is damaged: copy or download it again.");
        if (count > remaining() / min_bytes)
            throw Error("truncated", "a file holds all that it announces. Got " + std::to_string(remaining()) +
                                         " bytes for " + std::to_string(count) + " " + what + " at byte " +
                                         std::to_string(position) + " of " + place +
                                         ". Copy or download the file again.");
    }
};

void File::Impl::parse() {
    uint64_t tensor_count = 0;
    uint64_t key_count = 0;
    parse_header(tensor_count, key_count);
    for (uint64_t i = 0; i < key_count; ++i) parse_entry(i);
    check_keys();
    find_alignment();
    check_count(tensor_count, kMinTensorRecordBytes, "tensors");
    std::vector<uint64_t> offsets;
    for (uint64_t i = 0; i < tensor_count; ++i) parse_tensor(i, offsets);
    check_tensor_names();
    place_tensors(offsets);
}

void File::Impl::parse_header(uint64_t& tensor_count, uint64_t& key_count) {
    need(4, "the magic number");
    if (std::memcmp(bytes, "GGUF", 4) != 0)
        throw Error("bad_magic", "a package starts with the four bytes GGUF. Got " +
                                     quote(std::string_view(reinterpret_cast<const char*>(bytes), 4)) +
                                     " at byte 0 of " + place + ". Give the path of a .gguf file.");
    position = 4;
    const auto version = take<uint32_t>("the version");
    if (version != 2 && version != 3) {
        const bool swapped = (version & 0xffff) == 0 && version != 0;
        throw Error("bad_version", "the container's version is 2 or 3, little-endian. Got " + std::to_string(version) +
                                       (swapped ? " (a big-endian file)" : "") + " at byte 4 of " + place +
                                       ". Convert the file again with a current tool.");
    }
    tensor_count = take<uint64_t>("the number of tensors");
    key_count = take<uint64_t>("the number of keys");
    check_count(tensor_count, kMinTensorRecordBytes, "tensors");
    check_count(key_count, kMinKeyRecordBytes, "keys");
    // Indices are 32 bits wide; a file with more records than that is no model.
    const uint64_t limit = std::numeric_limits<uint32_t>::max();
    if (tensor_count > limit || key_count > limit)
        throw Error("too_large", "a file has at most " + std::to_string(limit) + " keys and tensors. Got " +
                                     std::to_string(key_count) + " and " + std::to_string(tensor_count) + " in " +
                                     place + ". The file is damaged: copy or download it again.");
}

void File::Impl::parse_entry(uint64_t index) {
    const uint64_t at = position;
    const std::string which = "key " + std::to_string(index);
    Entry entry{};
    entry.key = take_string(which);
    if (entry.key.empty() || entry.key.size() > kMaxKeyBytes || !is_utf8(entry.key) ||
        entry.key.find('\0') != std::string_view::npos)
        throw Error("bad_key", "a key is UTF-8 of 1 to " + std::to_string(kMaxKeyBytes) +
                                   " bytes without zeros. Got " + quote(entry.key) + " (" +
                                   std::to_string(entry.key.size()) + " bytes) as " + which + " at byte " +
                                   std::to_string(at) + " of " + place +
                                   ". The file is damaged: copy or download it again.");
    const std::string what = "the value of " + quote(entry.key);
    entry.type = take<uint32_t>("the type of " + quote(entry.key));
    if (entry.type >= kValueTypes)
        throw Error("bad_value_type", "a value's type is 0 to 12. Got " + std::to_string(entry.type) + " for " +
                                          quote(entry.key) + " at byte " + std::to_string(position - 4) + " of " +
                                          place + ". The file is damaged: copy or download it again.");
    if (entry.type == kString) {
        const std::string_view text = take_string(what);
        entry.bytes = reinterpret_cast<const uint8_t*>(text.data());
        entry.size_bytes = text.size();
    } else if (entry.type == kArray) {
        parse_array(entry);
    } else {
        need(width_of(entry.type), what);
        entry.bytes = bytes + position;
        position += width_of(entry.type);
        if (entry.type == kBool && *entry.bytes > 1)
            throw Error("bad_bool", "a bool is 0 or 1. Got " + std::to_string(*entry.bytes) + " in " + what + " at byte " +
                                        std::to_string(position - 1) + " of " + place +
                                        ". The file is damaged: copy or download it again.");
    }
    entries.push_back(entry);
}

void File::Impl::parse_array(Entry& entry) {
    const std::string name = quote(entry.key);
    entry.element = take<uint32_t>("the element type of " + name);
    if (entry.element == kArray)
        throw Error("nested_array", "an array holds plain values. Got an array of arrays in " + name + " at byte " +
                                        std::to_string(position - 4) + " of " + place +
                                        ". Write the file again without that key.");
    if (entry.element >= kValueTypes)
        throw Error("bad_value_type", "a value's type is 0 to 12. Got " + std::to_string(entry.element) +
                                          " for the elements of " + name + " at byte " + std::to_string(position - 4) +
                                          " of " + place + ". The file is damaged: copy or download it again.");
    entry.count = take<uint64_t>("the length of " + name);
    const bool strings = entry.element == kString;
    const uint64_t width = strings ? 8 : width_of(entry.element);
    check_count(entry.count, width, "elements of " + name);
    entry.bytes = bytes + position;
    if (strings) {
        const std::string what = "a string of " + name;
        for (uint64_t i = 0; i < entry.count; ++i) take_string(what);
        return;
    }
    position += entry.count * width;
    if (entry.element != kBool) return;
    for (uint64_t i = 0; i < entry.count; ++i)
        if (entry.bytes[i] > 1)
            throw Error("bad_bool", "a bool is 0 or 1. Got " + std::to_string(entry.bytes[i]) + " in element " +
                                        std::to_string(i) + " of " + name + " in " + place +
                                        ". The file is damaged: copy or download it again.");
}

void File::Impl::check_keys() {
    by_key.resize(entries.size());
    for (size_t i = 0; i < by_key.size(); ++i) by_key[i] = static_cast<uint32_t>(i);
    std::sort(by_key.begin(), by_key.end(), [this](uint32_t a, uint32_t b) {
        return entries[a].key != entries[b].key ? entries[a].key < entries[b].key : a < b;
    });
    for (size_t i = 1; i < by_key.size(); ++i) {
        if (entries[by_key[i]].key != entries[by_key[i - 1]].key) continue;
        throw Error("duplicate_key", "each key appears once. Got " + quote(entries[by_key[i]].key) + " as key " +
                                         std::to_string(by_key[i - 1]) + " and key " + std::to_string(by_key[i]) +
                                         " of " + place + ". Write the file again.");
    }
}

void File::Impl::find_alignment() {
    const Entry* entry = find("general.alignment");
    if (entry == nullptr) return;
    if (entry->type != kU32) fail_type(*entry, "uint32");
    alignment = load<uint32_t>(entry->bytes);
    if (alignment < 8 || alignment > 4096 || (alignment & (alignment - 1)) != 0)
        throw Error("bad_alignment", "general.alignment is a power of two from 8 to 4096. Got " +
                                         std::to_string(alignment) + " in " + place + ". Write the file again with 32 or 64.");
}

void File::Impl::parse_tensor(uint64_t index, std::vector<uint64_t>& offsets) {
    const uint64_t at = position;
    const std::string which = "the name of tensor " + std::to_string(index);
    Tensor tensor{};
    tensor.name = take_string(which);
    if (tensor.name.empty() || tensor.name.size() > kMaxTensorNameBytes || !is_utf8(tensor.name) ||
        tensor.name.find('\0') != std::string_view::npos)
        throw Error("bad_tensor_name", "a tensor's name is UTF-8 of 1 to " + std::to_string(kMaxTensorNameBytes) +
                                           " bytes without zeros. Got " + quote(tensor.name) + " (" +
                                           std::to_string(tensor.name.size()) + " bytes) as " + which + " at byte " +
                                           std::to_string(at) + " of " + place +
                                           ". The file is damaged: copy or download it again.");
    const std::string what = "the record of tensor " + quote(tensor.name);
    const auto n_dims = take<uint32_t>(what);
    if (n_dims < 1 || n_dims > 4)
        throw Error("bad_dims", "a tensor has 1 to 4 dimensions. Got " + std::to_string(n_dims) + " for " +
                                    quote(tensor.name) + " in " + place +
                                    ". The file is damaged: copy or download it again.");
    tensor.n_dims = static_cast<int>(n_dims);
    uint64_t elements = 1;
    for (int i = 0; i < 4; ++i) {
        tensor.dims[i] = i < tensor.n_dims ? take<uint64_t>(what) : 1;
        // 2^58 elements of 4 bytes each stay below 2^63.
        if (tensor.dims[i] == 0 || tensor.dims[i] > (uint64_t(1) << 58) / elements)
            throw Error("bad_dims", "a tensor's dimensions are positive and their product below 2^58. Got " +
                                        std::to_string(tensor.dims[i]) + " for dimension " + std::to_string(i) + " of " +
                                        quote(tensor.name) + " in " + place +
                                        ". The file is damaged: copy or download it again.");
        elements *= tensor.dims[i];
    }
    const auto type = take<uint32_t>(what);
    const Layout* layout = find_layout(type);
    if (layout == nullptr)
        throw Error("unknown_type", "the engine reads f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, "
                                    "iq4_nl, i8 and i32 tensors. Got type " +
                                        foreign_type_name(type) + " for " + quote(tensor.name) + " in " + place +
                                        ". Convert the model to one of them.");
    tensor.type = static_cast<Type>(type);
    if (tensor.dims[0] % layout->block != 0)
        throw Error("bad_dims", "the first dimension of a quantised tensor is a multiple of its block of " +
                                    std::to_string(layout->block) + ". Got " + std::to_string(tensor.dims[0]) + " for " +
                                    quote(tensor.name) + " in " + place + ". Write that tensor as f16 or f32.");
    tensor.size_bytes = elements / layout->block * layout->block_bytes;
    offsets.push_back(take<uint64_t>(what));
    tensors.push_back(tensor);
}

void File::Impl::check_tensor_names() {
    by_name.resize(tensors.size());
    for (size_t i = 0; i < by_name.size(); ++i) by_name[i] = static_cast<uint32_t>(i);
    std::sort(by_name.begin(), by_name.end(), [this](uint32_t a, uint32_t b) {
        return tensors[a].name != tensors[b].name ? tensors[a].name < tensors[b].name : a < b;
    });
    for (size_t i = 1; i < by_name.size(); ++i) {
        if (tensors[by_name[i]].name != tensors[by_name[i - 1]].name) continue;
        throw Error("duplicate_tensor", "each tensor appears once. Got " + quote(tensors[by_name[i]].name) +
                                            " as tensor " + std::to_string(by_name[i - 1]) + " and tensor " +
                                            std::to_string(by_name[i]) + " of " + place + ". Write the file again.");
    }
}

void File::Impl::place_tensors(const std::vector<uint64_t>& offsets) {
    if (tensors.empty()) return;
    const uint64_t start = (position + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < tensors.size(); ++i) {
        Tensor& tensor = tensors[i];
        if (offsets[i] % alignment != 0 || offsets[i] > (uint64_t(1) << 62))
            throw Error("bad_offset", "a tensor's offset is a multiple of the alignment " + std::to_string(alignment) +
                                          " below 2^62. Got " + std::to_string(offsets[i]) + " for " +
                                          quote(tensor.name) + " in " + place +
                                          ". The file is damaged: copy or download it again.");
        const uint64_t end = start + offsets[i] + tensor.size_bytes;
        if (end > size_bytes)
            throw Error("truncated", "a file holds all that it announces. Got " + std::to_string(size_bytes) +
                                         " bytes where tensor " + quote(tensor.name) + " ends at byte " +
                                         std::to_string(end) + " of " + place + ". Copy or download the file again.");
        tensor.data = bytes + start + offsets[i];
    }
    std::vector<uint32_t> order(tensors.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return offsets[a] != offsets[b] ? offsets[a] < offsets[b] : a < b; });
    for (size_t i = 1; i < order.size(); ++i) {
        const uint32_t before = order[i - 1];
        const uint32_t after = order[i];
        if (offsets[before] + tensors[before].size_bytes <= offsets[after]) continue;
        throw Error("overlap", "tensors do not share bytes. Got " + quote(tensors[before].name) + " at offset " +
                                   std::to_string(offsets[before]) + " with " +
                                   std::to_string(tensors[before].size_bytes) + " bytes and " +
                                   quote(tensors[after].name) + " at offset " + std::to_string(offsets[after]) +
                                   " in " + place + ". The file is damaged: copy or download it again.");
    }
}

const Entry* File::Impl::find(std::string_view key) const {
    const auto at = std::lower_bound(by_key.begin(), by_key.end(), key,
                                     [this](uint32_t index, std::string_view k) { return entries[index].key < k; });
    return at != by_key.end() && entries[*at].key == key ? &entries[*at] : nullptr;
}

const Layout& layout_of(Type type) { return *find_layout(uint32_t(type)); }

File::File() : impl_(new Impl) {}
File::File(File&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
File& File::operator=(File&& other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
}
File::~File() { delete impl_; }

File File::open(const std::string& path) {
    const auto refuse = [&path](const std::string& why) {
        return Error("cannot_open",
                     "a package is a readable file. Got " + why + " for " + path + ". Check the path and its permissions.");
    };
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw refuse(std::string("'") + std::strerror(errno) + "'");
    struct stat status {};
    const bool known = fstat(descriptor, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
        ::close(descriptor);
        throw refuse(known && S_ISDIR(status.st_mode) ? "a folder" : "something that is not a plain file");
    }
    const auto size_bytes = static_cast<uint64_t>(status.st_size);
    if (size_bytes == 0) {
        ::close(descriptor);
        throw Error("truncated", "a file holds all that it announces. Got 0 bytes in " + path +
                                     ". Copy or download the file again.");
    }
    if (size_bytes > std::numeric_limits<size_t>::max() / 2) {
        ::close(descriptor);
        throw Error("too_large", "a package fits in the address space. Got " + std::to_string(size_bytes) +
                                     " bytes in " + path + ". Use a 64-bit system or a smaller file.");
    }
    void* mapping = mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    const int reason = errno;
    ::close(descriptor);
    if (mapping == MAP_FAILED) throw refuse(std::string("'") + std::strerror(reason) + "' when mapping it");
    File file;
    file.impl_->mapping = mapping;
    file.impl_->bytes = static_cast<const uint8_t*>(mapping);
    file.impl_->size_bytes = size_bytes;
    file.impl_->place = path;
    file.impl_->parse();
    return file;
}

File File::parse(const uint8_t* bytes, uint64_t size_bytes) {
    // A mapping starts on a page; borrowed memory must at least keep numbers on their natural boundaries.
    if (reinterpret_cast<uintptr_t>(bytes) % 8 != 0)
        throw Error("bad_alignment", "borrowed memory starts on a multiple of 8. Got an address with remainder " +
                                         std::to_string(reinterpret_cast<uintptr_t>(bytes) % 8) +
                                         " in memory. Allocate it with 64-byte alignment.");
    File file;
    file.impl_->bytes = bytes;
    file.impl_->size_bytes = size_bytes;
    file.impl_->place = "memory";
    file.impl_->parse();
    return file;
}

bool File::find_string(std::string_view key, std::string_view& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr) return false;
    if (entry->type != kString) fail_type(*entry, "a string");
    out = load_text(*entry, entry->bytes, entry->size_bytes);
    return true;
}

bool File::find_uint(std::string_view key, uint64_t& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr) return false;
    if (!is_integer(entry->type) || !load_uint(entry->type, entry->bytes, out))
        fail_type(*entry, "an integer that is not negative");
    return true;
}

bool File::find_float(std::string_view key, float& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr) return false;
    if (!load_float(entry->type, entry->bytes, out)) fail_type(*entry, "a float within float32's range");
    return true;
}

bool File::find_bool(std::string_view key, bool& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr) return false;
    if (entry->type != kBool) fail_type(*entry, "a bool");
    out = *entry->bytes != 0;
    return true;
}

bool File::find_strings(std::string_view key, std::vector<std::string_view>& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr) return false;
    if (entry->type != kArray || entry->element != kString) fail_type(*entry, "an array of strings");
    out.clear();
    out.reserve(entry->count);   // bounded by the file's size, checked in parse_array
    const uint8_t* at = entry->bytes;
    for (uint64_t i = 0; i < entry->count; ++i) {
        const auto length = load<uint64_t>(at);
        out.push_back(load_text(*entry, at + 8, length));
        at += 8 + length;
    }
    return true;
}

bool File::find_uints(std::string_view key, std::vector<uint64_t>& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr) return false;
    if (entry->type != kArray || !is_integer(entry->element)) fail_type(*entry, "an array of integers");
    out.assign(entry->count, 0);
    const uint64_t width = width_of(entry->element);
    for (uint64_t i = 0; i < entry->count; ++i)
        if (!load_uint(entry->element, entry->bytes + i * width, out[i]))
            fail_type(*entry, "an array of integers that are not negative (element " + std::to_string(i) + " is)");
    return true;
}

bool File::find_bools(std::string_view key, std::vector<bool>& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr || entry->type != kArray) return false;
    if (entry->element != kBool) fail_type(*entry, "an array of bools");
    out.assign(entry->bytes, entry->bytes + entry->count);   // each is 0 or 1, checked in parse_array
    return true;
}

bool File::find_floats(std::string_view key, std::vector<float>& out) const {
    const Entry* entry = impl_->find(key);
    if (entry == nullptr) return false;
    if (entry->type != kArray || (entry->element != kF32 && entry->element != kF64))
        fail_type(*entry, "an array of floats");
    out.assign(entry->count, 0.0f);
    const uint64_t width = width_of(entry->element);
    for (uint64_t i = 0; i < entry->count; ++i)
        if (!load_float(entry->element, entry->bytes + i * width, out[i]))
            fail_type(*entry, "an array of floats within float32's range (element " + std::to_string(i) + " is not)");
    return true;
}

namespace {
[[noreturn]] void fail_missing(std::string_view key, const std::string& place) {
    throw Error("missing_key", "a model's file has the key " + quote(key) + ". Got none in " + place +
                                   ". Write the file again with a current tool.");
}
}  // namespace

std::string_view File::get_string(std::string_view key) const {
    std::string_view value;
    if (!find_string(key, value)) fail_missing(key, impl_->place);
    return value;
}

uint64_t File::get_uint(std::string_view key) const {
    uint64_t value = 0;
    if (!find_uint(key, value)) fail_missing(key, impl_->place);
    return value;
}

const Tensor* File::find_tensor(std::string_view name) const {
    const auto& order = impl_->by_name;
    const auto at = std::lower_bound(order.begin(), order.end(), name, [this](uint32_t index, std::string_view n) {
        return impl_->tensors[index].name < n;
    });
    return at != order.end() && impl_->tensors[*at].name == name ? &impl_->tensors[*at] : nullptr;
}

const Tensor& File::get_tensor(std::string_view name) const {
    const Tensor* tensor = find_tensor(name);
    if (tensor == nullptr)
        throw Error("missing_tensor", "a model's file has the tensor " + quote(name) + ". Got none in " + impl_->place +
                                          ". Write the file again with a current tool.");
    return *tensor;
}

const std::vector<Tensor>& File::tensors() const { return impl_->tensors; }

std::vector<std::string_view> File::keys() const {
    std::vector<std::string_view> out;
    out.reserve(impl_->entries.size());
    for (const Entry& entry : impl_->entries) out.push_back(entry.key);
    return out;
}

uint64_t File::size_bytes() const { return impl_->size_bytes; }

const uint8_t* File::bytes() const { return impl_->bytes; }

void File::release(const Tensor& tensor) const {
    if (impl_->mapping == nullptr) return;
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto begin = (reinterpret_cast<uintptr_t>(tensor.data) + page - 1) / page * page;
    const auto end = (reinterpret_cast<uintptr_t>(tensor.data) + tensor.size_bytes) / page * page;
    // Only whole pages: the neighbours on the edges keep theirs. It is advice, so a refusal changes nothing.
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace sw
