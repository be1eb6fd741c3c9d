/* libsmallwright: runs a Smallwright package (or an ordinary GGUF of a known family) on a CPU.
 *
 * C ABI. Every function that can fail returns sw_status; sw_last_error() then tells the kind and one line for people
 * (per thread, valid until the next call on that thread). Handles are not thread-safe; use one session a thread.
 * A model is immutable and may be shared by sessions; it must outlive them.
 */
#ifndef SMALLWRIGHT_H
#define SMALLWRIGHT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define SW_API __declspec(dllexport)
#else
#define SW_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_model sw_model;
typedef struct sw_session sw_session;

typedef enum { SW_OK = 0, SW_ERROR = 1 } sw_status;
typedef enum { SW_TASK_CLASSIFY = 1, SW_TASK_GENERATE = 2 } sw_task;

SW_API const char* sw_version(void);
SW_API const char* sw_isa(void);                 /* the kernels in use: "ref", "avx2", "avx512", "amx", "neon", "neon_i8mm"; "" when refused */
SW_API const char* sw_last_error_kind(void);     /* stable name, for example "truncated" */
SW_API const char* sw_last_error(void);

/* Open and validate a file. Nothing is kept on failure. */
SW_API sw_status sw_model_open(const char* path, sw_model** out);

/* How a model is opened. Zeros are the defaults of sw_model_open. */
typedef struct {
    int32_t in_place;   /* 1: weights stay in the file and are packed as they are used: less memory, nothing to load, slower.
                         * The answers have the same bits. The file must not change while the model is open. */
} sw_model_options;
SW_API sw_status sw_model_open_with(const char* path, const sw_model_options* options, sw_model** out);   /* NULL: defaults */
/* Writes PATH.tiles: the weights as this library packs them, which take about the package's bytes again. Opening the package
 * then maps them and packs nothing; the answers have the same bits. Tiles of another package or layout are an error
 * ("bad_tiles"). The file may be deleted at any time. */
SW_API sw_status sw_prepare(const char* path);
SW_API void sw_model_close(sw_model* model);
SW_API sw_task sw_model_task(const sw_model* model);
SW_API int32_t sw_model_vocabulary(const sw_model* model);
SW_API int32_t sw_model_context(const sw_model* model);
SW_API int32_t sw_model_classes(const sw_model* model);                       /* 0 for generation */
SW_API const char* sw_model_label(const sw_model* model, int32_t index);      /* UTF-8, NULL out of range */
SW_API float sw_model_temperature(const sw_model* model);                     /* calibration; 1 when absent */
SW_API const char* sw_model_description(const sw_model* model);               /* JSON: architecture, sizes, types, keys */

/* Tokens of a text; *count in: capacity, out: number of tokens needed (call again when it grew). */
SW_API sw_status sw_encode(const sw_model* model, const char* text, size_t text_bytes, int add_special,
                           int32_t* tokens, size_t* count);
/* Text of tokens; *text_bytes in: capacity, out: bytes needed. No terminating zero is written. */
SW_API sw_status sw_decode(const sw_model* model, const int32_t* tokens, size_t count, char* text, size_t* text_bytes);

/* threads: 1 or more; 0 means all cores this process may use. kv_bits: 8 (codes), 16 (f16) or 32 (f32). */
SW_API sw_status sw_session_open(const sw_model* model, int32_t threads, int32_t kv_bits, sw_session** out);

/* How a session is opened. Zeros are the defaults: all cores, 8 and 8 bits. */
typedef struct {
    int32_t threads;
    int32_t kv_bits;
    int32_t activation_bits;   /* 8: codes, the same answers on every processor. 16: bf16, for classifiers on processors with AMX,
                                * nearer to float32. One that cannot is refused. */
} sw_session_options;
SW_API sw_status sw_session_open_with(const sw_model* model, const sw_session_options* options, sw_session** out);   /* NULL: defaults */
SW_API void sw_session_close(sw_session* session);

/* Class logits (count, classes), row-major, not divided by the calibration temperature. Texts longer than the
 * context are cut at the end (the suffix token is kept); truncated[i] (may be NULL) is set to 1 for those. */
SW_API sw_status sw_classify(sw_session* session, const char* const* texts, const size_t* text_bytes, size_t count,
                             float* logits, uint8_t* truncated);
/* The same from tokens: `tokens` holds all sequences one after another, offsets has count + 1 entries. */
SW_API sw_status sw_classify_tokens(sw_session* session, const int32_t* tokens, const size_t* offsets, size_t count,
                                    float* logits);

/* Causal models: append tokens to the session's state. logits NULL, or (count, vocabulary) when all_rows, else
 * (1, vocabulary) of the last token. */
SW_API sw_status sw_append(sw_session* session, const int32_t* tokens, size_t count, int all_rows, float* logits);
SW_API size_t sw_length(const sw_session* session);                      /* tokens in the state */
SW_API sw_status sw_truncate(sw_session* session, size_t length);        /* forget all after `length` */

typedef struct {
    int32_t max_tokens;      /* > 0 */
    float temperature;       /* 0: greedy */
    int32_t top_k;           /* 0: off */
    float top_p;             /* 1: off; (0, 1] */
    float min_p;             /* 0: off; [0, 1], of the likeliest token's probability */
    float repetition_penalty; /* 1: off; above 0 */
    uint64_t seed;
} sw_sampling;

/* Called with the text of each new token: valid UTF-8, empty while a character is not complete. When the generation ends
 * inside a character, one more call brings U+FFFD with token -1. Return 0 to go on, anything else to stop. */
typedef int (*sw_on_text)(void* context, const char* text, size_t text_bytes, int32_t token);

/* Generate from a prompt in a fresh state; stops at the end token, at max_tokens, or when the call-back says so. */
SW_API sw_status sw_generate(sw_session* session, const char* prompt, size_t prompt_bytes, const sw_sampling* sampling,
                             sw_on_text on_text, void* context, int32_t* generated);

/* What the engine did since the session was opened; tests and reports read these. */
typedef struct {
    uint64_t weight_bytes_read;   /* bytes of packed weights, counted once for every product of a pass */
    uint64_t tokens;              /* token rows that passed through the layers */
    uint64_t head_rows;           /* rows that reached an output head */
    uint64_t passes;
    uint64_t kv_bytes;            /* memory of the text that sw_append grows, and of ended texts' that will be used again */
    uint64_t pair_rows;           /* rows read from the table of token pairs */
} sw_counters;
SW_API void sw_session_counters(const sw_session* session, sw_counters* out);

#ifdef __cplusplus
}
#endif
#endif
