// llama.cpp through its C API, as one measured process: llama_worker FILE THREADS MODE [PATH] with, in the environment,
// PEER_FLASH=0|1 (flash attention) and PEER_REPACK=0|1 (weights in the order of its fastest kernels). Both are on unless
// switched off. `llama_worker quantize FROM TO TYPE` writes a file with every matrix, the head included, in one type.
#include "llama.h"
#include "worker.h"

#include <unistd.h>

namespace {

constexpr uint32_t kContext = 1024;

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
    Engine(const char* path, int threads) {
        ggml_backend_load_all();
        llama_model_params model = llama_model_default_params();
        model.load_mode = LLAMA_LOAD_MODE_MMAP;
        model.use_extra_bufts = is_on("PEER_REPACK");
        model.n_gpu_layers = 0;
        model_ = llama_model_load_from_file(path, model);
        if (!model_) failed("open the file");
        llama_context_params context = llama_context_default_params();
        context.n_ctx = kContext;
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

}  // namespace

int main(int argc, char** argv) {
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    if (argc == 5 && !std::strcmp(argv[1], "quantize")) return quantize(argv[2], argv[3], argv[4]);
    if (argc < 4) {
        std::fprintf(stderr, "usage: llama_worker FILE THREADS full|first|logits [PATH], or quantize FROM TO TYPE\n");
        return 2;
    }
    Engine engine(argv[1], std::atoi(argv[2]));
    const int status = worker::run(engine, argv[3], argc > 4 ? argv[4] : nullptr);
    _exit(status);   // its teardown is not what is measured
}
