// llama.cpp through its C API, as one measured process: llama_worker FILE THREADS MODE [PATH] with, in the environment,
// PEER_FLASH=0|1 (flash attention) and PEER_REPACK=0|1 (weights in the order of its fastest kernels). Both are on unless
// switched off. `llama_worker quantize FROM TO TYPE` writes a file with every matrix, the head included, in one type;
// `llama_worker FILE THREADS together N` decodes N sequences in each pass, `llama_worker FILE THREADS grammar GBNF` one
// answer under a grammar.
#include "llama.h"
#include "worker.h"

#include <unistd.h>

namespace {

constexpr uint32_t kContext = 1024, kContextTogether = 256;   // tokens; of each sequence where there are several
constexpr int kPromptTogether = 16, kTokensTogether = 64;

bool is_on(const char* variable) {
    const char* value = std::getenv(variable);
    return !value || std::strcmp(value, "0");
}

[[noreturn]] void failed(const char* what) {
    std::fprintf(stderr, "llama_worker: llama.cpp could not %s.\n", what);
    std::exit(1);
}

class Engine {
public:
    Engine(const char* path, int threads, int sequences = 1) {
        ggml_backend_load_all();
        llama_model_params model = llama_model_default_params();
        model.load_mode = LLAMA_LOAD_MODE_MMAP;
        model.use_extra_bufts = is_on("PEER_REPACK");
        model.n_gpu_layers = 0;
        model_ = llama_model_load_from_file(path, model);
        if (!model_) failed("open the file");
        llama_context_params context = llama_context_default_params();
        context.n_ctx = sequences == 1 ? kContext : (uint32_t)sequences * kContextTogether;
        context.n_seq_max = (uint32_t)sequences;
        context.n_batch = context.n_ubatch = worker::kPrefill;
        context.n_threads = context.n_threads_batch = threads;
        context.flash_attn_type = is_on("PEER_FLASH") ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
        context.no_perf = true;
        context_ = llama_init_from_model(model_, context);
        if (!context_) failed("make a context");
        words_ = llama_model_get_vocab(model_);
    }
    int vocabulary() const { return llama_vocab_n_tokens(words_); }
    std::vector<int32_t> first_prompt() const {
        std::vector<int32_t> tokens(64);
        const int length = (int)std::strlen(worker::kFirstText);
        const int count = llama_tokenize(words_, worker::kFirstText, length, tokens.data(), (int)tokens.size(), true, false);
        if (count <= 0) failed("tokenize");
        tokens.resize((size_t)count);
        return tokens;
    }
    void reset() { llama_memory_clear(llama_get_memory(context_), false); }
    void append(std::vector<int32_t> tokens, float* logits) {
        if (llama_decode(context_, llama_batch_get_one(tokens.data(), (int32_t)tokens.size()))) failed("decode");
        const float* found = llama_get_logits_ith(context_, -1);
        std::copy(found, found + vocabulary(), logits);
    }
    uint64_t kv_bytes() const { return 0; }   // not told by its interface

    // Tokens of several sequences in one pass: the likeliest next one of each replaces its last.
    void step(llama_batch& batch, std::vector<int32_t>& last) {
        if (llama_decode(context_, batch)) failed("decode");
        std::vector<float> logits((size_t)vocabulary());
        int row = 0;
        for (int i = 0; i < batch.n_tokens; ++i) {
            if (!batch.logits[i]) continue;
            const float* found = llama_get_logits_ith(context_, i);
            std::copy(found, found + vocabulary(), logits.begin());
            last[(size_t)row++] = worker::likeliest(logits);
        }
    }

    // Until the grammar allows nothing more.
    std::string obey(const std::string& grammar, double& seconds, int& tokens) {
        llama_sampler* sampler = llama_sampler_chain_init(llama_sampler_chain_default_params());
        llama_sampler* rules = llama_sampler_init_grammar(words_, grammar.c_str(), "root");
        if (!rules) failed("read the grammar");
        llama_sampler_chain_add(sampler, rules);
        llama_sampler_chain_add(sampler, llama_sampler_init_dist(7));
        std::string text;
        std::vector<int32_t> next = first_prompt();
        if (llama_decode(context_, llama_batch_get_one(next.data(), (int32_t)next.size()))) failed("decode");
        const double began = worker::now();
        for (tokens = 0; tokens < 300; ++tokens) {
            int32_t token = llama_sampler_sample(sampler, context_, -1);
            if (llama_vocab_is_eog(words_, token)) break;
            char piece[64];
            const int length = llama_token_to_piece(words_, token, piece, sizeof piece, 0, false);
            if (length > 0) text.append(piece, (size_t)length);
            if (llama_decode(context_, llama_batch_get_one(&token, 1))) failed("decode");
        }
        seconds = worker::now() - began;
        llama_sampler_free(sampler);
        return text;
    }

private:
    llama_model* model_ = nullptr;
    llama_context* context_ = nullptr;
    const llama_vocab* words_ = nullptr;
};

int quantize(const char* from, const char* to, const char* type) {
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.nthread = 1;
    params.pure = true;
    // It copies our alignment of 64 to the new file and then lays the tensors out by 32: say 32.
    llama_model_kv_override overrides[2] = {};   // an empty key ends the list
    std::strcpy(overrides[0].key, "general.alignment");
    overrides[0].tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    overrides[0].val_i64 = 32;
    params.kv_overrides = overrides;
    if (!std::strcmp(type, "iq4_nl")) params.ftype = LLAMA_FTYPE_MOSTLY_IQ4_NL;
    else if (!std::strcmp(type, "q4_0")) params.ftype = LLAMA_FTYPE_MOSTLY_Q4_0;
    else failed("choose a type: q4_0 and iq4_nl are known here");
    if (llama_model_quantize(from, to, &params)) failed("quantize the file");
    return 0;
}

int together(const char* path, int threads, int count) {
    Engine engine(path, threads, count);
    worker::Tokens tokens(engine.vocabulary());
    llama_batch batch = llama_batch_init(count * kPromptTogether, 0, 1);
    const auto add = [&batch](int32_t token, int position, int sequence, bool wanted) {
        const int i = batch.n_tokens++;
        batch.token[i] = token;
        batch.pos[i] = position;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = sequence;
        batch.logits[i] = wanted;
    };
    for (int sequence = 0; sequence < count; ++sequence) {
        const auto prompt = tokens.next(kPromptTogether);
        for (int i = 0; i < kPromptTogether; ++i) add(prompt[(size_t)i], i, sequence, i + 1 == kPromptTogether);
    }
    std::vector<int32_t> last((size_t)count);
    engine.step(batch, last);
    const double began = worker::now();
    for (int step = 0; step < kTokensTogether; ++step) {
        batch.n_tokens = 0;
        for (int sequence = 0; sequence < count; ++sequence) add(last[(size_t)sequence], kPromptTogether + step, sequence, true);
        engine.step(batch, last);
    }
    std::printf("{\"tokens_per_second\":%.3f}\n", count * kTokensTogether / (worker::now() - began));
    return std::fflush(stdout) ? 1 : 0;
}

int obey(const char* path, int threads, const char* grammar_path) {
    std::string grammar, escaped;
    FILE* file = std::fopen(grammar_path, "rb");
    if (!file) failed("open the grammar");
    for (int byte; (byte = std::fgetc(file)) != EOF;) grammar += (char)byte;
    std::fclose(file);
    double seconds = 0;
    int tokens = 0;
    const std::string text = Engine(path, threads).obey(grammar, seconds, tokens);
    for (const char c : text) escaped += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    std::printf("{\"seconds\":%.6f,\"tokens\":%d,\"text\":\"%s\"}\n", seconds, tokens, escaped.c_str());
    return std::fflush(stdout) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    if (argc == 5 && !std::strcmp(argv[1], "quantize")) return quantize(argv[2], argv[3], argv[4]);
    if (argc < 4) {
        std::fprintf(stderr, "usage: llama_worker FILE THREADS full|first|logits|together|grammar [PATH or N], or quantize FROM TO TYPE\n");
        return 2;
    }
    const int threads = std::atoi(argv[2]);
    if (argc == 5 && !std::strcmp(argv[3], "together")) _exit(together(argv[1], threads, std::atoi(argv[4])));
    if (argc == 5 && !std::strcmp(argv[3], "grammar")) _exit(obey(argv[1], threads, argv[4]));
    Engine engine(argv[1], threads);
    const int status = worker::run(engine, argv[3], argc > 4 ? argv[4] : nullptr);
    _exit(status);   // its teardown is not what is measured
}
