// Every pointer parameter of every function, with everything wrong that can be passed there: NULL, handles that are freed,
// foreign or of another type, texts that are not UTF-8 or of an impossible length.
//
// What is checked: the status that the header names, outputs untouched, an error that says what to do if there is a place
// for one, and no handle left behind.
//
//     pointers          runs the table
//     pointers --list   prints its rows; run.sh compares them with the header, so that no parameter is forgotten

#include "platform.h"

#include <sys/mman.h>

static ikey_error *err;

// What a parameter takes: a handle of some type, or one of the other kinds.
typedef enum { CLIENT, CANCEL, OP, QUEUE, EVENT, ERROR, TYPES, TEXT_IN, BYTES_IN, OUTPUT, FREE_CHOICE } kind;

// One good handle of each type, and what they were made of.
static void *live[TYPES];
static ikey_client *client;
static ikey_op *op;
static ikey_queue *queue;
static ikey_event *event;
static ikey_error *error;

static void make_one_of_each(void *handles[TYPES]) {
    ikey_client *a = NULL;
    ikey_cancel *b = NULL;
    ikey_op *c = NULL;
    ikey_queue *d = NULL;
    ikey_event *e = NULL;
    ikey_error *f = NULL;
    OK(ikey_client_new(options, options_length, &a, &err));
    OK(ikey_cancel_new(&b, &err));
    OK(ikey_op_submit(a, LIST, b, &c, &err));
    OK(ikey_queue_new(NULL, NULL, &d, &err));
    OK(ikey_client_describe(a, &e, &err));
    CHECK(ikey_client_new(TEXT("{}"), NULL, &f) == IKEY_ERROR_NULL);
    handles[CLIENT] = a, handles[CANCEL] = b, handles[OP] = c;
    handles[QUEUE] = d, handles[EVENT] = e, handles[ERROR] = f;
}

static void free_one_of_each(void *handles[TYPES]) {
    FREED(ikey_client_free(handles[CLIENT]));
    FREED(ikey_cancel_free(handles[CANCEL]));
    FREED(ikey_op_free(handles[OP]));
    FREED(ikey_queue_free(handles[QUEUE]));
    FREED(ikey_event_free(handles[EVENT]));
    FREED(ikey_error_free(handles[ERROR]));
}

// --- The table -------------------------------------------------------------------------------------

static int32_t on_event(void *user_data, int32_t event_kind, const uint8_t *bytes, size_t length) {
    (void)user_data, (void)event_kind, (void)bytes, (void)length;
    return 1;
}

static void wake(void *user_data) {
    (void)user_data;
}

static ikey_status new_queue(ikey_wake hook, void *user_data, ikey_error **e) {
    ikey_queue *made = NULL;
    ikey_status status = ikey_queue_new(hook, user_data, &made, e);
    FREED(ikey_queue_free(made));
    return status;
}

// Where outputs go. No call of this program may write here.
static union {
    ikey_client *client;
    ikey_op *op;
    ikey_queue *queue;
    ikey_event *event;
    ikey_event *events[2];
    ikey_error *error;
    const uint8_t *bytes;
    const double *values;
    uint64_t tag;
    int32_t number;
} out;
static size_t out_length, out_columns;

// Reads its request, refuses it, sends nothing.
#define REFUSED_NAME TEXT("delete")
#define REFUSED_CALL REFUSED_NAME, TEXT("{}")
// A good file of specs, and how to read it.
#define SPEC "{\"name\":\"N\",\"slug\":\"s\",\"model\":\"m\",\"backend\":\"vllm\"}"
#define AS_JSON "{\"format\":\"json\"}"

// X(function, parameter, kind, status with NULL, call). In the call p stands for the parameter, n for its length if it is a
// text, e for the place of the error.
#define PARAMETERS(X)                                                                                       \
    X(client_new, options, TEXT_IN, NULLED, ikey_client_new(p, n, &out.client, e))                          \
    X(client_new, client, OUTPUT, NULLED, ikey_client_new(options, options_length, p, e))                   \
    X(client_endpoint, client, CLIENT, NULLED, ikey_client_endpoint(p, TEXT("{}"), &out.client, e))         \
    X(client_endpoint, options, TEXT_IN, NULLED, ikey_client_endpoint(client, p, n, &out.client, e))        \
    X(client_endpoint, endpoint, OUTPUT, NULLED, ikey_client_endpoint(client, TEXT("{}"), p, e))            \
    X(client_describe, client, CLIENT, NULLED, ikey_client_describe(p, &out.event, e))                      \
    X(client_describe, event, OUTPUT, NULLED, ikey_client_describe(client, p, e))                           \
    X(client_close, client, CLIENT, NULLED, ikey_client_close(p, e))                                        \
    X(client_free, client, CLIENT, IKEY_OK, ikey_client_free(p))                                            \
    X(cancel_new, cancel, OUTPUT, NULLED, ikey_cancel_new(p, e))                                            \
    X(cancel_request, cancel, CANCEL, NULLED, ikey_cancel_request(p, e))                                    \
    X(cancel_free, cancel, CANCEL, IKEY_OK, ikey_cancel_free(p))                                            \
    X(event_kind, event, EVENT, NULLED, ikey_event_kind(p, &out.number, e))                                   \
    X(event_kind, kind, OUTPUT, NULLED, ikey_event_kind(event, p, e))                                       \
    X(event_tag, event, EVENT, NULLED, ikey_event_tag(p, &out.tag, e))                                      \
    X(event_tag, tag, OUTPUT, NULLED, ikey_event_tag(event, p, e))                                          \
    X(event_head, event, EVENT, NULLED, ikey_event_head(p, &out.bytes, &out_length, e))                     \
    X(event_head, bytes, OUTPUT, NULLED, ikey_event_head(event, p, &out_length, e))                         \
    X(event_head, length, OUTPUT, NULLED, ikey_event_head(event, &out.bytes, p, e))                         \
    X(event_raw, event, EVENT, NULLED, ikey_event_raw(p, &out.bytes, &out_length, e))                       \
    X(event_raw, bytes, OUTPUT, NULLED, ikey_event_raw(event, p, &out_length, e))                           \
    X(event_raw, length, OUTPUT, NULLED, ikey_event_raw(event, &out.bytes, p, e))                           \
    X(event_vectors, event, EVENT, NULLED, ikey_event_vectors(p, &out.values, &out_length, &out_columns, e)) \
    X(event_vectors, values, OUTPUT, NULLED, ikey_event_vectors(event, p, &out_length, &out_columns, e))    \
    X(event_vectors, rows, OUTPUT, NULLED, ikey_event_vectors(event, &out.values, p, &out_columns, e))      \
    X(event_vectors, columns, OUTPUT, NULLED, ikey_event_vectors(event, &out.values, &out_length, p, e))    \
    X(event_error, event, EVENT, NULLED, ikey_event_error(p, &out.error, e))                                \
    X(event_error, error, OUTPUT, NULLED, ikey_event_error(event, p, e))                                    \
    X(event_free, event, EVENT, IKEY_OK, ikey_event_free(p))                                                \
    X(error_code, error, ERROR, NULLED, ikey_error_code(p, &out.bytes, &out_length))                        \
    X(error_code, bytes, OUTPUT, NULLED, ikey_error_code(error, p, &out_length))                            \
    X(error_code, length, OUTPUT, NULLED, ikey_error_code(error, &out.bytes, p))                            \
    X(error_json, error, ERROR, NULLED, ikey_error_json(p, &out.bytes, &out_length))                        \
    X(error_json, bytes, OUTPUT, NULLED, ikey_error_json(error, p, &out_length))                            \
    X(error_json, length, OUTPUT, NULLED, ikey_error_json(error, &out.bytes, p))                            \
    X(error_free, error, ERROR, IKEY_OK, ikey_error_free(p))                                                \
    X(call, client, CLIENT, NULLED, ikey_call(p, LIST, NULL, &out.event, e))                                \
    X(call, name, TEXT_IN, NULLED, ikey_call(client, p, n, TEXT("{}"), NULL, &out.event, e))                \
    X(call, request, TEXT_IN, NULLED, ikey_call(client, REFUSED_NAME, p, n, NULL, &out.event, e))           \
    X(call, cancel, CANCEL, IKEY_ERROR_OPERATION, ikey_call(client, REFUSED_CALL, p, &out.event, e))        \
    X(call, event, OUTPUT, NULLED, ikey_call(client, LIST, NULL, p, e))                                     \
    X(stream, client, CLIENT, NULLED, ikey_stream(p, LIST, NULL, on_event, NULL, e))                        \
    X(stream, name, TEXT_IN, NULLED, ikey_stream(client, p, n, TEXT("{}"), NULL, on_event, NULL, e))        \
    X(stream, request, TEXT_IN, NULLED, ikey_stream(client, REFUSED_NAME, p, n, NULL, on_event, NULL, e))   \
    X(stream, cancel, CANCEL, IKEY_ERROR_OPERATION, ikey_stream(client, REFUSED_CALL, p, on_event, NULL, e)) \
    X(stream, on_event, OUTPUT, NULLED, ikey_stream(client, LIST, NULL, p ? on_event : NULL, NULL, e))      \
    X(stream, user_data, FREE_CHOICE, IKEY_ERROR_OPERATION,                                                 \
      ikey_stream(client, REFUSED_CALL, NULL, on_event, p, e))                                              \
    X(op_submit, client, CLIENT, NULLED, ikey_op_submit(p, LIST, NULL, &out.op, e))                         \
    X(op_submit, name, TEXT_IN, NULLED, ikey_op_submit(client, p, n, TEXT("{}"), NULL, &out.op, e))         \
    X(op_submit, request, TEXT_IN, NULLED, ikey_op_submit(client, REFUSED_NAME, p, n, NULL, &out.op, e))    \
    X(op_submit, cancel, CANCEL, IKEY_ERROR_OPERATION, ikey_op_submit(client, REFUSED_CALL, p, &out.op, e)) \
    X(op_submit, op, OUTPUT, NULLED, ikey_op_submit(client, LIST, NULL, p, e))                              \
    X(op_next, op, OP, NULLED, ikey_op_next(p, 0, &out.event, e))                                           \
    X(op_next, event, OUTPUT, NULLED, ikey_op_next(op, 0, p, e))                                            \
    X(op_cancel, op, OP, NULLED, ikey_op_cancel(p, e))                                                      \
    X(op_free, op, OP, IKEY_OK, ikey_op_free(p))                                                            \
    X(queue_new, wake, FREE_CHOICE, IKEY_OK, new_queue(p ? wake : NULL, NULL, e))                           \
    X(queue_new, user_data, FREE_CHOICE, IKEY_OK, new_queue(wake, p, e))                                    \
    X(queue_new, queue, OUTPUT, NULLED, ikey_queue_new(NULL, NULL, p, e))                                   \
    X(queue_new_polled, queue, OUTPUT, NULLED, ikey_queue_new_polled(p, &out.number, e))                    \
    X(queue_new_polled, descriptor, OUTPUT, NULLED, ikey_queue_new_polled(&out.queue, p, e))                \
    X(queue_due, queue, QUEUE, NULLED, ikey_queue_due(p, &out.number, e))                                   \
    X(queue_due, due_ms, OUTPUT, NULLED, ikey_queue_due(queue, p, e))                                       \
    X(queue_submit, queue, QUEUE, NULLED, ikey_queue_submit(p, client, LIST, NULL, 1, e))                   \
    X(queue_submit, client, CLIENT, NULLED, ikey_queue_submit(queue, p, LIST, NULL, 1, e))                  \
    X(queue_submit, name, TEXT_IN, NULLED, ikey_queue_submit(queue, client, p, n, TEXT("{}"), NULL, 1, e))  \
    X(queue_submit, request, TEXT_IN, NULLED,                                                               \
      ikey_queue_submit(queue, client, REFUSED_NAME, p, n, NULL, 1, e))                                     \
    X(queue_submit, cancel, CANCEL, IKEY_ERROR_OPERATION,                                                   \
      ikey_queue_submit(queue, client, REFUSED_CALL, p, 1, e))                                              \
    X(queue_cancel, queue, QUEUE, NULLED, ikey_queue_cancel(p, 1, e))                                       \
    X(queue_pause, queue, QUEUE, NULLED, ikey_queue_pause(p, 1, 1, e))                                      \
    X(queue_take, queue, QUEUE, NULLED, ikey_queue_take(p, 0, 2, out.events, &out_length, e))               \
    X(queue_take, events, OUTPUT, NULLED, ikey_queue_take(queue, 0, 2, p, &out_length, e))                  \
    X(queue_take, count, OUTPUT, NULLED, ikey_queue_take(queue, 0, 2, out.events, p, e))                    \
    X(queue_free, queue, QUEUE, IKEY_OK, ikey_queue_free(p))                                                \
    X(spec_file_read, file, BYTES_IN, NULLED, ikey_spec_file_read(p, n, TEXT(AS_JSON), &out.event, e))      \
    X(spec_file_read, options, TEXT_IN, NULLED, ikey_spec_file_read(TEXT(SPEC), p, n, &out.event, e))       \
    X(spec_file_read, event, OUTPUT, NULLED, ikey_spec_file_read(TEXT(SPEC), TEXT(AS_JSON), p, e))

#define NULLED IKEY_ERROR_NULL

typedef ikey_status use(void *p, size_t n, ikey_error **e);

#define FUNCTION(function, parameter, kind, with_null, call)                                      \
    static ikey_status use_##function##_##parameter(void *p, size_t n, ikey_error **e) {          \
        (void)n, (void)e;                                                                         \
        return call;                                                                              \
    }
PARAMETERS(FUNCTION)

typedef struct {
    const char *function, *parameter;
    kind kind;
    ikey_status with_null;
    use *call;
} row;

#define ROW(function, parameter, kind, with_null, call)                                           \
    {"ikey_" #function, #parameter, kind, with_null, use_##function##_##parameter},
static const row ROWS[] = {PARAMETERS(ROW)};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

// The functions of errors and those named _free return their status alone.
static bool stores_error(const row *row) {
    return strncmp(row->function, "ikey_error_", 11) != 0 && strstr(row->function, "_free") == NULL;
}

static void check_row(const row *row, void *p, size_t n, ikey_status wanted, const char *what) {
    ikey_error *untouched = (ikey_error *)&untouched, *stored = untouched;
    bool fails = wanted < 0 && stores_error(row);
    memset(&out, 0x5a, sizeof out);
    out_length = out_columns = 77;
    uint64_t before = ikey_live_objects();
    ikey_status status = row->call(p, n, &stored);
    bool outputs_untouched =
        out_length == 77 && out_columns == 77 && ((unsigned char *)&out)[0] == 0x5a;
    if (status != wanted || !outputs_untouched || (stored != untouched) != fails) {
        fprintf(stderr, "%s, %s = %s: status %d, not %d\n", row->function, row->parameter, what,
                (int)status, (int)wanted);
        exit(1);
    }
    if (fails) {
        view json = error_json(stored);
        if (!contains(json, "\"field\":\"")) {
            fprintf(stderr, "%s, %s = %s: the error names no field: %.*s\n", row->function,
                    row->parameter, what, (int)json.length, (const char *)json.bytes);
            exit(1);
        }
        CHECK(ikey_error_free(stored) == IKEY_OK);
    }
    CHECK(row->call(p, n, NULL) == wanted); // the same without a place for the error
    CHECK(ikey_live_objects() == before);
}

// --- What is passed --------------------------------------------------------------------------------

static void every_null(void) {
    for (const row *row = ROWS; row < ROWS + ROW_COUNT; row++) {
        check_row(row, NULL, 2, row->with_null, "NULL");
        if (row->kind == TEXT_IN || row->kind == BYTES_IN) {
            check_row(row, NULL, 0, row->with_null, "NULL with the length 0");
        }
        if (row->kind == FREE_CHOICE) {
            check_row(row, &out, 0, row->with_null, "anything");
        }
    }
}

static void every_wrong_handle(void) {
    void *freed[TYPES], *in_their_places[TYPES];
    int on_the_stack = 0;
    void *on_the_heap = malloc(64);
    CHECK(on_the_heap != NULL);
    // Made elsewhere: real addresses, small numbers, a handle with one bit changed.
    void *foreign[] = {&on_the_stack, on_the_heap,         (void *)1, (void *)0xdeadbeef,
                       (void *)UINTPTR_MAX, (void *)((uintptr_t)client ^ (1u << 20))};

    make_one_of_each(freed);
    free_one_of_each(freed);
    // New handles take the places of the freed ones, which must stay freed.
    make_one_of_each(in_their_places);

    for (const row *row = ROWS; row < ROWS + ROW_COUNT; row++) {
        if (row->kind >= TYPES) {
            continue;
        }
        check_row(row, freed[row->kind], 0, IKEY_ERROR_HANDLE_FREED, "a freed handle");
        for (size_t at = 0; at < sizeof foreign / sizeof foreign[0]; at++) {
            check_row(row, foreign[at], 0, IKEY_ERROR_HANDLE_FOREIGN, "a foreign pointer");
        }
        for (kind other = 0; other < TYPES; other++) {
            if (other != row->kind) {
                check_row(row, live[other], 0, IKEY_ERROR_HANDLE_TYPE, "a handle of another type");
            }
        }
    }
    free_one_of_each(in_their_places);
    free(on_the_heap);
}

static uint64_t splitmix64(void) {
    static uint64_t state = 17; // any seed, and the same in each run
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

// Values that look like anything, like an address, and much like a handle: none of them is one.
static void random_values(void) {
    enum { EACH = 500 };
    const uint64_t handle = (uintptr_t)client;
    for (const row *row = ROWS; row < ROWS + ROW_COUNT; row++) {
        for (int round = 0; row->kind < TYPES && round < EACH; round++) {
            uint64_t random = splitmix64();
            const uint64_t values[] = {random, random >> 17, (random | 1ull << 62 | 1) & ~(1ull << 63),
                                       handle ^ (1ull << (random % 64)) ^ (1ull << (random / 64 % 64))};
            for (size_t at = 0; at < sizeof values / sizeof values[0]; at++) {
                if (values[at] == handle) {
                    continue; // the same bit was changed twice
                }
                ikey_status status = row->call((void *)(uintptr_t)values[at], 0, NULL);
                CHECK(status <= IKEY_ERROR_HANDLE_FOREIGN && status >= IKEY_ERROR_HANDLE_TYPE);
            }
        }
    }
}

static void every_wrong_text(void) {
    static const char *const NOT_UTF8[] = {"\xff", "{\"a\":\"\xc3", "l\xe2\x82st", "\xed\xa0\x80",
                                           "{\"\xc0\x80\":1}", "\xf5\x80\x80\x80"};
    const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX - (uintptr_t)options};
    // A text at the end of a page that no readable one follows: a byte read behind it is a crash.
    long page = sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
    uint8_t *unterminated = pages + page - 2;
    memcpy(unterminated, "{}", 2);

    for (const row *row = ROWS; row < ROWS + ROW_COUNT; row++) {
        if (row->kind != TEXT_IN && row->kind != BYTES_IN) {
            continue;
        }
        for (size_t at = 0; at < sizeof impossible / sizeof impossible[0]; at++) {
            check_row(row, options, impossible[at], IKEY_ERROR_LENGTH, "an impossible length");
        }
        if (row->kind == BYTES_IN) {
            continue; // any bytes may stand there
        }
        for (size_t at = 0; at < sizeof NOT_UTF8 / sizeof NOT_UTF8[0]; at++) {
            check_row(row, (void *)NOT_UTF8[at], strlen(NOT_UTF8[at]), IKEY_ERROR_UTF8, "not UTF-8");
        }
        check_row(row, unterminated, 2, IKEY_ERROR_OPERATION, "text without terminator");
        check_row(row, unterminated, 0, IKEY_ERROR_OPERATION, "an empty text");
    }
    CHECK(munmap(pages, 2 * page) == 0);
}

// Numbers are no pointers; there are few.
static void every_wrong_number(void) {
    static const struct {
        int32_t timeout_ms;
        size_t capacity;
        ikey_status wanted;
    } TAKES[] = {
        {-2, 2, IKEY_ERROR_ARGUMENT},           {INT32_MIN, 2, IKEY_ERROR_ARGUMENT},
        {0, 0, IKEY_ERROR_ARGUMENT},            {0, SIZE_MAX, IKEY_ERROR_LENGTH},
        {0, SIZE_MAX / 8 + 1, IKEY_ERROR_LENGTH}, {0, SIZE_MAX / 16 + 1, IKEY_ERROR_LENGTH},
    };
    size_t count = 77;
    ikey_event *taken[2];
    for (size_t at = 0; at < sizeof TAKES / sizeof TAKES[0]; at++) {
        EXPECT(TAKES[at].wanted,
               ikey_queue_take(queue, TAKES[at].timeout_ms, TAKES[at].capacity, taken, &count, &err));
    }
    EXPECT(IKEY_ERROR_ARGUMENT, ikey_op_next(op, -2, taken, &err));
    EXPECT(IKEY_ERROR_ARGUMENT, ikey_op_next(op, INT32_MIN, taken, &err));
    EXPECT(IKEY_ERROR_ARGUMENT, ikey_event_error(event, &error, &err));
    CHECK(count == 77);
}

int main(int argc, char **argv) {
    alarm(300);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (const row *row = ROWS; row < ROWS + ROW_COUNT; row++) {
            printf("%s %s\n", row->function, row->parameter);
        }
        return 0;
    }
    silent_platform();
    make_one_of_each(live);
    client = live[CLIENT], op = live[OP], queue = live[QUEUE];
    event = live[EVENT], error = live[ERROR];
    every_null();
    every_wrong_handle();
    random_values();
    every_wrong_text();
    every_wrong_number();
    free_one_of_each(live);
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("pointers: %d parameters refuse what they cannot take\n", ROW_COUNT);
    return 0;
}
