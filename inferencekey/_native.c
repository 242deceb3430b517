// The bodies of `_native.h`.

#include <string.h>
#include <unistd.h>

#define BYTES(text) (const uint8_t *)(text)

// Handles that one thread may take out while another is in a call with them: Python's lock is held by neither. What was
// taken out is NULL, and what was freed meanwhile is found out by the library.
#define HANDLE(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define TAKE_OUT(place) __atomic_exchange_n(&(place), NULL, __ATOMIC_ACQ_REL)

static void ikey_py_drop(ikey_py_held *held)
{
    ikey_event_free(TAKE_OUT(held->event));
    ikey_error_free(TAKE_OUT(held->error));
    ikey_op_free(TAKE_OUT(held->op));
    ikey_queue_free(TAKE_OUT(held->queue));
    ikey_client_free(TAKE_OUT(held->client));
}

static void ikey_py_drop_left(ikey_py_held **places)
{
    for (size_t i = 0; i < IKEY_PY_PLACES; i++) {
        if (places[i]->event != NULL || places[i]->error != NULL) {
            ikey_py_drop(places[i]);
        }
    }
}

static uint8_t ikey_py_is_control(uint8_t byte)
{
    return (byte < ' ') & (byte != '\t') & (byte != '\n') & (byte != '\r');
}

static int32_t ikey_py_has_controls(const char *text, size_t length)
{
    enum { BLOCK = 64 };
    uint8_t found = 0;
    size_t at = 0;
    // Blocks of one size without a branch, of which every compiler makes vector instructions.
    for (; length - at >= BLOCK; at += BLOCK) {
        for (size_t i = at; i < at + BLOCK; i++) {
            found |= ikey_py_is_control((uint8_t)text[i]);
        }
    }
    for (; at < length; at++) {
        found |= ikey_py_is_control((uint8_t)text[at]);
    }
    return found;
}

// What is said of an error for which there was no room.
static const char ikey_py_no_room[] =
    "{\"class\":\"InternalError\",\"code\":\"internal_error\",\"message\":\"out of memory\"}";

static void ikey_py_view_error(ikey_py_held *given)
{
    const uint8_t *bytes = NULL;
    given->head_length = 0;
    ikey_error_json(given->error, &bytes, &given->head_length);
    given->head = (const char *)bytes;
    if (bytes == NULL) {
        given->head = ikey_py_no_room;
        given->head_length = sizeof ikey_py_no_room - 1;
    }
}

static void ikey_py_view_event(ikey_py_held *given)
{
    const uint8_t *bytes = NULL;
    given->raw_length = 0;
    ikey_event_kind(given->event, &given->kind, NULL);
    given->is_last = given->kind == IKEY_EVENT_END || given->kind == IKEY_EVENT_ERROR;
    ikey_event_head(given->event, &bytes, &given->head_length, NULL);
    given->head = (const char *)bytes;
    ikey_event_vectors(given->event, &given->values, &given->rows, &given->columns, NULL);
    if (given->rows == 0) {
        ikey_event_raw(given->event, &bytes, &given->raw_length, NULL);
        given->raw = (const char *)bytes;
    }
}

// Copies an event that is small, and frees it.
static void ikey_py_settle(ikey_py_held *given)
{
    if (given->rows == 0 && given->head_length + given->raw_length <= sizeof given->small) {
        memcpy(given->small, given->head, given->head_length);
        memcpy(given->small + given->head_length, given->raw, given->raw_length);
        given->head = given->small;
        given->raw = given->small + given->head_length;
        ikey_event_free(given->event);
        given->event = NULL;
    }
}

// `status`, after the views into what came with it are made. They fail only where there is no room for an error.
static int32_t ikey_py_view(ikey_py_held *given, int32_t status)
{
    if (status < 0) {
        ikey_py_view_error(given);
    } else if (given->event != NULL) {
        ikey_py_view_event(given);
        if (given->kind == IKEY_EVENT_ERROR) {
            ikey_event_error(given->event, &given->error, NULL);
            ikey_py_view_error(given);
        } else {
            ikey_py_settle(given);
        }
    }
    given->is_empty = given->client == NULL && given->op == NULL && given->queue == NULL && given->event == NULL &&
                      given->error == NULL;
    return status;
}

static int32_t ikey_py_event_raw(ikey_py_held *given, ikey_py_held *failed)
{
    const uint8_t *bytes = NULL;
    int32_t status = ikey_event_raw(given->event, &bytes, &given->raw_length, &failed->error);
    given->raw = (const char *)bytes;
    return ikey_py_view(failed, status);
}

static int32_t ikey_py_client_new(const char *options, size_t length, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_client_new(BYTES(options), length, &given->client, &given->error));
}

static int32_t ikey_py_client_endpoint(ikey_py_held *client, const char *options, size_t length, ikey_py_held *given)
{
    int32_t status = ikey_client_endpoint(client->client, BYTES(options), length, &given->client, &given->error);
    return ikey_py_view(given, status);
}

static int32_t ikey_py_client_describe(ikey_py_held *client, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_client_describe(client->client, &given->event, &given->error));
}

static int32_t ikey_py_client_close(ikey_py_held *client, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_client_close(client->client, &given->error));
}

static int32_t ikey_py_spec_file_read(const char *file, size_t file_length, const char *options, size_t options_length,
                                      ikey_py_held *given)
{
    int32_t status = ikey_spec_file_read(BYTES(file), file_length, BYTES(options), options_length, &given->event,
                                         &given->error);
    return ikey_py_view(given, status);
}

static int32_t ikey_py_op_submit(ikey_py_held *client, const char *name, size_t name_length, const char *request,
                                 size_t request_length, ikey_py_held *given)
{
    int32_t status = ikey_op_submit(client->client, BYTES(name), name_length, BYTES(request), request_length, NULL,
                                    &given->op, &given->error);
    return ikey_py_view(given, status);
}

static int32_t ikey_py_op_next(ikey_py_held *op, int32_t timeout_ms, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_op_next(HANDLE(op->op), timeout_ms, &given->event, &given->error));
}

static void ikey_py_op_free(ikey_py_held *op)
{
    ikey_op_free(TAKE_OUT(op->op));
}

static int32_t ikey_py_op_first(ikey_py_held *client, const char *name, size_t name_length, const char *request,
                                size_t request_length, int32_t timeout_ms, ikey_py_held *given)
{
    int32_t status = ikey_py_op_submit(client, name, name_length, request, request_length, given);
    if (status == IKEY_OK) {
        status = ikey_op_next(given->op, timeout_ms, &given->event, &given->error);
    }
    if (status == IKEY_OK) {
        ikey_event_kind(given->event, &given->kind, NULL);
        if (given->kind == IKEY_EVENT_DATA) {
            ikey_py_op_free(given);
        }
    }
    return ikey_py_view(given, status);
}

static int32_t ikey_py_queue_new(ikey_py_held *given)
{
    return ikey_py_view(given, ikey_queue_new(NULL, NULL, &given->queue, &given->error));
}

static int32_t ikey_py_queue_new_polled(ikey_py_held *given, int32_t *descriptor)
{
    return ikey_py_view(given, ikey_queue_new_polled(&given->queue, descriptor, &given->error));
}

static int32_t ikey_py_queue_submit(ikey_py_held *queue, ikey_py_held *client, const char *name, size_t name_length,
                                    const char *request, size_t request_length, uint64_t tag, ikey_py_held *given,
                                    int32_t *due_ms)
{
    int32_t status = ikey_queue_submit(HANDLE(queue->queue), client->client, BYTES(name), name_length, BYTES(request),
                                       request_length, NULL, tag, &given->error);
    ikey_queue_due(HANDLE(queue->queue), due_ms, NULL);
    return ikey_py_view(given, status);
}

static void ikey_py_queue_cancel(ikey_py_held *queue, uint64_t tag)
{
    ikey_queue_cancel(HANDLE(queue->queue), tag, NULL);
}

static void ikey_py_queue_pause(ikey_py_held *queue, uint64_t tag, int32_t paused)
{
    ikey_queue_pause(HANDLE(queue->queue), tag, paused, NULL);
}

// An end right behind the event before it, of the same operation: both are one.
static int32_t ikey_py_is_end_of(const ikey_event *event, const ikey_py_held *before)
{
    int32_t kind = 0;
    uint64_t tag = 0;
    ikey_event_kind(event, &kind, NULL);
    ikey_event_tag(event, &tag, NULL);
    return kind == IKEY_EVENT_END && tag == before->tag;
}

static int32_t ikey_py_queue_take(ikey_py_held *queue, int32_t timeout_ms, ikey_py_held **places, size_t *filled,
                                  int32_t *due_ms)
{
    ikey_event *events[IKEY_PY_PLACES];
    size_t count = 0;
    ikey_py_drop_left(places);
    *filled = 0;
    int32_t status = ikey_queue_take(HANDLE(queue->queue), timeout_ms, IKEY_PY_PLACES, events, &count, &places[0]->error);
    ikey_queue_due(HANDLE(queue->queue), due_ms, NULL);
    if (status < 0) {
        return ikey_py_view(places[0], status);
    }
    int32_t is_all = count < IKEY_PY_PLACES;
    for (size_t i = 0; i < count; i++) {
        if (*filled > 0 && ikey_py_is_end_of(events[i], places[*filled - 1])) {
            places[*filled - 1]->is_last = 1;
            ikey_event_free(events[i]);
        } else {
            ikey_py_held *given = places[(*filled)++];
            given->event = events[i];
            ikey_event_tag(given->event, &given->tag, NULL);
            ikey_py_view(given, status);
            is_all = is_all && given->kind != IKEY_EVENT_NOTICE;
        }
    }
    return is_all ? IKEY_TIMEOUT : IKEY_OK;
}
