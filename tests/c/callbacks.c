// Inside a callback: on_event may call, free and close whatever it likes; wake may call nothing, and is told so.

#include "platform.h"

static ikey_error *err;

// --- on_event --------------------------------------------------------------------------------------

static int32_t counts_notices(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    int *notices = user_data;
    CHECK(kind == IKEY_EVENT_NOTICE || kind == IKEY_EVENT_TICK);
    if (kind == IKEY_EVENT_NOTICE) {
        view head = {bytes, length};
        CHECK(contains(head, "\"notice\":\"retry\"") && contains(head, "connection refused"));
        ++*notices;
    }
    return 0;
}

// Only a client that asks for notices gets any; ikey_call has no use for them.
static void a_repeat_is_a_notice(void) {
    for (int asked = 0; asked < 2; asked++) {
        char text[256];
        int written = snprintf(text, sizeof text,
                               "{\"plane\":\"control\",\"base_url\":\"http://127.0.0.1:1\","
                               "\"project\":\"acme\",\"sdk_token\":\"ik_sdk_c0ffee00_0\","
                               "\"retries\":{\"first_pause_ms\":0},\"notices\":%s}",
                               asked ? "true" : "false");
        ikey_client *client = NULL;
        ikey_event *event = NULL;
        int notices = 0;
        OK(ikey_client_new((const uint8_t *)text, (size_t)written, &client, &err));
        EXPECT(IKEY_ERROR_OPERATION,
               ikey_stream(client, LIST, NULL, counts_notices, &notices, &err));
        CHECK(notices == (asked ? 2 : 0));
        EXPECT(IKEY_ERROR_OPERATION, ikey_call(client, LIST, NULL, &event, &err));
        CHECK(event == NULL);
        FREED(ikey_client_free(client));
    }
}

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

// Streams and calls once more from inside, then frees everything that the outer stream was given.
static int32_t calls_and_frees(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    inside *state = user_data;
    (void)bytes, (void)length;
    CHECK(kind == IKEY_EVENT_TICK);
    if (state->ticks++ == 0) {
        EXPECT(IKEY_STOPPED, ikey_stream(state->client, LIST, NULL, stops, NULL, &err));
        ikey_op *op = new_op(state->client);
        ikey_event *event = NULL;
        EXPECT(IKEY_TIMEOUT, ikey_op_next(op, 20, &event, &err));
        FREED(ikey_op_free(op));
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

static int32_t requests_cancel(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    inside *state = user_data;
    (void)kind, (void)bytes, (void)length;
    CHECK(state->ticks++ == 0); // it is not called again
    OK(ikey_cancel_request(state->cancel, &err));
    return 0;
}

static void a_callback_cancels_its_stream(void) {
    inside state = {.client = new_client()};
    ikey_error *why = NULL;
    OK(ikey_cancel_new(&state.cancel, &err));
    ikey_status status = ikey_stream(state.client, LIST, state.cancel, requests_cancel, &state, &why);
    expect_cancelled(status, why);
    FREED(ikey_cancel_free(state.cancel));
    FREED(ikey_client_free(state.client));
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

// --- wake ------------------------------------------------------------------------------------------

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

static atomic_bool ringing, has_rung;

static void rings_for_long(void *user_data) {
    (void)user_data;
    ringing = true;
    has_rung = true;
    usleep(50000);
    ringing = false;
}

// Once ikey_queue_free has returned, wake does not run and is not called again: its user data may go.
static void a_freed_queue_rings_no_more(void) {
    ikey_client *client = new_client();
    ikey_queue *queue = NULL;
    OK(ikey_queue_new(rings_for_long, NULL, &queue, &err));
    OK(ikey_queue_submit(queue, client, LIST, NULL, 1, &err));
    OK(ikey_queue_cancel(queue, 1, &err));
    while (!has_rung) {
        usleep(100);
    }
    FREED(ikey_queue_free(queue));
    CHECK(!ringing);
    FREED(ikey_client_free(client));
}

int main(void) {
    alarm(300);
    a_repeat_is_a_notice();
    silent_platform();
    a_callback_stops_its_stream();
    a_callback_calls_and_frees();
    a_callback_cancels_its_stream();
    a_callback_closes_its_client();
    a_wake_rings_once_per_batch();
    a_freed_queue_rings_no_more();
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("callbacks: stop, call, free, cancel, close and ring behave\n");
    return 0;
}
