// Every argument that can be wrong, one row or one line for each: pointers, handles, texts, lengths, numbers.
//
// What is checked: the status that the header names, outputs untouched, an error that says what to do, and no handle left
// at the end.

#include "silent.h"

static ikey_error *err;

// One handle of each type, and an endpoint.
typedef enum { CLIENT, CANCEL, OP, QUEUE, EVENT, ERROR, TYPES } type;
static void *live[TYPES];
static ikey_client *client, *endpoint;
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

static void make_fixtures(void) {
    make_one_of_each(live);
    client = live[CLIENT], op = live[OP], queue = live[QUEUE];
    event = live[EVENT], error = live[ERROR];
    ikey_client *data = NULL;
    OK(ikey_client_new(TEXT("{\"plane\":\"data\",\"base_url\":\"http://127.0.0.1:9\","
                            "\"project\":\"acme\",\"api_key\":\"ik_live_c0ffee00_0\"}"),
                       &data, &err));
    OK(ikey_client_endpoint(data, TEXT("{\"workload_slug\":\"bot\"}"), &endpoint, &err));
    FREED(ikey_client_free(data));
}

static void free_fixtures(void) {
    free_one_of_each(live);
    FREED(ikey_client_free(endpoint));
}

// --- Handles: every function that takes one, with every wrong one -------------------------------

static int32_t on_event_stops(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    (void)user_data, (void)kind, (void)bytes, (void)length;
    return 1;
}

static union {
    ikey_client *client;
    ikey_op *op;
    ikey_event *event;
    ikey_event *events[2];
    ikey_error *error;
    const uint8_t *bytes;
    const double *values;
    uint64_t tag;
    int32_t kind;
} out;
static size_t out_length, out_columns;

typedef ikey_status use(void *handle, ikey_error **err_out);
#define USE(name, call)                                                                           \
    static ikey_status name(void *h, ikey_error **e) { return (call); }

USE(use_endpoint, ikey_client_endpoint(h, TEXT("{}"), &out.client, e))
USE(use_describe, ikey_client_describe(h, &out.event, e))
USE(use_close, ikey_client_close(h, e))
USE(use_call, ikey_call(h, LIST, NULL, &out.event, e))
USE(use_stream, ikey_stream(h, LIST, NULL, on_event_stops, NULL, e))
USE(use_submit, ikey_op_submit(h, LIST, NULL, &out.op, e))
USE(use_queue_submit_client, ikey_queue_submit(queue, h, LIST, NULL, 1, e))
USE(use_request, ikey_cancel_request(h, e))
USE(use_call_cancel, ikey_call(client, LIST, h, &out.event, e))
USE(use_stream_cancel, ikey_stream(client, LIST, h, on_event_stops, NULL, e))
USE(use_submit_cancel, ikey_op_submit(client, LIST, h, &out.op, e))
USE(use_queue_submit_cancel, ikey_queue_submit(queue, client, LIST, h, 1, e))
USE(use_next, ikey_op_next(h, 0, &out.event, e))
USE(use_op_cancel, ikey_op_cancel(h, e))
USE(use_queue_submit, ikey_queue_submit(h, client, LIST, NULL, 1, e))
USE(use_queue_cancel, ikey_queue_cancel(h, 1, e))
USE(use_take, ikey_queue_take(h, 0, 2, out.events, &out_length, e))
USE(use_kind, ikey_event_kind(h, &out.kind, e))
USE(use_tag, ikey_event_tag(h, &out.tag, e))
USE(use_head, ikey_event_head(h, &out.bytes, &out_length, e))
USE(use_raw, ikey_event_raw(h, &out.bytes, &out_length, e))
USE(use_vectors, ikey_event_vectors(h, &out.values, &out_length, &out_columns, e))
USE(use_event_error, ikey_event_error(h, &out.error, e))
// These return their status alone; they leave e as it is.
USE(use_code, ((void)e, ikey_error_code(h, &out.bytes, &out_length)))
USE(use_json, ((void)e, ikey_error_json(h, &out.bytes, &out_length)))
USE(use_client_free, ((void)e, ikey_client_free(h)))
USE(use_cancel_free, ((void)e, ikey_cancel_free(h)))
USE(use_op_free, ((void)e, ikey_op_free(h)))
USE(use_queue_free, ((void)e, ikey_queue_free(h)))
USE(use_event_free, ((void)e, ikey_event_free(h)))
USE(use_error_free, ((void)e, ikey_error_free(h)))

static const struct {
    const char *name;
    use *function;
    type type;
    ikey_status with_null; // IKEY_OK: NULL is allowed there, so the row is passed over
    bool stores_error;
} ROWS[] = {
    {"ikey_client_endpoint", use_endpoint, CLIENT, IKEY_ERROR_NULL, true},
    {"ikey_client_describe", use_describe, CLIENT, IKEY_ERROR_NULL, true},
    {"ikey_client_close", use_close, CLIENT, IKEY_ERROR_NULL, true},
    {"ikey_client_free", use_client_free, CLIENT, IKEY_OK, false},
    {"ikey_cancel_request", use_request, CANCEL, IKEY_ERROR_NULL, true},
    {"ikey_cancel_free", use_cancel_free, CANCEL, IKEY_OK, false},
    {"ikey_event_kind", use_kind, EVENT, IKEY_ERROR_NULL, true},
    {"ikey_event_tag", use_tag, EVENT, IKEY_ERROR_NULL, true},
    {"ikey_event_head", use_head, EVENT, IKEY_ERROR_NULL, true},
    {"ikey_event_raw", use_raw, EVENT, IKEY_ERROR_NULL, true},
    {"ikey_event_vectors", use_vectors, EVENT, IKEY_ERROR_NULL, true},
    {"ikey_event_error", use_event_error, EVENT, IKEY_ERROR_NULL, true},
    {"ikey_event_free", use_event_free, EVENT, IKEY_OK, false},
    {"ikey_error_code", use_code, ERROR, IKEY_ERROR_NULL, false},
    {"ikey_error_json", use_json, ERROR, IKEY_ERROR_NULL, false},
    {"ikey_error_free", use_error_free, ERROR, IKEY_OK, false},
    {"ikey_call, client", use_call, CLIENT, IKEY_ERROR_NULL, true},
    {"ikey_call, cancel", use_call_cancel, CANCEL, IKEY_OK, true},
    {"ikey_stream, client", use_stream, CLIENT, IKEY_ERROR_NULL, true},
    {"ikey_stream, cancel", use_stream_cancel, CANCEL, IKEY_OK, true},
    {"ikey_op_submit, client", use_submit, CLIENT, IKEY_ERROR_NULL, true},
    {"ikey_op_submit, cancel", use_submit_cancel, CANCEL, IKEY_OK, true},
    {"ikey_op_next", use_next, OP, IKEY_ERROR_NULL, true},
    {"ikey_op_cancel", use_op_cancel, OP, IKEY_ERROR_NULL, true},
    {"ikey_op_free", use_op_free, OP, IKEY_OK, false},
    {"ikey_queue_submit, queue", use_queue_submit, QUEUE, IKEY_ERROR_NULL, true},
    {"ikey_queue_submit, client", use_queue_submit_client, CLIENT, IKEY_ERROR_NULL, true},
    {"ikey_queue_submit, cancel", use_queue_submit_cancel, CANCEL, IKEY_OK, true},
    {"ikey_queue_cancel", use_queue_cancel, QUEUE, IKEY_ERROR_NULL, true},
    {"ikey_queue_take", use_take, QUEUE, IKEY_ERROR_NULL, true},
    {"ikey_queue_free", use_queue_free, QUEUE, IKEY_OK, false},
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

static void refused(size_t row, void *handle, ikey_status wanted, const char *what) {
    ikey_error *untouched = (ikey_error *)&untouched, *stored = untouched;
    memset(&out, 0x5a, sizeof out);
    out_length = 77;
    uint64_t before = ikey_live_objects();
    ikey_status status = ROWS[row].function(handle, &stored);
    bool outputs_untouched = out_length == 77 && ((unsigned char *)&out)[0] == 0x5a;
    if (status != wanted || !outputs_untouched || (stored != untouched) != ROWS[row].stores_error) {
        fprintf(stderr, "%s with %s: status %d, not %d\n", ROWS[row].name, what, (int)status,
                (int)wanted);
        exit(1);
    }
    if (ROWS[row].stores_error) {
        view json = error_json(stored);
        CHECK(contains(json, "\"field\":") && contains(json, ": "));
        CHECK(ikey_error_free(stored) == IKEY_OK);
    }
    CHECK(ROWS[row].function(handle, NULL) == wanted);
    CHECK(ikey_live_objects() == before);
}

static void every_wrong_handle(void) {
    void *freed[TYPES];
    int on_the_stack = 0;
    void *on_the_heap = malloc(64);
    CHECK(on_the_heap != NULL);
    // Made elsewhere: real addresses, small numbers, a handle with one bit changed.
    void *foreign[] = {&on_the_stack, on_the_heap,         (void *)1, (void *)0xdeadbeef,
                       (void *)UINTPTR_MAX, (void *)((uintptr_t)client ^ (1u << 20))};

    make_one_of_each(freed);
    free_one_of_each(freed);
    // New handles take the places of the freed ones, which must stay freed.
    void *in_their_places[TYPES];
    make_one_of_each(in_their_places);

    for (size_t row = 0; row < ROW_COUNT; row++) {
        if (ROWS[row].with_null != IKEY_OK) {
            refused(row, NULL, ROWS[row].with_null, "NULL");
        }
        refused(row, freed[ROWS[row].type], IKEY_ERROR_HANDLE_FREED, "a freed handle");
        for (size_t at = 0; at < sizeof foreign / sizeof foreign[0]; at++) {
            refused(row, foreign[at], IKEY_ERROR_HANDLE_FOREIGN, "a foreign pointer");
        }
        for (type other = 0; other < TYPES; other++) {
            if (other != ROWS[row].type) {
                refused(row, live[other], IKEY_ERROR_HANDLE_TYPE, "a handle of another type");
            }
        }
    }
    free_one_of_each(in_their_places);
    free(on_the_heap);

    // Freeing NULL does nothing, as often as you like.
    CHECK(ikey_client_free(NULL) == IKEY_OK && ikey_cancel_free(NULL) == IKEY_OK);
    CHECK(ikey_op_free(NULL) == IKEY_OK && ikey_queue_free(NULL) == IKEY_OK);
    CHECK(ikey_event_free(NULL) == IKEY_OK && ikey_error_free(NULL) == IKEY_OK);
}

// --- Other pointers --------------------------------------------------------------------------------

// Runs a call twice, with and without a place for its error.
#define REFUSED(wanted, call)                                                                     \
    do {                                                                                          \
        ikey_error *stored = NULL, **e = &stored;                                                 \
        memset(&out, 0x5a, sizeof out);                                                           \
        uint64_t before = ikey_live_objects();                                                    \
        ikey_status status_ = (call);                                                             \
        expect_at(__FILE__, __LINE__, #call, wanted, status_, stored);                            \
        e = NULL;                                                                                 \
        CHECK((call) == (wanted) && ikey_live_objects() == before);                               \
        CHECK(((unsigned char *)&out)[0] == 0x5a);                                                \
    } while (0)

static void every_null(void) {
    const ikey_status null = IKEY_ERROR_NULL;
    REFUSED(null, ikey_client_new(NULL, 2, &out.client, e));
    REFUSED(null, ikey_client_new(NULL, 0, &out.client, e));
    REFUSED(null, ikey_client_new(options, options_length, NULL, e));
    REFUSED(null, ikey_client_endpoint(client, NULL, 2, &out.client, e));
    REFUSED(null, ikey_client_endpoint(client, TEXT("{}"), NULL, e));
    REFUSED(null, ikey_client_describe(client, NULL, e));
    REFUSED(null, ikey_cancel_new(NULL, e));
    REFUSED(null, ikey_event_kind(event, NULL, e));
    REFUSED(null, ikey_event_tag(event, NULL, e));
    REFUSED(null, ikey_event_head(event, NULL, &out_length, e));
    REFUSED(null, ikey_event_head(event, &out.bytes, NULL, e));
    REFUSED(null, ikey_event_raw(event, NULL, &out_length, e));
    REFUSED(null, ikey_event_raw(event, &out.bytes, NULL, e));
    REFUSED(null, ikey_event_vectors(event, NULL, &out_length, &out_columns, e));
    REFUSED(null, ikey_event_vectors(event, &out.values, NULL, &out_columns, e));
    REFUSED(null, ikey_event_vectors(event, &out.values, &out_length, NULL, e));
    REFUSED(null, ikey_event_error(event, NULL, e));
    CHECK(ikey_error_code(error, NULL, &out_length) == null);
    CHECK(ikey_error_code(error, &out.bytes, NULL) == null);
    CHECK(ikey_error_json(error, NULL, &out_length) == null);
    CHECK(ikey_error_json(error, &out.bytes, NULL) == null);
    REFUSED(null, ikey_call(client, NULL, 4, TEXT("{}"), NULL, &out.event, e));
    REFUSED(null, ikey_call(client, TEXT("list"), NULL, 2, NULL, &out.event, e));
    REFUSED(null, ikey_call(client, LIST, NULL, NULL, e));
    REFUSED(null, ikey_stream(client, NULL, 4, TEXT("{}"), NULL, on_event_stops, NULL, e));
    REFUSED(null, ikey_stream(client, TEXT("list"), NULL, 2, NULL, on_event_stops, NULL, e));
    REFUSED(null, ikey_stream(client, LIST, NULL, NULL, NULL, e));
    REFUSED(null, ikey_op_submit(client, NULL, 4, TEXT("{}"), NULL, &out.op, e));
    REFUSED(null, ikey_op_submit(client, TEXT("list"), NULL, 2, NULL, &out.op, e));
    REFUSED(null, ikey_op_submit(client, LIST, NULL, NULL, e));
    REFUSED(null, ikey_op_next(op, 0, NULL, e));
    REFUSED(null, ikey_queue_new(NULL, NULL, NULL, e));
    REFUSED(null, ikey_queue_submit(queue, client, NULL, 4, TEXT("{}"), NULL, 1, e));
    REFUSED(null, ikey_queue_submit(queue, client, TEXT("list"), NULL, 2, NULL, 1, e));
    REFUSED(null, ikey_queue_take(queue, 0, 2, NULL, &out_length, e));
    REFUSED(null, ikey_queue_take(queue, 0, 2, out.events, NULL, e));
}

// --- Texts, lengths, numbers -----------------------------------------------------------------------

static void every_wrong_text(void) {
    const ikey_status utf8 = IKEY_ERROR_UTF8, length = IKEY_ERROR_LENGTH;
    REFUSED(utf8, ikey_client_new(TEXT("{\"plane\":\"\xff\"}"), &out.client, e));
    REFUSED(utf8, ikey_client_endpoint(endpoint, TEXT("\xc3"), &out.client, e));
    REFUSED(utf8, ikey_call(client, TEXT("l\xe2\x82st"), TEXT("{}"), NULL, &out.event, e));
    REFUSED(utf8, ikey_stream(client, TEXT("list"), TEXT("\xed\xa0\x80"), NULL, on_event_stops, NULL, e));
    REFUSED(utf8, ikey_op_submit(client, TEXT("list"), TEXT("{\"\xc0\x80\":1}"), NULL, &out.op, e));
    REFUSED(utf8, ikey_queue_submit(queue, client, TEXT("\xfe"), TEXT("{}"), NULL, 1, e));

    const size_t huge[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX - (uintptr_t)options};
    for (size_t at = 0; at < sizeof huge / sizeof huge[0]; at++) {
        size_t n = huge[at];
        REFUSED(length, ikey_client_new(options, n, &out.client, e));
        REFUSED(length, ikey_client_endpoint(endpoint, options, n, &out.client, e));
        REFUSED(length, ikey_call(client, options, n, TEXT("{}"), NULL, &out.event, e));
        REFUSED(length, ikey_stream(client, TEXT("list"), options, n, NULL, on_event_stops, NULL, e));
        REFUSED(length, ikey_op_submit(client, options, n, TEXT("{}"), NULL, &out.op, e));
        REFUSED(length, ikey_queue_submit(queue, client, TEXT("list"), options, n, NULL, 1, e));
        REFUSED(length, ikey_queue_take(queue, 0, n, out.events, &out_length, e));
    }
    REFUSED(IKEY_ERROR_ARGUMENT, ikey_op_next(op, -2, &out.event, e));
    REFUSED(IKEY_ERROR_ARGUMENT, ikey_op_next(op, INT32_MIN, &out.event, e));
    REFUSED(IKEY_ERROR_ARGUMENT, ikey_queue_take(queue, -2, 2, out.events, &out_length, e));
    REFUSED(IKEY_ERROR_ARGUMENT, ikey_queue_take(queue, 0, 0, out.events, &out_length, e));
    REFUSED(IKEY_ERROR_ARGUMENT, ikey_event_error(event, &out.error, e));
}

// The core refuses these before anything is sent, and its error names the place.
static void every_wrong_request(void) {
    static const struct {
        const char *name;
        const char *request;
        size_t length;
        const char *named;
    } REQUESTS[] = {
#define REQUEST(name, request, named) {name, request, sizeof(request) - 1, named}
        REQUEST("list", "", "JSON"),
        REQUEST("list", "[]", "JSON object"),
        REQUEST("list", "{\"pro\0ject\":\"acme\"}", "JSON"),
        REQUEST("list", "{\"limit\":10}", "limit"),
        REQUEST("get", "{\"workload_slug\":7}", "workload_slug"),
        REQUEST("get", "{\"workload_slug\":\"a\\u0000b\"}", "workload_slug"),
        REQUEST("generate_text", "{\"prompt\":\"Hello!\"}", "generate_text"),
        REQUEST("no_such_operation", "{}", "no_such_operation"),
        REQUEST("", "{}", "list"),
    };
    for (size_t at = 0; at < sizeof REQUESTS / sizeof REQUESTS[0]; at++) {
        const uint8_t *name = (const uint8_t *)REQUESTS[at].name;
        const uint8_t *request = (const uint8_t *)REQUESTS[at].request;
        ikey_error *why = NULL;
        ikey_event *none = NULL;
        CHECK(ikey_call(client, name, strlen(REQUESTS[at].name), request, REQUESTS[at].length, NULL, &none,
                        &why) == IKEY_ERROR_OPERATION);
        view json = error_json(why);
        if (!contains(json, REQUESTS[at].named)) {
            fprintf(stderr, "%s %s: %.*s\n", REQUESTS[at].name, REQUESTS[at].request, (int)json.length,
                    (const char *)json.bytes);
            exit(1);
        }
        FREED(ikey_error_free(why));
    }
}

// A value nested deeper than any stack: refused, and the process goes on.
static void deep_json(void) {
    enum { DEPTH = 1000000 };
    uint8_t *request = malloc(DEPTH);
    CHECK(request != NULL);
    memset(request, '[', DEPTH);
    memcpy(request, "{\"project\":", 11);
    REFUSED(IKEY_ERROR_OPERATION, ikey_op_submit(client, TEXT("list"), request, DEPTH, NULL, &out.op, e));
    free(request);
}

// An error lives on its own: its views hold after the client that failed is gone.
static void an_error_outlives_its_client(void) {
    ikey_client *short_lived = NULL;
    ikey_event *none = NULL;
    ikey_error *why = NULL;
    OK(ikey_client_new(options, options_length, &short_lived, &err));
    OK(ikey_client_close(short_lived, &err));
    OK(ikey_client_close(short_lived, &err));
    CHECK(ikey_call(short_lived, LIST, NULL, &none, &why) == IKEY_ERROR_OPERATION);
    view json = error_json(why);
    FREED(ikey_client_free(short_lived));
    CHECK(contains(json, "client_closed"));
    FREED(ikey_error_free(why));
}

int main(void) {
    alarm(120);
    silent_platform();
    make_fixtures();
    every_wrong_handle();
    every_null();
    every_wrong_text();
    every_wrong_request();
    deep_json();
    an_error_outlives_its_client();
    free_fixtures();
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("misuse: %d handle parameters, every pointer, text and number refused\n", ROW_COUNT);
    return 0;
}
