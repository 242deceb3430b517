// The whole main job through the C ABI: declare, wait, generate, stream, embed, many at once, cancel, delete.
//
// It takes the platform from the INFERENCEKEY_ variables, for example:
//     inferencekey local exec -- build/c/main
// It prints what it sees and ends with 0 if all of it is right and no handle is left.

#include "testing.h"

#include <poll.h>

#define BOT "\"workload_slug\":\"c-bot\""
#define EMBEDDER "\"workload_slug\":\"c-embedder\""

static const char BOT_SPEC[] =
    "{\"spec\":{\"name\":\"Bot in C\",\"slug\":\"c-bot\",\"model\":\"inferencekey-tiny\","
    "\"backend\":\"llamacpp\"}}";

static const char EMBEDDER_SPEC[] =
    "{\"spec\":{\"name\":\"Embedder in C\",\"slug\":\"c-embedder\","
    "\"model\":\"inferencekey-tiny-embed\",\"backend\":\"llamacpp\","
    "\"task_type\":\"embedding\"}}";

static ikey_error *err;

static ikey_client *new_client(const uint8_t *options, size_t length) {
    ikey_client *client = NULL;
    OK(ikey_client_new(options, length, &client, &err));
    ikey_event *description = NULL;
    OK(ikey_client_describe(client, &description, &err));
    print_head("client", description);
    FREED(ikey_event_free(description));
    return client;
}

static ikey_event *call(ikey_client *client, const char *name, const char *request) {
    ikey_event *event = NULL;
    OK(ikey_call(client, (const uint8_t *)name, strlen(name), (const uint8_t *)request,
                 strlen(request), NULL, &event, &err));
    print_head(name, event);
    CHECK(kind_of(event) == IKEY_EVENT_DATA);
    return event;
}

// Declares a workload; declaring it once more changes nothing.
static void ensure(ikey_client *control, const char *request, const char *slug) {
    ikey_event *made = call(control, "ensure", request);
    CHECK(contains(head_of(made), slug) && contains(head_of(made), "\"changed\":true"));
    FREED(ikey_event_free(made));
    ikey_event *again = call(control, "ensure", request);
    CHECK(contains(head_of(again), "\"changed\":false"));
    FREED(ikey_event_free(again));
}

// Pulls the progress of a start, as a host would that shows it.
static void wait_until_ready(ikey_client *control, const uint8_t *request, size_t length) {
    ikey_op *op = NULL;
    ikey_cancel *cancel = NULL;
    bool ready = false;
    OK(ikey_cancel_new(&cancel, &err));
    OK(ikey_op_submit(control, TEXT("wait_until_ready"), request, length, cancel, &op, &err));
    for (;;) {
        ikey_event *event = NULL;
        err = NULL;
        ikey_status status = ikey_op_next(op, 100, &event, &err);
        if (status == IKEY_TIMEOUT) {
            continue;
        }
        if (status == IKEY_END) {
            break;
        }
        expect_at(__FILE__, __LINE__, "ikey_op_next", IKEY_OK, status, err);
        print_head("wait_until_ready", event);
        ready = contains(head_of(event), "\"phase\":\"ready\"");
        FREED(ikey_event_free(event));
    }
    CHECK(ready);
    FREED(ikey_op_free(op));
    FREED(ikey_cancel_free(cancel));
}

static ikey_client *endpoint_of(ikey_client *data, const uint8_t *options, size_t length) {
    ikey_client *endpoint = NULL;
    OK(ikey_client_endpoint(data, options, length, &endpoint, &err));
    return endpoint;
}

static void generate(ikey_client *endpoint) {
    ikey_event *answer = call(endpoint, "generate_text", "{\"prompt\":\"Hello!\",\"max_tokens\":24}");
    CHECK(contains(head_of(answer), "\"text\":"));
    CHECK(contains(raw_of(answer), "\"choices\""));
    FREED(ikey_event_free(answer));
}

typedef struct {
    int opened, heads, raws, ends;
} seen;

static int32_t on_event(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    seen *so_far = user_data;
    view text = {bytes, length};
    switch (kind) {
    case IKEY_EVENT_OPEN:
        so_far->opened++;
        break;
    case IKEY_EVENT_DATA:
        // The last batch may have no chunks, and then has no raw bytes.
        so_far->heads += !contains(text, "\"raw_length\":[]");
        so_far->ends += contains(text, "\"timing\":");
        CHECK(contains(text, "\"raw_length\":"));
        break;
    case IKEY_EVENT_RAW:
        so_far->raws++;
        CHECK(contains(text, "\"choices\""));
        break;
    default:
        CHECK(kind == IKEY_EVENT_TICK && length == 0);
    }
    return 0;
}

static void stream(ikey_client *endpoint) {
    seen so_far = {0, 0, 0, 0};
    OK(ikey_stream(endpoint, TEXT("generate_text_stream"),
                   TEXT("{\"prompt\":\"Hello!\",\"max_tokens\":24}"), NULL, on_event, &so_far,
                   &err));
    printf("generate_text_stream: %d batches\n", so_far.heads);
    CHECK(so_far.opened == 1 && so_far.heads > 0 && so_far.raws == so_far.heads);
    CHECK(so_far.ends == 1);
}

static void embed(ikey_client *endpoint) {
    ikey_event *answer = call(endpoint, "embed", "{\"input\":[\"one\",\"two\",\"one\"]}");
    const double *values = NULL;
    size_t rows = 0, columns = 0;
    OK(ikey_event_vectors(answer, &values, &rows, &columns, &err));
    printf("embed: %zu rows, %zu columns\n", rows, columns);
    CHECK(rows == 3 && columns > 0);
    CHECK(memcmp(values, values + 2 * columns, columns * sizeof *values) == 0);
    CHECK(memcmp(values, values + columns, columns * sizeof *values) != 0);
    FREED(ikey_event_free(answer));
}

// What an event loop does between two calls of ikey_queue_take.
static void sleep_until_due(ikey_queue *queue, int32_t descriptor) {
    struct pollfd watched = {.fd = descriptor, .events = POLLIN};
    int32_t due_ms = 0;
    OK(ikey_queue_due(queue, &due_ms, &err));
    CHECK(poll(&watched, 1, due_ms) >= 0);
}

// Four answers at once, awaited in one place: by the queue's thread, or without one.
static void many_at_once(ikey_client *endpoint, bool has_thread) {
    enum { MANY = 4 };
    ikey_queue *queue = NULL;
    int answers[MANY] = {0}, ends[MANY] = {0}, over = 0;
    int32_t descriptor = -1;
    if (has_thread) {
        OK(ikey_queue_new(NULL, NULL, &queue, &err));
    } else {
        OK(ikey_queue_new_polled(&queue, &descriptor, &err));
    }
    for (uint64_t tag = 0; tag < MANY; tag++) {
        OK(ikey_queue_submit(queue, endpoint, TEXT("generate_text"),
                             TEXT("{\"prompt\":\"Hello!\",\"max_tokens\":8}"), NULL, tag, &err));
    }
    while (over < MANY) {
        ikey_event *events[3];
        size_t count = 0;
        if (!has_thread) {
            sleep_until_due(queue, descriptor);
        }
        ikey_status status = ikey_queue_take(queue, has_thread ? -1 : 0, 3, events, &count, &err);
        CHECK(status == IKEY_OK || (!has_thread && status == IKEY_TIMEOUT));
        for (size_t at = 0; at < count; at++) {
            uint64_t tag = MANY;
            OK(ikey_event_tag(events[at], &tag, &err));
            CHECK(tag < MANY && ends[tag] == 0);
            if (kind_of(events[at]) == IKEY_EVENT_END) {
                ends[tag]++;
                over++;
            } else {
                CHECK(kind_of(events[at]) == IKEY_EVENT_DATA);
                answers[tag]++;
            }
            FREED(ikey_event_free(events[at]));
        }
    }
    for (int tag = 0; tag < MANY; tag++) {
        CHECK(answers[tag] == 1 && ends[tag] == 1);
    }
    int32_t due_ms = 0;
    OK(ikey_queue_due(queue, &due_ms, &err));
    CHECK(due_ms == -1);
    printf("queue %s a thread: %d answers\n", has_thread ? "with" : "without", MANY);
    FREED(ikey_queue_free(queue));
}

// A cancelled operation ends with one error, then is over.
static void cancelled(ikey_client *endpoint) {
    ikey_cancel *cancel = NULL;
    ikey_op *op = NULL;
    ikey_event *event = NULL;
    view code;
    OK(ikey_cancel_new(&cancel, &err));
    OK(ikey_op_submit(endpoint, TEXT("generate_text_stream"), TEXT("{\"prompt\":\"Hello!\"}"),
                      cancel, &op, &err));
    OK(ikey_cancel_request(cancel, &err));
    CHECK(ikey_op_next(op, -1, &event, &err) == IKEY_ERROR_OPERATION);
    CHECK(ikey_error_code(err, &code.bytes, &code.length) == IKEY_OK && contains(code, "cancelled"));
    CHECK(ikey_error_free(err) == IKEY_OK);
    EXPECT(IKEY_END, ikey_op_next(op, -1, &event, &err));
    FREED(ikey_op_free(op));
    FREED(ikey_cancel_free(cancel));
}

// The first delete removes the workload, the second finds nothing.
static void delete(ikey_client *control, const char *request) {
    ikey_event *gone = call(control, "delete", request);
    CHECK(contains(head_of(gone), "\"deleted\":true"));
    FREED(ikey_event_free(gone));
    gone = call(control, "delete", request);
    CHECK(contains(head_of(gone), "\"deleted\":false"));
    FREED(ikey_event_free(gone));
}

int main(void) {
    CHECK(ikey_abi_version() == IKEY_ABI_VERSION);
    printf("inferencekey %s\n", ikey_version());
    alarm(300);

    ikey_client *control = new_client(TEXT("{\"plane\":\"control\",\"from_env\":true}"));
    ensure(control, BOT_SPEC, BOT);
    ensure(control, EMBEDDER_SPEC, EMBEDDER);
    wait_until_ready(control, TEXT("{" BOT ",\"timeout_ms\":120000}"));
    wait_until_ready(control, TEXT("{" EMBEDDER ",\"timeout_ms\":120000}"));

    ikey_client *data = new_client(TEXT("{\"plane\":\"data\",\"from_env\":true}"));
    ikey_client *bot = endpoint_of(data, TEXT("{" BOT "}"));
    ikey_client *embedder = endpoint_of(data, TEXT("{" EMBEDDER "}"));
    generate(bot);
    stream(bot);
    embed(embedder);
    many_at_once(bot, true);
    many_at_once(bot, false);
    cancelled(bot);

    delete(control, "{" BOT "}");
    delete(control, "{" EMBEDDER "}");
    FREED(ikey_client_free(embedder));
    FREED(ikey_client_free(bot));
    FREED(ikey_client_free(data));
    FREED(ikey_client_free(control));
    CHECK(ikey_live_objects() == 0);
    return 0;
}
