// sw-run FILE "text": answers from the shell, without Python.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <algorithm>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "smallwright.h"

namespace {

const char* const kUsage =
    "usage: sw-run FILE [TEXT] [options]\n"
    "\n"
    "Answers TEXT, or every line of standard input, with the package FILE.\n"
    "A model with classes prints label and probability; a generating one streams its text.\n"
    "\n"
    "  --top K            classes to print (1)\n"
    "  --max-tokens N     most tokens to generate (128)\n"
    "  --temperature T    0: always the likeliest token (0)\n"
    "  --top-k K          sample among the K likeliest; 0: all (0)\n"
    "  --top-p P          sample among the likeliest that together have probability P (1)\n"
    "  --min-p P          leave out tokens below this share of the likeliest one's probability; 0: none (0)\n"
    "  --repetition-penalty X  make tokens that were there less likely; 1: off (1)\n"
    "  --seed N           of the sampling (0)\n"
    "  --threads N        0: all cores (0)\n"
    "  --in-place         leave the weights in the file: less memory, slower\n"
    "  --prepare          write FILE.tiles, the packed weights, and answer nothing: FILE then opens sooner\n"
    "  --json             one JSON object a line\n"
    "  --version, --help\n"
    "\n"
    "SMALLWRIGHT_ISA=ref|avx2|avx512|amx|neon|neon_i8mm forces the kernels.\n"
    "Exit status: 0 answered, 1 the request or the file was refused, 2 wrong usage.\n";

struct Options {
    std::string file, text;
    bool has_text = false, json = false, prepare = false;
    sw_model_options model{0};
    long top = 1, threads = 0;
    sw_sampling sampling{128, 0.0f, 0, 1.0f, 0.0f, 1.0f, 0};
};

[[noreturn]] void wrong_usage(const std::string& message) {
    std::fprintf(stderr, "sw-run: %s See sw-run --help.\n", message.c_str());
    std::exit(2);
}

[[noreturn]] void failed() {
    std::fprintf(stderr, "sw-run: %s (%s)\n", sw_last_error(), sw_last_error_kind());
    std::exit(1);
}

void check(sw_status status) {
    if (status != SW_OK) failed();
}

double number(const std::string& name, const char* text, double least, double most, bool whole) {
    char* end = nullptr;
    const double value = std::strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most) || (whole && value != std::floor(value))) {
        char law[160];
        std::snprintf(law, sizeof law, "%s must be a%s number from %g to %g. Got '%.40s'.", name.c_str(), whole ? " whole" : "", least, most, text);
        wrong_usage(law);
    }
    return value;
}

Options parse(int argc, char** argv) {
    Options options;
    std::vector<std::string> plain;
    bool only_plain = false;
    for (int i = 1; i < argc; ++i) {
        std::string name = argv[i];
        if (only_plain || name.size() < 2 || name[0] != '-') {
            plain.push_back(name);
            continue;
        }
        if (name == "--") {
            only_plain = true;
            continue;
        }
        if (name == "--help" || name == "-h") {
            std::fputs(kUsage, stdout);
            std::exit(0);
        }
        if (name == "--version") {
            std::printf("sw-run %s (%s)\n", sw_version(), sw_isa());
            std::exit(0);
        }
        if (name == "--json" || name == "--in-place" || name == "--prepare") {
            if (name == "--json") options.json = true;
            else if (name == "--prepare") options.prepare = true;
            else options.model.in_place = 1;
            continue;
        }
        const size_t equals = name.find('=');
        std::string given;
        const std::string known[] = {"--top", "--max-tokens", "--temperature", "--top-k", "--top-p", "--min-p", "--repetition-penalty", "--seed", "--threads"};
        const std::string key = name.substr(0, equals);
        if (std::find(std::begin(known), std::end(known), key) == std::end(known)) wrong_usage("unknown option '" + key + "'.");
        if (equals != std::string::npos) given = name.substr(equals + 1);
        else if (i + 1 < argc) given = argv[++i];
        else wrong_usage(key + " needs a value.");
        const char* value = given.c_str();
        if (key == "--top") options.top = (long)number(key, value, 1, 1e6, true);
        else if (key == "--max-tokens") options.sampling.max_tokens = (int32_t)number(key, value, 1, 2147483647, true);
        else if (key == "--temperature") options.sampling.temperature = (float)number(key, value, 0, 1e6, false);
        else if (key == "--top-k") options.sampling.top_k = (int32_t)number(key, value, 0, 2147483647, true);
        else if (key == "--top-p") options.sampling.top_p = (float)number(key, value, 1e-9, 1, false);
        else if (key == "--min-p") options.sampling.min_p = (float)number(key, value, 0, 1, false);
        else if (key == "--repetition-penalty") options.sampling.repetition_penalty = (float)number(key, value, 1e-3, 1e3, false);
        else if (key == "--seed") options.sampling.seed = (uint64_t)number(key, value, 0, 9007199254740992.0, true);
        else options.threads = (long)number(key, value, 0, 256, true);
    }
    if (plain.empty()) wrong_usage("a FILE is needed.");
    if (plain.size() > 2) wrong_usage("one FILE and one TEXT are taken; put the text in quotes.");
    options.file = plain[0];
    options.has_text = plain.size() == 2;
    if (options.has_text) options.text = plain[1];
    return options;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        char escape[8];
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if ((unsigned char)c < 0x20) (std::snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)c), out += escape);
        else out += c;
    }
    return out + "\"";
}

void classify(sw_model* model, sw_session* session, const Options& options, const std::string& text) {
    const size_t classes = (size_t)sw_model_classes(model);
    std::vector<float> logits(classes);
    const char* one = text.c_str();
    const size_t bytes = text.size();
    uint8_t truncated = 0;
    check(sw_classify(session, &one, &bytes, 1, logits.data(), &truncated));
    const double temperature = sw_model_temperature(model), top = *std::max_element(logits.begin(), logits.end());
    std::vector<double> probability(classes);
    double sum = 0;
    for (size_t i = 0; i < classes; ++i) sum += probability[i] = std::exp((logits[i] - top) / temperature);
    std::vector<int32_t> order(classes);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    const size_t shown = std::min((size_t)options.top, classes);
    if (options.json) {
        std::printf("{\"label\":%s,\"confidence\":%.6f,\"truncated\":%s", quoted(sw_model_label(model, order[0])).c_str(),
                    probability[order[0]] / sum, truncated ? "true" : "false");
        if (shown > 1) {
            std::printf(",\"probabilities\":{");
            for (size_t i = 0; i < shown; ++i)
                std::printf("%s%s:%.6f", i ? "," : "", quoted(sw_model_label(model, order[i])).c_str(), probability[order[i]] / sum);
            std::printf("}");
        }
        std::printf("}\n");
    } else {
        for (size_t i = 0; i < shown; ++i) std::printf("%s\t%.4f\n", sw_model_label(model, order[i]), probability[order[i]] / sum);
        if (truncated) std::fprintf(stderr, "sw-run: the text was cut to %d tokens.\n", sw_model_context(model));
    }
    std::fflush(stdout);
}

int on_text(void* context, const char* text, size_t bytes, int32_t) {
    if (context) {
        static_cast<std::string*>(context)->append(text, bytes);
        return 0;
    }
    std::fwrite(text, 1, bytes, stdout);
    return std::fflush(stdout);   // a closed pipe stops the generation
}

void generate(sw_session* session, const Options& options, const std::string& prompt) {
    std::string text;
    int32_t generated = 0;
    check(sw_generate(session, prompt.data(), prompt.size(), &options.sampling, on_text, options.json ? &text : nullptr, &generated));
    if (options.json) std::printf("{\"text\":%s,\"tokens\":%d}\n", quoted(text).c_str(), generated);
    else std::printf("\n");
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    if (options.prepare) {
        check(sw_prepare(options.file.c_str()));
        return 0;
    }
    sw_model* model = nullptr;
    sw_session* session = nullptr;
    check(sw_model_open_with(options.file.c_str(), &options.model, &model));
    check(sw_session_open(model, (int32_t)options.threads, 8, &session));
    const auto answer = [&](const std::string& text) {
        if (sw_model_task(model) == SW_TASK_CLASSIFY) classify(model, session, options, text);
        else generate(session, options, text);
    };
    if (options.has_text) {
        answer(options.text);
    } else {
        for (std::string line; std::getline(std::cin, line);) answer(line);
    }
    sw_session_close(session);
    sw_model_close(model);
    return 0;
}
