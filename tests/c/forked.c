// A handle that is older than the fork of its process: every function refuses it in the child, at once, and nothing in the
// child writes to or shuts down a connection of the parent. Clients made in the child work.

#include "platform.h"

#include <sys/wait.h>

static ikey_error *err;

// What the parent has made when it forks.
typedef struct {
    ikey_client *client;
    ikey_cancel *cancel;
    ikey_op *op;
    ikey_queue *queue;
    ikey_event *event;
    ikey_error *error;
} handles;

static handles make_handles(void) {
    handles made = {.client = new_client()};
    OK(ikey_cancel_new(&made.cancel, &err));
    OK(ikey_op_submit(made.client, LIST, made.cancel, &made.op, &err));
    OK(ikey_queue_new(NULL, NULL, &made.queue, &err));
    OK(ikey_client_describe(made.client, &made.event, &err));
    CHECK(ikey_client_new(TEXT("{}"), NULL, &made.error) == IKEY_ERROR_NULL);
    return made;
}

static void free_handles(handles made) {
    FREED(ikey_error_free(made.error));
    FREED(ikey_event_free(made.event));
    FREED(ikey_queue_free(made.queue));
    FREED(ikey_op_free(made.op));
    FREED(ikey_cancel_free(made.cancel));
    FREED(ikey_client_free(made.client));
}

static void call_once(ikey_client *client) {
    ikey_event *event = NULL;
    OK(ikey_call(client, LIST, NULL, &event, &err));
    CHECK(contains(head_of(event), "\"workloads\":[]"));
    FREED(ikey_event_free(event));
}

static int32_t never_called(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    (void)user_data, (void)kind, (void)bytes, (void)length;
    abort();
}

// --- In the child ----------------------------------------------------------------------------------

static void every_function_refuses(handles old) {
    const ikey_status forked = IKEY_ERROR_FORKED;
    ikey_client *client = NULL;
    ikey_op *op = NULL;
    ikey_event *event = NULL;
    ikey_error *why = NULL;
    const uint8_t *bytes = NULL;
    const double *values = NULL;
    size_t length = 0, columns = 0;
    uint64_t tag = 0;
    int32_t kind = 0;

    CHECK(ikey_call(old.client, LIST, NULL, &event, &why) == forked);
    CHECK(contains(error_json(why), "\"class\":\"ForkedError\""));
    CHECK(contains(error_json(why), "\"code\":\"forked\""));
    FREED(ikey_error_free(why));
    EXPECT(forked, ikey_client_endpoint(old.client, TEXT("{}"), &client, &err));
    EXPECT(forked, ikey_client_describe(old.client, &event, &err));
    EXPECT(forked, ikey_client_close(old.client, &err));
    EXPECT(forked, ikey_cancel_request(old.cancel, &err));
    EXPECT(forked, ikey_event_kind(old.event, &kind, &err));
    EXPECT(forked, ikey_event_tag(old.event, &tag, &err));
    EXPECT(forked, ikey_event_head(old.event, &bytes, &length, &err));
    EXPECT(forked, ikey_event_raw(old.event, &bytes, &length, &err));
    EXPECT(forked, ikey_event_vectors(old.event, &values, &length, &columns, &err));
    EXPECT(forked, ikey_event_error(old.event, &why, &err));
    EXPECT(forked, ikey_stream(old.client, LIST, NULL, never_called, NULL, &err));
    EXPECT(forked, ikey_op_submit(old.client, LIST, NULL, &op, &err));
    EXPECT(forked, ikey_op_next(old.op, -1, &event, &err));
    EXPECT(forked, ikey_op_cancel(old.op, &err));
    EXPECT(forked, ikey_queue_submit(old.queue, old.client, LIST, NULL, 1, &err));
    EXPECT(forked, ikey_queue_cancel(old.queue, 1, &err));
    EXPECT(forked, ikey_queue_pause(old.queue, 1, 1, &err));
    EXPECT(forked, ikey_queue_take(old.queue, -1, 1, &event, &length, &err));
    CHECK(ikey_error_code(old.error, &bytes, &length) == forked);
    CHECK(ikey_error_json(old.error, &bytes, &length) == forked);
    CHECK(ikey_client_free(old.client) == forked && ikey_cancel_free(old.cancel) == forked);
    CHECK(ikey_op_free(old.op) == forked && ikey_queue_free(old.queue) == forked);
    CHECK(ikey_event_free(old.event) == forked && ikey_error_free(old.error) == forked);

    // A handle of the child's beside one of the parent's.
    ikey_client *own = new_client();
    EXPECT(forked, ikey_call(own, LIST, old.cancel, &event, &err));
    FREED(ikey_client_free(own));
    CHECK(ikey_live_objects() == 0); // what the parent made is not counted here
}

static void own_handles_work(void) {
    handles own = make_handles();
    ikey_event *event = NULL;
    size_t count = 0;
    call_once(own.client);
    call_once(own.client);
    OK(ikey_queue_submit(own.queue, own.client, LIST, NULL, 1, &err));
    OK(ikey_queue_take(own.queue, -1, 1, &event, &count, &err));
    FREED(ikey_event_free(event));
    free_handles(own);
    CHECK(ikey_live_objects() == 0);
}

// With everything that runs at a process's end. Leak checkers are passed by: what the threads that the child does not have
// had in their hands is nobody's there.
static void end_child(void) {
#ifndef __SANITIZE_ADDRESS__
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded == NULL || strstr(preloaded, "valgrind") == NULL) {
        exit(0);
    }
#endif
    execlp("true", "true", (char *)NULL);
    abort();
}

static void in_a_child(void (*body)(handles), handles old) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(120);
        body(old);
        end_child();
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void grandchild(handles old) {
    every_function_refuses(old);
    own_handles_work();
}

static void child(handles old) {
    every_function_refuses(old);
    own_handles_work();
    handles own = make_handles();
    call_once(own.client);
    in_a_child(grandchild, own);
    in_a_child(grandchild, old);
    call_once(own.client);
    free_handles(own);
}

static void only_refuses(handles old) {
    every_function_refuses(old);
}

// --- In the parent ---------------------------------------------------------------------------------

static int reached(void) {
    return connections + requests + closed;
}

// The parent has an idle connection, a stopped operation and a queue; the child touches none of them.
static void idle_connections_are_left_alone(void) {
    handles made = make_handles();
    call_once(made.client);
    int before = reached();
    in_a_child(only_refuses, made);
    CHECK(reached() == before);
    int connected = connections;
    call_once(made.client); // over the same connection
    CHECK(connections == connected);
    in_a_child(child, made);
    call_once(made.client);
    free_handles(made);
}

static atomic_bool enough;

static void *keeps_calling(void *client) {
    while (!enough) {
        call_once(client);
    }
    return NULL;
}

// Forks while other threads are anywhere inside the library.
static void forks_beside_calls(void) {
    enum { CALLERS = 2, FORKS = 15 };
    handles made = make_handles();
    pthread_t callers[CALLERS];
    for (int at = 0; at < CALLERS; at++) {
        CHECK(pthread_create(&callers[at], NULL, keeps_calling, made.client) == 0);
    }
    for (int at = 0; at < FORKS; at++) {
        in_a_child(grandchild, made);
    }
    enough = true;
    for (int at = 0; at < CALLERS; at++) {
        CHECK(pthread_join(callers[at], NULL) == 0);
    }
    free_handles(made);
}

// An operation that waits for its answer goes on in the parent as if nothing had happened.
static void an_open_operation_is_left_alone(void) {
    int listener = silent_platform();
    ikey_client *client = new_client();
    handles made = make_handles();
    ikey_event *event = NULL;
    EXPECT(IKEY_TIMEOUT, ikey_op_next(made.op, 20, &event, &err));
    int connection = accept(listener, NULL, NULL);
    char bytes[4096];
    CHECK(connection >= 0 && recv(connection, bytes, sizeof bytes, 0) > 0);
    in_a_child(only_refuses, made);
    CHECK(recv(connection, bytes, sizeof bytes, MSG_DONTWAIT) == -1); // no byte, and no end
    EXPECT(IKEY_TIMEOUT, ikey_op_next(made.op, 0, &event, &err));
    CHECK(close(connection) == 0 && close(listener) == 0);
    free_handles(made);
    FREED(ikey_client_free(client));
}

int main(void) {
    alarm(300);
    answering_platform();
    idle_connections_are_left_alone();
    forks_beside_calls();
    an_open_operation_is_left_alone();
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("forked: children refuse their parents' handles and leave their connections alone\n");
    return 0;
}
