// Several threads on one handle: beside a wait, all at once, against each other.

#include "platform.h"

static ikey_error *err;

// --- Beside a wait ---------------------------------------------------------------------------------

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
    // 100 ms by the header; the rest is for a busy machine under valgrind.
    CHECK(now_ms() - start < 20000);
    CHECK(state.status == IKEY_ERROR_OPERATION);
    if (!by_free) {
        ikey_event *event = NULL;
        EXPECT(IKEY_END, ikey_op_next(state.op, -1, &event, &err));
        FREED(ikey_op_free(state.op));
    }
    FREED(ikey_client_free(client));
}

static ikey_queue *new_queue(bool has_thread) {
    ikey_queue *queue = NULL;
    int32_t descriptor = -1;
    OK(has_thread ? ikey_queue_new(NULL, NULL, &queue, &err) : ikey_queue_new_polled(&queue, &descriptor, &err));
    return queue;
}

static void a_queue_is_freed_beside_its_wait(bool has_thread) {
    ikey_client *client = new_client();
    waiting state = {.queue = new_queue(has_thread)};
    pthread_t thread;
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
    OK(ikey_queue_take(queue, 20000, 1, &event, &count, &err));
    CHECK(count == 1 && kind_of(event) == IKEY_EVENT_ERROR && head_of(event).length == 0);
    OK(ikey_event_tag(event, &tag, &err));
    CHECK(tag == 41);
    OK(ikey_event_error(event, &why, &err));
    FREED(ikey_event_free(event));
    expect_cancelled(IKEY_ERROR_OPERATION, why);

    OK(ikey_queue_submit(queue, client, LIST, NULL, 42, &err));
    OK(ikey_queue_cancel(queue, 42, &err));
    OK(ikey_queue_take(queue, 20000, 1, &event, &count, &err));
    CHECK(kind_of(event) == IKEY_EVENT_ERROR);
    FREED(ikey_event_free(event));
    FREED(ikey_queue_free(queue));
    FREED(ikey_op_free(op));
    FREED(ikey_op_free(other));
    FREED(ikey_cancel_free(cancel));
    FREED(ikey_client_free(client));
}

// --- All at once, against a platform that answers -----------------------------------------------------

enum { THREADS = 6, EACH = 25 };

static void run_threads(void *(*body)(void *), void *argument) {
    pthread_t threads[THREADS];
    for (int at = 0; at < THREADS; at++) {
        CHECK(pthread_create(&threads[at], NULL, body, argument) == 0);
    }
    for (int at = 0; at < THREADS; at++) {
        CHECK(pthread_join(threads[at], NULL) == 0);
    }
}

static void *calls(void *client) {
    for (int at = 0; at < EACH; at++) {
        ikey_event *event = NULL;
        ikey_error *err;
        OK(ikey_call(client, LIST, NULL, &event, &err));
        CHECK(contains(head_of(event), "\"workloads\":[]"));
        FREED(ikey_event_free(event));
    }
    return NULL;
}

static void many_threads_call_with_one_client(void) {
    ikey_client *client = new_client();
    int before = requests;
    run_threads(calls, client);
    CHECK(requests - before == THREADS * EACH);
    FREED(ikey_client_free(client));
}

// One queue, and what its threads saw of each tag.
typedef struct {
    ikey_queue *queue;
    ikey_client *client;
    atomic_int next_tag, ended;
    atomic_int answers[THREADS * EACH], ends[THREADS * EACH];
} shared_queue;

static void *submits_and_takes(void *argument) {
    shared_queue *state = argument;
    ikey_error *err;
    for (int at = 0; at < EACH; at++) {
        OK(ikey_queue_submit(state->queue, state->client, LIST, NULL, (uint64_t)state->next_tag++, &err));
    }
    while (state->ended < THREADS * EACH) {
        ikey_event *events[4];
        size_t count = 0;
        ikey_status status = ikey_queue_take(state->queue, 20, 4, events, &count, NULL);
        CHECK(status == IKEY_TIMEOUT || (status == IKEY_OK && count > 0));
        for (size_t at = 0; at < count; at++) {
            uint64_t tag = 0;
            OK(ikey_event_tag(events[at], &tag, &err));
            if (kind_of(events[at]) == IKEY_EVENT_END) {
                state->ends[tag]++;
                state->ended++;
            } else {
                CHECK(kind_of(events[at]) == IKEY_EVENT_DATA);
                state->answers[tag]++;
            }
            FREED(ikey_event_free(events[at]));
        }
    }
    return NULL;
}

static void many_threads_share_a_queue(bool has_thread) {
    static shared_queue state;
    memset(&state, 0, sizeof state);
    state.client = new_client();
    state.queue = new_queue(has_thread);
    run_threads(submits_and_takes, &state);
    for (int tag = 0; tag < THREADS * EACH; tag++) {
        CHECK(state.answers[tag] == 1 && state.ends[tag] == 1);
    }
    FREED(ikey_queue_free(state.queue));
    FREED(ikey_client_free(state.client));
}

static void *calls_until_the_end(void *client) {
    for (;;) {
        ikey_event *event = NULL;
        ikey_error *why = NULL;
        ikey_status status = ikey_call(client, LIST, NULL, &event, &why);
        if (status == IKEY_OK) {
            FREED(ikey_event_free(event));
            continue;
        }
        // Stopped on the way, begun after the close, or after the free: nothing else may happen.
        if (status == IKEY_ERROR_OPERATION) {
            view json = error_json(why);
            CHECK(contains(json, "\"code\":\"cancelled\"") || contains(json, "\"code\":\"client_closed\""));
        } else {
            CHECK(status == IKEY_ERROR_HANDLE_FREED);
        }
        FREED(ikey_error_free(why));
        return NULL;
    }
}

static void *closes_and_frees(void *client) {
    int seen = requests;
    while (requests < seen + THREADS) {
        usleep(100);
    }
    ikey_error *err;
    OK(ikey_client_close(client, &err));
    FREED(ikey_client_free(client));
    return NULL;
}

static void a_client_is_closed_and_freed_in_use(void) {
    for (int round = 0; round < 10; round++) {
        ikey_client *client = new_client();
        pthread_t closer;
        CHECK(pthread_create(&closer, NULL, closes_and_frees, client) == 0);
        run_threads(calls_until_the_end, client);
        CHECK(pthread_join(closer, NULL) == 0);
    }
}

// --- Against each other ----------------------------------------------------------------------------

typedef struct {
    ikey_cancel *cancel;
    ikey_op *op;
    pthread_barrier_t start;
    atomic_int freed, refused;
} contested;

static void *uses_and_frees(void *argument) {
    contested *state = argument;
    ikey_event *event = NULL;
    pthread_barrier_wait(&state->start);
    ikey_status used = ikey_op_next(state->op, 1, &event, NULL);
    CHECK(used == IKEY_TIMEOUT || used == IKEY_ERROR_BUSY || used == IKEY_ERROR_OPERATION || used == IKEY_END ||
          used == IKEY_ERROR_HANDLE_FREED);
    ikey_status cancelled = ikey_cancel_request(state->cancel, NULL);
    CHECK(cancelled == IKEY_OK || cancelled == IKEY_ERROR_HANDLE_FREED);
    ikey_status statuses[] = {ikey_op_free(state->op), ikey_cancel_free(state->cancel)};
    for (int at = 0; at < 2; at++) {
        CHECK(statuses[at] == IKEY_OK || statuses[at] == IKEY_ERROR_HANDLE_FREED);
        *(statuses[at] == IKEY_OK ? &state->freed : &state->refused) += 1;
    }
    return NULL;
}

// However many threads free a handle at the same moment, one of them does.
static void one_of_many_frees(void) {
    for (int round = 0; round < 20; round++) {
        contested state = {0};
        ikey_client *client = new_client();
        CHECK(pthread_barrier_init(&state.start, NULL, THREADS) == 0);
        OK(ikey_cancel_new(&state.cancel, &err));
        OK(ikey_op_submit(client, LIST, state.cancel, &state.op, &err));
        run_threads(uses_and_frees, &state);
        CHECK(state.freed == 2 && state.refused == 2 * (THREADS - 1));
        CHECK(pthread_barrier_destroy(&state.start) == 0);
        FREED(ikey_client_free(client));
    }
}

int main(void) {
    alarm(300);
    silent_platform();
    an_op_is_stopped_beside_its_wait(false);
    an_op_is_stopped_beside_its_wait(true);
    a_queue_is_freed_beside_its_wait(true);
    a_queue_is_freed_beside_its_wait(false);
    one_token_stops_many();
    one_of_many_frees();
    answering_platform();
    many_threads_call_with_one_client();
    many_threads_share_a_queue(true);
    many_threads_share_a_queue(false);
    a_client_is_closed_and_freed_in_use();
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("threads: waits, calls, queues, closes and frees side by side behave\n");
    return 0;
}
