// What happens beside a call: from inside its callback, on another thread, in a forked child.

#include "silent.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

static ikey_error *err;

static int64_t now_ms(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static ikey_client *new_client(void) {
    ikey_client *client = NULL;
    OK(ikey_client_new(options, options_length, &client, &err));
    return client;
}

static ikey_op *new_op(ikey_client *client) {
    ikey_op *op = NULL;
    OK(ikey_op_submit(client, LIST, NULL, &op, &err));
    return op;
}

// An operation ended because somebody stopped it. Frees the error.
static void expect_cancelled(ikey_status status, ikey_error *error) {
    view code;
    CHECK(status == IKEY_ERROR_OPERATION);
    CHECK(ikey_error_code(error, &code.bytes, &code.length) == IKEY_OK);
    CHECK(contains(code, "cancelled"));
    CHECK(ikey_error_free(error) == IKEY_OK);
}

// --- Inside the callback of ikey_stream ------------------------------------------------------------

typedef struct {
    ikey_client *client;
    ikey_cancel *cancel;
    int ticks;
} inside;

static int32_t stops_at_third_tick(void *user_data, int32_t kind, const uint8_t *bytes,
                                   size_t length) {
    inside *state = user_data;
    (void)bytes;
    CHECK(kind == IKEY_EVENT_TICK && length == 0);
    return ++state->ticks == 3;
}

static void a_callback_stops_its_stream(void) {
    inside state = {.client = new_client()};
    int64_t start = now_ms();
    EXPECT(IKEY_STOPPED, ikey_stream(state.client, LIST, NULL, stops_at_third_tick, &state, &err));
    CHECK(state.ticks == 3);
    CHECK(now_ms() - start >= 200);
    FREED(ikey_client_free(state.client));
}

static int32_t stops(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    (void)user_data, (void)kind, (void)bytes, (void)length;
    return -1;
}

// Streams once more from inside, then frees everything that the outer stream was given.
static int32_t calls_and_frees(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    inside *state = user_data;
    (void)bytes, (void)length;
    CHECK(kind == IKEY_EVENT_TICK);
    if (state->ticks++ == 0) {
        EXPECT(IKEY_STOPPED, ikey_stream(state->client, LIST, NULL, stops, NULL, &err));
        FREED(ikey_client_free(state->client));
        FREED(ikey_cancel_free(state->cancel));
        CHECK(ikey_client_free(state->client) == IKEY_ERROR_HANDLE_FREED);
        return 0;
    }
    return 1;
}

static void a_callback_calls_and_frees(void) {
    inside state = {.client = new_client()};
    OK(ikey_cancel_new(&state.cancel, &err));
    EXPECT(IKEY_STOPPED,
           ikey_stream(state.client, LIST, state.cancel, calls_and_frees, &state, &err));
    CHECK(state.ticks == 2);
    CHECK(ikey_live_objects() == 0);
}

static int32_t closes(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    inside *state = user_data;
    (void)kind, (void)bytes, (void)length;
    CHECK(state->ticks++ == 0);
    OK(ikey_client_close(state->client, &err));
    return 0;
}

static void a_callback_closes_its_client(void) {
    inside state = {.client = new_client()};
    ikey_error *why = NULL;
    ikey_status status = ikey_stream(state.client, LIST, NULL, closes, &state, &why);
    expect_cancelled(status, why);
    FREED(ikey_client_free(state.client));
}

// --- On another thread -----------------------------------------------------------------------------

typedef struct {
    ikey_op *op;
    ikey_queue *queue;
    ikey_status status;
} waiting;

static void *waits_for_op(void *argument) {
    waiting *state = argument;
    ikey_event *event = NULL;
    do { // the other thread may be polling at this moment
        state->status = ikey_op_next(state->op, -1, &event, NULL);
    } while (state->status == IKEY_ERROR_BUSY);
    return NULL;
}

static void *waits_for_queue(void *argument) {
    waiting *state = argument;
    ikey_event *event = NULL;
    size_t count = 0;
    state->status = ikey_queue_take(state->queue, -1, 1, &event, &count, NULL);
    return NULL;
}

// Waits until the other thread is in ikey_op_next: from then on this one is refused.
static void await_busy(ikey_op *op) {
    ikey_event *event = NULL;
    ikey_error *why = NULL;
    ikey_status status;
    while ((status = ikey_op_next(op, 0, &event, &why)) == IKEY_TIMEOUT) {
        usleep(1000);
    }
    CHECK(status == IKEY_ERROR_BUSY && contains(error_json(why), "ikey_op_next"));
    FREED(ikey_error_free(why));
}

// What another thread waits for can be cancelled or freed at once, and that thread gets an error.
static void an_op_is_stopped_beside_its_wait(bool by_free) {
    ikey_client *client = new_client();
    waiting state = {.op = new_op(client)};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, waits_for_op, &state) == 0);
    await_busy(state.op);
    int64_t start = now_ms();
    if (by_free) {
        FREED(ikey_op_free(state.op));
        CHECK(ikey_op_free(state.op) == IKEY_ERROR_HANDLE_FREED);
    } else {
        OK(ikey_op_cancel(state.op, &err));
    }
    CHECK(pthread_join(thread, NULL) == 0);
    // 100 ms by the header; the rest is for a slow machine under valgrind.
    CHECK(now_ms() - start < 2000);
    CHECK(state.status == IKEY_ERROR_OPERATION);
    if (!by_free) {
        ikey_event *event = NULL;
        EXPECT(IKEY_END, ikey_op_next(state.op, -1, &event, &err));
        FREED(ikey_op_free(state.op));
    }
    FREED(ikey_client_free(client));
}

static void a_queue_is_freed_beside_its_wait(void) {
    ikey_client *client = new_client();
    waiting state = {0};
    pthread_t thread;
    OK(ikey_queue_new(NULL, NULL, &state.queue, &err));
    OK(ikey_queue_submit(state.queue, client, LIST, NULL, 7, &err));
    CHECK(pthread_create(&thread, NULL, waits_for_queue, &state) == 0);
    usleep(20000);
    FREED(ikey_queue_free(state.queue));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(state.status == IKEY_END || state.status == IKEY_ERROR_HANDLE_FREED);
    FREED(ikey_client_free(client));
}

// One token ends a call's op and a queued operation; the queue tells it by its tag.
static void one_token_stops_many(void) {
    ikey_client *client = new_client();
    ikey_cancel *cancel = NULL;
    ikey_op *op = NULL, *other = new_op(client);
    ikey_queue *queue = NULL;
    ikey_event *event = NULL;
    ikey_error *why = NULL;
    size_t count = 0;
    uint64_t tag = 0;
    OK(ikey_cancel_new(&cancel, &err));
    OK(ikey_op_submit(client, LIST, cancel, &op, &err));
    OK(ikey_queue_new(NULL, NULL, &queue, &err));
    OK(ikey_queue_submit(queue, client, LIST, cancel, 41, &err));
    EXPECT(IKEY_TIMEOUT, ikey_queue_take(queue, 50, 1, &event, &count, &err));

    OK(ikey_cancel_request(cancel, &err));
    OK(ikey_cancel_request(cancel, &err));
    ikey_status status = ikey_op_next(op, -1, &event, &why);
    expect_cancelled(status, why);
    EXPECT(IKEY_TIMEOUT, ikey_op_next(other, 0, &event, &err));
    OK(ikey_queue_take(queue, 2000, 1, &event, &count, &err));
    CHECK(count == 1 && kind_of(event) == IKEY_EVENT_ERROR && head_of(event).length == 0);
    OK(ikey_event_tag(event, &tag, &err));
    CHECK(tag == 41);
    OK(ikey_event_error(event, &why, &err));
    FREED(ikey_event_free(event));
    expect_cancelled(IKEY_ERROR_OPERATION, why);

    OK(ikey_queue_submit(queue, client, LIST, NULL, 42, &err));
    OK(ikey_queue_cancel(queue, 42, &err));
    OK(ikey_queue_take(queue, 2000, 1, &event, &count, &err));
    CHECK(kind_of(event) == IKEY_EVENT_ERROR);
    FREED(ikey_event_free(event));
    FREED(ikey_queue_free(queue));
    FREED(ikey_op_free(op));
    FREED(ikey_op_free(other));
    FREED(ikey_cancel_free(cancel));
    FREED(ikey_client_free(client));
}

// --- The wake-up of a queue ------------------------------------------------------------------------

typedef struct {
    int pipe[2];
    ikey_queue *queue;
} bell;

static void rings(void *user_data) {
    bell *state = user_data;
    ikey_cancel *cancel = NULL;
    // It may not call the library; a program that does is told so.
    CHECK(ikey_cancel_new(&cancel, NULL) == IKEY_ERROR_BUSY);
    CHECK(ikey_queue_free(state->queue) == IKEY_ERROR_BUSY);
    CHECK(write(state->pipe[1], "!", 1) == 1);
}

static void a_wake_rings_once_per_batch(void) {
    ikey_client *client = new_client();
    bell state;
    char rung;
    ikey_event *events[8];
    size_t count = 0, total = 0;
    CHECK(pipe(state.pipe) == 0);
    OK(ikey_queue_new(rings, &state, &state.queue, &err));
    OK(ikey_queue_submit(state.queue, client, LIST, NULL, 1, &err));
    OK(ikey_queue_submit(state.queue, client, LIST, NULL, 2, &err));
    OK(ikey_client_close(client, &err));
    while (total < 2) {
        CHECK(read(state.pipe[0], &rung, 1) == 1);
        while (ikey_queue_take(state.queue, 0, 8, events, &count, NULL) == IKEY_OK) {
            total += count;
            for (size_t at = 0; at < count; at++) {
                CHECK(kind_of(events[at]) == IKEY_EVENT_ERROR);
                FREED(ikey_event_free(events[at]));
            }
        }
    }
    FREED(ikey_queue_free(state.queue));
    CHECK(close(state.pipe[0]) == 0 && close(state.pipe[1]) == 0);
    FREED(ikey_client_free(client));
}

// --- In a forked child -----------------------------------------------------------------------------

// The parent's handles are refused, own ones work, and nothing of the parent's is counted or freed.
static int in_the_child(ikey_client *client, ikey_op *op) {
    ikey_error *why = NULL;
    ikey_event *event = NULL;
    CHECK(ikey_live_objects() == 0);
    CHECK(ikey_call(client, LIST, NULL, &event, &why) == IKEY_ERROR_FORKED);
    CHECK(contains(error_json(why), "\"class\":\"ForkedError\""));
    FREED(ikey_error_free(why));
    EXPECT(IKEY_ERROR_FORKED, ikey_op_next(op, 0, &event, &err));
    CHECK(ikey_op_free(op) == IKEY_ERROR_FORKED && ikey_client_free(client) == IKEY_ERROR_FORKED);

    ikey_client *own = new_client();
    ikey_op *own_op = new_op(own);
    EXPECT(IKEY_TIMEOUT, ikey_op_next(own_op, 20, &event, &err));
    FREED(ikey_op_free(own_op));
    FREED(ikey_client_free(own));
    CHECK(ikey_live_objects() == 0);
    return 0;
}

static void a_child_makes_handles_of_its_own(void) {
    ikey_client *client = new_client();
    ikey_op *op = new_op(client);
    ikey_event *event = NULL;
    EXPECT(IKEY_TIMEOUT, ikey_op_next(op, 20, &event, &err));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        _exit(in_the_child(client, op));
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(IKEY_TIMEOUT, ikey_op_next(op, 0, &event, &err));
    FREED(ikey_op_free(op));
    FREED(ikey_client_free(client));
}

int main(void) {
    alarm(120);
    silent_platform();
    a_callback_stops_its_stream();
    a_callback_calls_and_frees();
    a_callback_closes_its_client();
    an_op_is_stopped_beside_its_wait(false);
    an_op_is_stopped_beside_its_wait(true);
    a_queue_is_freed_beside_its_wait();
    one_token_stops_many();
    a_wake_rings_once_per_batch();
    a_child_makes_handles_of_its_own();
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("concurrent: callbacks, threads, wake-ups and forks behave\n");
    return 0;
}
