// What the Python module adds to the library (inferencekey/_native.c), without Python.

#include "platform.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#include "../../inferencekey/_native.h"
// The bodies stand behind what they need.
#include "../../inferencekey/_native.c"

// Where there is no room even for an error, its place stays empty; something is said all the same.
static void an_error_without_room_has_words(void) {
    ikey_py_held given = {0};
    CHECK(ikey_py_view(&given, IKEY_ERROR_OPERATION) == IKEY_ERROR_OPERATION);
    view json = {BYTES(given.head), given.head_length};
    CHECK(contains(json, "\"class\":\"InternalError\"") && contains(json, "\"message\":\"out of memory\""));
    CHECK(json.bytes[0] == '{' && json.bytes[json.length - 1] == '}');
}

static atomic_int started[2];

static void *take_until_freed(void *queue) {
    ikey_py_held given[IKEY_PY_PLACES] = {0};
    ikey_py_held *places[IKEY_PY_PLACES];
    size_t filled = 0;
    int32_t due_ms = 0;
    for (size_t i = 0; i < IKEY_PY_PLACES; i++) {
        places[i] = &given[i];
    }
    while (ikey_py_queue_take(queue, 1, places, &filled, &due_ms) >= 0) {
        started[0] = 1;
    }
    ikey_py_drop_left(places);
    return NULL;
}

static void *next_until_freed(void *op) {
    ikey_py_held given = {0};
    while (ikey_py_op_next(op, 1, &given) == IKEY_TIMEOUT) {
        started[1] = 1;
    }
    ikey_py_drop(&given);
    return NULL;
}

// One thread is in a call with what another closes: a map, a stream.
static void another_thread_closes(void) {
    ikey_py_held client = {.client = new_client()}, queue = {0}, op = {0};
    CHECK(ikey_py_queue_new(&queue) == IKEY_OK);
    op.op = new_op(client.client);
    pthread_t takes, reads;
    CHECK(pthread_create(&takes, NULL, take_until_freed, &queue) == 0);
    CHECK(pthread_create(&reads, NULL, next_until_freed, &op) == 0);
    while (!started[0] || !started[1]) {
        usleep(1000);
    }
    ikey_py_drop(&queue);
    ikey_py_op_free(&op);
    CHECK(pthread_join(takes, NULL) == 0 && pthread_join(reads, NULL) == 0);
    ikey_py_drop(&client);
}

int main(void) {
    alarm(60);
    silent_platform();
    an_error_without_room_has_words();
    another_thread_closes();
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("native: what the Python module adds holds\n");
    return 0;
}
