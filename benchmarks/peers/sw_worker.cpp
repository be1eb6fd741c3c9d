// Our engine through its C ABI, as one measured process: sw_worker FILE THREADS MODE [PATH]
#include "smallwright.h"
#include "worker.h"

namespace {

[[noreturn]] void failed() {
    std::fprintf(stderr, "sw_worker: %s (%s)\n", sw_last_error(), sw_last_error_kind());
    std::exit(1);
}

void check(sw_status status) {
    if (status != SW_OK) failed();
}

class Engine {
public:
    Engine(const char* path, int threads) {
        check(sw_model_open(path, &model_));
        check(sw_session_open(model_, threads, 8, &session_));
    }
    int vocabulary() const { return sw_model_vocabulary(model_); }
    std::vector<int32_t> first_prompt() const {
        std::vector<int32_t> tokens(64);
        size_t count = tokens.size();
        check(sw_encode(model_, worker::kFirstText, std::strlen(worker::kFirstText), 1, tokens.data(), &count));
        tokens.resize(count);
        return tokens;
    }
    void reset() { check(sw_truncate(session_, 0)); }
    void append(const std::vector<int32_t>& tokens, float* logits) {
        check(sw_append(session_, tokens.data(), tokens.size(), 0, logits));
    }
    uint64_t kv_bytes() const {
        sw_counters counters;
        sw_session_counters(session_, &counters);
        return counters.kv_bytes;
    }

private:
    sw_model* model_ = nullptr;
    sw_session* session_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: sw_worker FILE THREADS full|first|logits [PATH]\n");
        return 2;
    }
    Engine engine(argv[1], std::atoi(argv[2]));
    return worker::run(engine, argv[3], argc > 4 ? argv[4] : nullptr);
}
