// sw-fuzz: opens thousands of mutated packages, half of them in place, and asks each that opens a question, with any of
// the kernels that run here. Deterministic: the same seed and round give the same bytes. Made for the sanitizers; without them it is a quick test that nothing crashes.
// Enters: rounds, a seed, packages (or the built-in ones). Leaves: a count of outcomes; status 1 when an outcome has no
// name. A crash names its round, which --first ROUND --rounds 1 plays again.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <string>

#include "engine/generator.h"
#include "fuzz/packages.h"
#include "fuzz/random.h"

using sw_fuzz::Bytes;
using sw_fuzz::Random;

extern "C" {
// The sanitizers' own hook; absent without them.
void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));
// A refused allocation is an outcome like any other: the engine reports out_of_memory.
const char* __asan_default_options();
const char* __asan_default_options() { return "allocator_may_return_null=1:max_allocation_size_mb=4096"; }
}

namespace {

uint64_t current_round = 0;

struct Span {
    size_t at;
    size_t bytes;
};

// Where the numbers that steer the reader stand, found by walking a valid file.
struct Layout {
    std::vector<Span> counts;    // keys, tensors, elements
    std::vector<Span> lengths;   // of strings
    std::vector<Span> types;     // of values, elements, tensors
    std::vector<Span> shapes;    // dimension counts, dimensions, offsets
    std::vector<Span> values;
    std::vector<Span> texts;
    std::vector<Span> long_texts;   // JSON, mostly
    size_t header_end = 0;
};

class Walker {
public:
    explicit Walker(const Bytes& data) : data_(data) {
        const uint64_t tensors = take(layout.counts, 8);
        const uint64_t keys = take(layout.counts, 8);
        for (uint64_t i = 0; i < keys; ++i) {
            string();
            value(take(layout.types, 4));
        }
        for (uint64_t i = 0; i < tensors; ++i) {
            string();
            const uint64_t dims = take(layout.shapes, 4);
            for (uint64_t d = 0; d < dims; ++d) take(layout.shapes, 8);
            take(layout.types, 4);
            take(layout.shapes, 8);
        }
        layout.header_end = at_;
    }
    Layout layout;

private:
    uint64_t take(std::vector<Span>& spans, size_t bytes) {
        uint64_t value = 0;
        std::memcpy(&value, data_.data() + at_, bytes);
        spans.push_back({at_, bytes});
        at_ += bytes;
        return value;
    }
    void string() {
        const size_t length = take(layout.lengths, 8);
        if (length > 0) layout.texts.push_back({at_, length});
        if (length > 60) layout.long_texts.push_back({at_, length});
        at_ += length;
    }
    void value(uint64_t type) {
        static const size_t widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        if (type == 8) return string();
        if (type != 9) {
            take(layout.values, widths[type]);
            return;
        }
        const uint64_t element = take(layout.types, 4);
        const uint64_t count = take(layout.counts, 8);
        for (uint64_t i = 0; i < count; ++i) value(element);
    }

    const Bytes& data_;
    size_t at_ = 8;
};

void put(Bytes& data, Span span, uint64_t value) {
    if (span.at + span.bytes <= data.size()) std::memcpy(data.data() + span.at, &value, span.bytes);
}

uint64_t hostile_number(uint64_t here, size_t size, Random& random) {
    const std::vector<uint64_t> numbers{0, 1, 2, 31, 255, 1u << 16, 0x7fffffffu, 0x80000000u, 0xffffffffu, uint64_t(1) << 32,
                                        uint64_t(1) << 40, uint64_t(1) << 62, uint64_t(1) << 63, ~uint64_t(0), size, size - 1,
                                        here + 1, here - 1, here * 2, here / 2, here + 32, here + 64, ~here};
    return random.of(numbers);
}

void change_number(Bytes& data, const std::vector<Span>& spans, Random& random) {
    if (spans.empty()) return;
    const Span span = random.of(spans);
    if (span.at + span.bytes > data.size()) return;
    uint64_t here = 0;
    std::memcpy(&here, data.data() + span.at, span.bytes);
    put(data, span, hostile_number(here, data.size(), random));
}

void flip_bits(Bytes& data, size_t limit, Random& random) {
    limit = std::min(limit, data.size());
    for (size_t i = 0, count = 1 + random.below(8); i < count && limit > 0; ++i)
        data[random.below(limit)] ^= uint8_t(1u << random.below(8));
}

void edit_text(Bytes& data, const std::vector<Span>& spans, bool digits_only, Random& random) {
    static const char letters[] = "0123456789-.eE{}[],:\"\\ ntu#\xc3\xff";
    if (spans.empty()) return;
    const Span span = random.of(spans);
    for (size_t i = 0, count = 1 + random.below(3); i < count; ++i) {
        const size_t at = span.at + random.below(span.bytes);
        if (at >= data.size()) return;
        if (!digits_only) data[at] = uint8_t(letters[random.below(sizeof letters - 1)]);
        for (size_t here = at; digits_only && here < std::min(span.at + span.bytes, data.size()); ++here) {
            if (data[here] < '0' || data[here] > '9') continue;
            data[here] = uint8_t('0' + random.below(10));
            break;
        }
    }
}

void poison_weights(Bytes& data, size_t header_end, Random& random) {
    const std::vector<uint32_t> poison{0x7fc00000u, 0x7f800000u, 0xff800000u, 0x7f7fffffu, 0xffffffffu, 1, 0x7c007c00u};
    if (data.size() < header_end + 8) return;
    for (size_t i = 0, count = 1 + random.below(30); i < count; ++i)
        put(data, {header_end + random.below(data.size() - header_end - 4), 4}, random.of(poison));
}

void truncate(Bytes& data, const Layout& layout, Random& random) {
    const std::vector<const std::vector<Span>*> lists{&layout.counts, &layout.lengths, &layout.types, &layout.shapes, &layout.values};
    const Span span = random.of(*lists[random.below(lists.size())]);
    size_t end = random.below(3) == 0 ? random.below(data.size() + 1) : span.at + random.below(span.bytes + 1);
    if (random.below(8) == 0) end = data.size() - std::min(data.size(), 1 + random.below(64));
    data.resize(std::min(end, data.size()));
}

void shift(Bytes& data, size_t limit, Random& random) {
    const size_t at = random.below(std::min(limit, data.size()) + 1);
    const size_t count = 1 + random.below(32);
    const auto place = data.begin() + static_cast<std::ptrdiff_t>(at);
    if (random.below(2) == 0) data.erase(place, place + static_cast<std::ptrdiff_t>(std::min(count, data.size() - at)));
    else data.insert(place, count, uint8_t(random.next()));
}

void mutate(Bytes& data, const Layout& layout, Random& random) {
    // One change in half of the files: more of them get past the reader, to what is behind it.
    for (size_t i = 0, count = random.below(2) ? 1 : 1 + random.below(3); i < count; ++i) {
        switch (random.below(18)) {
            case 0: flip_bits(data, data.size(), random); break;
            case 1: flip_bits(data, layout.header_end, random); break;
            case 2: truncate(data, layout, random); break;
            case 3: change_number(data, layout.counts, random); break;
            case 4: change_number(data, layout.lengths, random); break;
            case 5: change_number(data, layout.types, random); break;
            case 6:
            case 7: change_number(data, layout.shapes, random); break;
            case 8: change_number(data, layout.values, random); break;
            case 9: edit_text(data, layout.texts, false, random); break;
            case 10: edit_text(data, layout.long_texts, false, random); break;
            case 11:
            case 12: edit_text(data, layout.long_texts, true, random); break;
            case 13:
            case 14: change_number(data, layout.values, random); break;
            case 15:
            case 16: poison_weights(data, layout.header_end, random); break;
            default: shift(data, layout.header_end, random);
        }
    }
}

std::string random_text(Random& random) {
    static const std::vector<std::string> pieces{"turn on the light", "[SEP]", "<|end|>", " ", "\n", "'ll", "12345", "na\xc3\xafve", "\xe4\xbd\xa0\xe5\xa5\xbd",
                                                 "e\xcc\x81", "\xf0\x9f\x91\xa9\xe2\x80\x8d", "\xff", "\xe2\x82", "\xed\xa0\x80", std::string(1, '\0'), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    std::string out;
    for (size_t i = 0, count = random.below(8); i < count; ++i) out += random.of(pieces);
    return out;
}

void converse(const sw::Model& model, Random& random) {
    sw::Session session(model, 1, random.below(2) ? 32 : 16);
    const int32_t vocabulary = model.spec().vocabulary;
    // From 7 on, the rows of a pass are enough for the kernels that take many at once.
    std::vector<int32_t> tokens(std::min<size_t>(3 + random.below(18), static_cast<size_t>(model.spec().context)), 0);
    tokens.back() = vocabulary - 1;
    std::vector<float> logits(tokens.size() * static_cast<size_t>(model.outputs()));
    if (model.spec().classifier) {
        const size_t offsets[] = {0, tokens.size()};
        session.classify(tokens.data(), offsets, 1, logits.data());
    } else {
        session.append(tokens.data(), tokens.size(), true, logits.data());
        session.text().truncate(1);
        if (model.spec().context > 1) session.append(tokens.data(), 1, false, logits.data());
    }
    const std::string text = random_text(random);
    std::vector<int32_t> found = model.tokenizer().encode(text, random.below(2) != 0);
    for (const int32_t token : found)
        if (token < 0 || token >= vocabulary) throw std::logic_error("the tokenizer gave a token beyond the vocabulary");
    found.insert(found.end(), {-1, vocabulary, static_cast<int32_t>(random.next())});
    model.tokenizer().decode(found);
    if (model.spec().classifier) {
        bool cut = false;
        found = model.encode_for_classes(text, cut);
        const size_t offsets[] = {0, found.size()};
        session.classify(found.data(), offsets, 1, logits.data());
    } else {
        sw::Generator generator(session, 2);
        for (int i = 0; i < 2; ++i) {   // together
            sw::Request request;
            request.prompt = model.encode_prompt(model.write_prompt(text, true));
            request.sampling.max_tokens = 3;
            request.sampling.temperature = random.below(2) ? 0.8f : 0.0f;
            request.sampling.top_k = 5;
            request.sampling.top_p = 0.9f;
            request.likelihoods = random.below(2) != 0;
            request.stops = {"a"};
            generator.submit(std::move(request));
        }
        while (generator.step()) continue;
    }
}

// "answered", or the kind of the error that says why not.
std::string try_file(const Bytes& data, bool in_place, Random& random) {
    // A block of exactly the file's size: the sanitizer sees the first byte that is read beyond it.
    void* block = nullptr;
    if (posix_memalign(&block, 64, std::max<size_t>(1, data.size())) != 0) throw std::bad_alloc();
    const std::unique_ptr<void, decltype(&std::free)> owner(block, &std::free);
    if (!data.empty()) std::memcpy(block, data.data(), data.size());
    std::string place = "file: ";
    try {
        const auto model = sw::Model::parse(static_cast<const uint8_t*>(block), data.size(), in_place);
        place = "request: ";
        converse(*model, random);
    } catch (const sw::Error& error) {
        return place + error.kind();
    } catch (const std::bad_alloc&) {
        return place + "out_of_memory";
    }
    return "answered";
}

// Names as often as they are to be drawn.
std::vector<std::string> runnable_kernels() {
    std::vector<std::string> out;
    for (const char* name : {"amx", "avx512", "avx2", "neon", "ref"}) {
        try {
            sw::select_kernels(name);
            const bool slow = std::strcmp(name, "ref") == 0;   // and without vectors, whose reads are the wide ones
            out.insert(out.end(), slow ? 1 : 3, name);
        } catch (const sw::Error&) {   // not on this machine
        }
    }
    return out;
}

void tell_round() { std::fprintf(stderr, "sw-fuzz: in round %llu\n", static_cast<unsigned long long>(current_round)); }

Bytes read_file(const char* path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
        std::fprintf(stderr, "sw-fuzz: a package is a readable file. Got none at %s.\n", path);
        std::exit(2);
    }
    return Bytes(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
}

}  // namespace

int main(int argc, char** argv) {
    uint64_t rounds = 10000, seed = 0, first = 0;
    std::vector<Bytes> packages;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        uint64_t* number = name == "--rounds" ? &rounds : name == "--seed" ? &seed : name == "--first" ? &first : nullptr;
        if (number != nullptr && i + 1 < argc) {
            *number = std::strtoull(argv[++i], nullptr, 10);
        } else if (name.substr(0, 2) == "--") {
            std::fprintf(stderr, "usage: sw-fuzz [--rounds N] [--seed S] [--first ROUND] [FILE...]\n");
            return 2;
        } else {
            packages.push_back(read_file(argv[i]));
        }
    }
    if (packages.empty()) packages = sw_fuzz::make_packages();
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(tell_round);

    std::vector<Layout> layouts;
    for (const Bytes& package : packages) {
        Random random(seed);
        const std::string outcome = try_file(package, false, random);   // before the walk, which trusts the file
        if (outcome.compare(0, 5, "file:") == 0) {   // a text may be refused (empty, for example), the file may not
            std::fprintf(stderr, "sw-fuzz: the packages to mutate must be valid. Got '%s' from number %zu.\n", outcome.c_str(), layouts.size());
            return 2;
        }
        layouts.push_back(Walker(package).layout);
    }
    const std::vector<std::string> isas = runnable_kernels();
    std::map<std::string, uint64_t> outcomes;
    double slowest = 0;
    uint64_t slowest_round = 0;
    for (uint64_t round = first; round < first + rounds; ++round) {
        current_round = round;
        Random random(seed * 0x2545f4914f6cdd1du + round);
        const size_t which = round % packages.size();
        Bytes data = packages[which];
        mutate(data, layouts[which], random);
        const auto start = std::chrono::steady_clock::now();
        try {
            setenv("SMALLWRIGHT_ISA", random.of(isas).c_str(), 1);
            ++outcomes[try_file(data, round / packages.size() % 2 == 1, random)];
        } catch (const std::exception& error) {
            std::fprintf(stderr, "sw-fuzz: round %llu of seed %llu: %s\n", static_cast<unsigned long long>(round),
                         static_cast<unsigned long long>(seed), error.what());
            return 1;
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (seconds > slowest) {
            slowest = seconds;
            slowest_round = round;
        }
    }
    for (const auto& outcome : outcomes) std::printf("%8llu %s\n", static_cast<unsigned long long>(outcome.second), outcome.first.c_str());
    std::printf("%llu mutations, no crash; the slowest took %.3f s (round %llu)\n", static_cast<unsigned long long>(rounds), slowest,
                static_cast<unsigned long long>(slowest_round));
    return 0;
}
