// A defect in the core: against a library with the feature test-panic, whose operation "panic" has one.
//
// What is checked: a status and words, the process and everything else goes on, and no handle is left. The panic's own
// message on standard error is the runtime's.

#include "platform.h"

static ikey_error *err;
static ikey_client *client;

#define PANIC(when) TEXT("panic"), TEXT(when)

static void expect_words(ikey_error *why) {
    view json = error_json(why);
    CHECK(contains(json, "\"class\":\"InternalError\"") && contains(json, "\"code\":\"internal_error\""));
    CHECK(contains(json, "a defect in the library was caught: as the test asks"));
    FREED(ikey_error_free(why));
}

#define PANICS(call)                                                                              \
    do {                                                                                          \
        ikey_error *why = NULL;                                                                   \
        CHECK((call) == IKEY_ERROR_PANIC);                                                        \
        expect_words(why);                                                                        \
        the_next_call_is_fine();                                                                  \
    } while (0)

static void the_next_call_is_fine(void) {
    ikey_event *event = NULL;
    OK(ikey_call(client, LIST, NULL, &event, &err));
    CHECK(contains(head_of(event), "workloads"));
    FREED(ikey_event_free(event));
}

static void in_a_plain_call(void) {
    ikey_event *none = NULL;
    ikey_op *no_op = NULL;
    PANICS(ikey_op_submit(client, PANIC("submit"), NULL, &no_op, &why));
    PANICS(ikey_call(client, PANIC("submit"), NULL, &none, &why));
    PANICS(ikey_call(client, PANIC("poll"), NULL, &none, &why));
    CHECK(none == NULL && no_op == NULL);
    CHECK(ikey_call(client, PANIC("poll"), NULL, &none, NULL) == IKEY_ERROR_PANIC);
}

// The operation is driven under its handle's lock; it is over afterwards, and its handle is good.
static void while_a_handle_is_locked(void) {
    ikey_op *op = NULL;
    ikey_event *event = NULL;
    OK(ikey_op_submit(client, PANIC("poll"), NULL, &op, &err));
    OK(ikey_op_next(op, -1, &event, &err));
    FREED(ikey_event_free(event));
    PANICS(ikey_op_next(op, -1, &event, &why));
    EXPECT(IKEY_END, ikey_op_next(op, -1, &event, &err));
    OK(ikey_op_cancel(op, &err));
    FREED(ikey_op_free(op));
    CHECK(ikey_op_free(op) == IKEY_ERROR_HANDLE_FREED);
}

static int32_t counts(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    (void)bytes, (void)length;
    CHECK(kind == IKEY_EVENT_DATA);
    ++*(int *)user_data;
    return 0;
}

static int32_t panics_inside(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    int inner = 0;
    (void)kind, (void)bytes, (void)length;
    PANICS(ikey_stream(client, PANIC("poll"), NULL, counts, &inner, &why));
    CHECK(inner == 1);
    ++*(int *)user_data;
    return 0;
}

// Between two calls of on_event, and in a call that on_event makes.
static void around_a_callback(void) {
    int events = 0;
    PANICS(ikey_stream(client, PANIC("poll"), NULL, counts, &events, &why));
    CHECK(events == 1);
    OK(ikey_stream(client, LIST, NULL, panics_inside, &events, &err));
    CHECK(events == 2);
}

// In the destructor of what is freed.
static void in_a_free(void) {
    ikey_op *op = NULL;
    OK(ikey_op_submit(client, PANIC("drop"), NULL, &op, &err));
    CHECK(ikey_op_free(op) == IKEY_ERROR_PANIC);
    CHECK(ikey_op_free(op) == IKEY_ERROR_HANDLE_FREED);
    the_next_call_is_fine();
}

// On the queue's own thread: one operation fails, the others go on.
static void in_a_queue(void) {
    enum { MANY = 6 };
    ikey_queue *queue = NULL;
    int answers = 0, panics = 0, ends = 0;
    OK(ikey_queue_new(NULL, NULL, &queue, &err));
    for (uint64_t tag = 0; tag < MANY; tag++) {
        if (tag % 2 == 0) {
            OK(ikey_queue_submit(queue, client, PANIC("poll"), NULL, tag, &err));
        } else {
            OK(ikey_queue_submit(queue, client, LIST, NULL, tag, &err));
        }
    }
    while (panics + ends < MANY) {
        ikey_event *event = NULL;
        ikey_error *why = NULL;
        size_t count = 0;
        OK(ikey_queue_take(queue, -1, 1, &event, &count, &err));
        switch (kind_of(event)) {
        case IKEY_EVENT_ERROR:
            OK(ikey_event_error(event, &why, &err));
            expect_words(why);
            panics++;
            break;
        case IKEY_EVENT_END:
            ends++;
            break;
        default:
            answers++;
        }
        FREED(ikey_event_free(event));
    }
    CHECK(panics == MANY / 2 && ends == MANY / 2 && answers == MANY);
    FREED(ikey_queue_free(queue));
}

int main(void) {
    alarm(300);
    answering_platform();
    client = new_client();
    in_a_plain_call();
    while_a_handle_is_locked();
    around_a_callback();
    in_a_free();
    in_a_queue();
    FREED(ikey_client_free(client));
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("panics: a defect is a status, and the process goes on\n");
    return 0;
}
