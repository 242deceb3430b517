// Who owns what, and for how long: views, errors, events, the counter of live objects.

#include "platform.h"

static ikey_error *err;

static ikey_error *an_error(ikey_client *client, const char *operation) {
    ikey_error *why = NULL;
    ikey_op *none = NULL;
    CHECK(ikey_op_submit(client, (const uint8_t *)operation, strlen(operation), TEXT("{}"), NULL, &none,
                         &why) == IKEY_ERROR_OPERATION);
    return why;
}

// Freeing NULL does nothing; freeing a handle once more is refused.
static void each_handle_is_freed_once(void) {
    ikey_client *client = new_client();
    ikey_cancel *cancel = NULL;
    ikey_op *op = new_op(client);
    ikey_queue *queue = NULL;
    ikey_event *event = NULL;
    ikey_error *error = an_error(client, "no_such_operation");
    OK(ikey_cancel_new(&cancel, &err));
    OK(ikey_queue_new(NULL, NULL, &queue, &err));
    OK(ikey_client_describe(client, &event, &err));
    CHECK(ikey_live_objects() == 6);
    for (int round = 0; round < 2; round++) {
        ikey_status wanted = round == 0 ? IKEY_OK : IKEY_ERROR_HANDLE_FREED;
        CHECK(ikey_client_free(client) == wanted && ikey_client_free(NULL) == IKEY_OK);
        CHECK(ikey_cancel_free(cancel) == wanted && ikey_cancel_free(NULL) == IKEY_OK);
        CHECK(ikey_op_free(op) == wanted && ikey_op_free(NULL) == IKEY_OK);
        CHECK(ikey_queue_free(queue) == wanted && ikey_queue_free(NULL) == IKEY_OK);
        CHECK(ikey_event_free(event) == wanted && ikey_event_free(NULL) == IKEY_OK);
        CHECK(ikey_error_free(error) == wanted && ikey_error_free(NULL) == IKEY_OK);
        CHECK(ikey_live_objects() == 0);
    }
}

// A view holds until its own handle is freed, whatever becomes of the others.
static void a_view_lives_as_long_as_its_handle(void) {
    ikey_client *client = new_client();
    ikey_event *event = NULL, *failed = NULL;
    ikey_queue *queue = NULL;
    ikey_error *error = NULL;
    size_t count = 0;
    OK(ikey_client_describe(client, &event, &err));
    OK(ikey_queue_new(NULL, NULL, &queue, &err));
    OK(ikey_queue_submit(queue, client, LIST, NULL, 1, &err));
    OK(ikey_queue_cancel(queue, 1, &err));
    OK(ikey_queue_take(queue, -1, 1, &failed, &count, &err));
    OK(ikey_event_error(failed, &error, &err));
    view head = head_of(event), json = error_json(error), code;
    CHECK(ikey_error_code(error, &code.bytes, &code.length) == IKEY_OK);

    FREED(ikey_event_free(failed));
    FREED(ikey_queue_free(queue));
    OK(ikey_client_close(client, &err));
    FREED(ikey_client_free(client));
    CHECK(contains(head, "\"project\":\"acme\""));
    CHECK(contains(code, "cancelled") && contains(json, "\"class\":\"Cancelled\""));
    FREED(ikey_error_free(error));
    FREED(ikey_event_free(event));
}

// A success leaves *err as it is.
static void an_error_is_stored_on_failure_only(void) {
    ikey_error *untouched = (ikey_error *)&untouched, *stored = untouched;
    ikey_client *client = NULL;
    ikey_event *event = NULL;
    ikey_op *op = NULL;
    CHECK(ikey_client_new(options, options_length, &client, &stored) == IKEY_OK && stored == untouched);
    CHECK(ikey_client_describe(client, &event, &stored) == IKEY_OK && stored == untouched);
    CHECK(ikey_op_submit(client, LIST, NULL, &op, &stored) == IKEY_OK && stored == untouched);
    ikey_event *none = (ikey_event *)untouched;
    CHECK(ikey_op_next(op, 0, &none, &stored) == IKEY_TIMEOUT && stored == untouched);
    CHECK(none == (ikey_event *)untouched);
    FREED(ikey_op_free(op));
    FREED(ikey_event_free(event));
    FREED(ikey_client_free(client));
}

static void *reads_and_frees(void *error) {
    CHECK(contains(error_json(error), "client_closed"));
    FREED(ikey_error_free(error));
    return NULL;
}

// An error needs neither its client nor its thread.
static void an_error_is_read_on_another_thread(void) {
    ikey_client *client = new_client();
    pthread_t thread;
    OK(ikey_client_close(client, &err));
    OK(ikey_client_close(client, &err)); // closed already, and stays so
    ikey_error *why = an_error(client, "list");
    FREED(ikey_client_free(client));
    CHECK(pthread_create(&thread, NULL, reads_and_frees, why) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

// The length of the UTF-8 character that begins here; 0 if none does.
static size_t character(const uint8_t *bytes, size_t left) {
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    for (size_t at = 1; at < length; at++) {
        if (at >= left || (bytes[at] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

// A message ends after 2 KiB, but not inside a character, wherever the end falls.
static void no_text_is_cut_inside_a_character(void) {
    static const char CHARACTER[] = "\xf0\x9f\xa6\x9c"; // four bytes
    ikey_client *client = new_client();
    for (size_t shift = 0; shift < 4; shift++) {
        char operation[4001] = "aaa";
        for (size_t at = shift; at + 4 < sizeof operation; at += 4) {
            memcpy(operation + at, CHARACTER, sizeof CHARACTER);
        }
        ikey_error *why = an_error(client, operation);
        view json = error_json(why);
        CHECK(json.length > 2048 && json.length < 3500);
        for (size_t at = 0; at < json.length;) {
            size_t length = character(json.bytes + at, json.length - at);
            CHECK(length > 0);
            at += length;
        }
        FREED(ikey_error_free(why));
    }
    FREED(ikey_client_free(client));
}

// Handles come and go in any order; the counter is exact, and no old handle ever means a new object.
static void the_counter_counts(void) {
    enum { MANY = 1000 };
    static ikey_cancel *cancels[MANY], *old[MANY];
    for (int round = 0; round < 20; round++) {
        for (int at = round % 3; at < MANY; at += 3) {
            if (cancels[at] != NULL) {
                FREED(ikey_cancel_free(cancels[at]));
                old[at] = cancels[at];
                cancels[at] = NULL;
            } else {
                OK(ikey_cancel_new(&cancels[at], &err));
            }
        }
        uint64_t live = 0;
        for (int at = 0; at < MANY; at++) {
            live += cancels[at] != NULL;
            CHECK(old[at] == NULL || ikey_cancel_request(old[at], NULL) == IKEY_ERROR_HANDLE_FREED);
        }
        CHECK(ikey_live_objects() == live);
    }
    for (int at = 0; at < MANY; at++) {
        FREED(ikey_cancel_free(cancels[at]));
    }
}

int main(void) {
    alarm(300);
    silent_platform();
    each_handle_is_freed_once();
    a_view_lives_as_long_as_its_handle();
    an_error_is_stored_on_failure_only();
    an_error_is_read_on_another_thread();
    no_text_is_cut_inside_a_character();
    the_counter_counts();
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("ownership: views, errors and counters hold\n");
    return 0;
}
