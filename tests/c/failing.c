// Failing allocations and system calls: this program puts itself between the library and libc, and lets the nth call that
// the library makes of some kind fail, for n = 1, 2, 3 and so on until a run passes without a failure.
//
// What is checked after each: a status, no crash and no hang; memory, descriptors and threads as before; the next run is
// fine. Then: no memory at all, and requests and answers that are too large for what there is.

#include "platform.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

static ikey_error *err;

// --- Between library and libc ----------------------------------------------------------------------

typedef enum {
    NONE, MEMORY, SOCKET, CONNECT, SETSOCKOPT, GETSOCKOPT, GETPEERNAME, FCNTL, SEND, RECV, POLL, WRITE, READ, THREAD,
    EPOLL_CREATE, EPOLL_CTL, EPOLL_WAIT, EVENTFD, FAULTS
} fault;

static const struct {
    const char *name;
    int error;
} FAULT[FAULTS] = {
    [MEMORY] = {"malloc", ENOMEM},         [SOCKET] = {"socket", EMFILE},
    [CONNECT] = {"connect", ENETUNREACH},  [SETSOCKOPT] = {"setsockopt", ENOBUFS},
    [GETSOCKOPT] = {"getsockopt", ENOBUFS}, [GETPEERNAME] = {"getpeername", ENOBUFS},
    [FCNTL] = {"fcntl", EINVAL},           [SEND] = {"send", ECONNRESET},
    [RECV] = {"recv", ECONNRESET},         [POLL] = {"ppoll", ENOMEM},
    [WRITE] = {"write", EIO},              [READ] = {"read", EIO},
    [THREAD] = {"pthread_create", EAGAIN}, [EPOLL_CREATE] = {"epoll_create1", EMFILE},
    [EPOLL_CTL] = {"epoll_ctl", ENOSPC},   [EPOLL_WAIT] = {"epoll_wait", ENOMEM},
    [EVENTFD] = {"eventfd", EMFILE},
};

static atomic_int armed;
static atomic_long countdown;
static bool for_ever;
static atomic_long live_blocks; // what the library has allocated and not freed
static uintptr_t library_start, library_end;

static int find_library(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    for (int at = 0; strstr(info->dlpi_name, "libinferencekey") != NULL && at < info->dlpi_phnum; at++) {
        if (info->dlpi_phdr[at].p_type == PT_LOAD && (info->dlpi_phdr[at].p_flags & PF_X) != 0) {
            library_start = info->dlpi_addr + info->dlpi_phdr[at].p_vaddr;
            library_end = library_start + info->dlpi_phdr[at].p_memsz;
        }
    }
    return 0;
}

// Did the library call? Then it is asked whether this call fails.
#define FROM_LIBRARY ((uintptr_t)__builtin_return_address(0) - library_start < library_end - library_start)
#define FAILS(which) (FROM_LIBRARY && fails(which))

static bool fails(fault which) {
    if (armed != (int)which) {
        return false;
    }
    long left = --countdown;
    return left == 0 || (for_ever && left < 0);
}

static void arm(fault which, long nth, bool every_one_after) {
    for_ever = every_one_after;
    countdown = nth;
    armed = (int)which;
}

static bool disarm(void) { // whether a call failed
    armed = NONE;
    return countdown <= 0;
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

// The library's live blocks, by address: it may free one in a tail call, and then its caller seems to have called. A block
// has its place within WINDOW places from where its address says.
enum { PLACES = 1 << 16, WINDOW = 64 };
static _Atomic(void *) places[PLACES + WINDOW];

static _Atomic(void *) *place_of(void *block) {
    return &places[((uintptr_t)block >> 4) * 0x9e3779b97f4a7c15u >> 48];
}

static bool replaced(void *block, void *before, void *after) {
    for (int at = 0; at < WINDOW; at++) {
        void *expected = before;
        if (atomic_compare_exchange_strong(&place_of(block)[at], &expected, after)) {
            return true;
        }
    }
    return false;
}

static void *counted(void *block, bool from_library) {
    live_blocks += from_library && block != NULL && replaced(block, NULL, block);
    return block;
}

static bool forgotten(void *block) {
    bool was_counted = block != NULL && replaced(block, block, NULL);
    live_blocks -= was_counted;
    return was_counted;
}

void *malloc(size_t size) {
    return FAILS(MEMORY) ? NULL : counted(__libc_malloc(size), FROM_LIBRARY);
}

void *calloc(size_t count, size_t size) {
    return FAILS(MEMORY) ? NULL : counted(__libc_calloc(count, size), FROM_LIBRARY);
}

void *realloc(void *block, size_t size) {
    if (FAILS(MEMORY)) {
        return NULL;
    }
    bool was_counted = forgotten(block);
    void *moved = __libc_realloc(block, size);
    counted(moved == NULL ? block : moved, was_counted || (block == NULL && FROM_LIBRARY));
    return moved;
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = FAILS(MEMORY) ? NULL : counted(__libc_memalign(alignment, size), FROM_LIBRARY);
    return *block == NULL ? ENOMEM : 0;
}

void free(void *block) {
    forgotten(block);
    __libc_free(block);
}

// A function of libc that reports failure by -1 and errno.
#define INTERPOSE(which, name, parameters, ...)                                                   \
    int name parameters {                                                                         \
        static int (*next) parameters;                                                            \
        if (next == NULL) {                                                                       \
            *(void **)&next = dlsym(RTLD_NEXT, #name);                                            \
        }                                                                                         \
        return FAILS(which) ? (errno = FAULT[which].error, -1) : next(__VA_ARGS__);               \
    }

#define TRANSFER(which, name, parameters, ...)                                                    \
    ssize_t name parameters {                                                                     \
        static ssize_t (*next) parameters;                                                        \
        if (next == NULL) {                                                                       \
            *(void **)&next = dlsym(RTLD_NEXT, #name);                                            \
        }                                                                                         \
        return FAILS(which) ? (errno = FAULT[which].error, -1) : next(__VA_ARGS__);               \
    }

INTERPOSE(SOCKET, socket, (int domain, int type, int protocol), domain, type, protocol)
INTERPOSE(CONNECT, connect, (int fd, __CONST_SOCKADDR_ARG to, socklen_t length), fd, to, length)
INTERPOSE(SETSOCKOPT, setsockopt, (int fd, int level, int name, const void *value, socklen_t length), fd, level,
          name, value, length)
INTERPOSE(GETSOCKOPT, getsockopt, (int fd, int level, int name, void *value, socklen_t *length), fd, level, name,
          value, length)
INTERPOSE(GETPEERNAME, getpeername, (int fd, __SOCKADDR_ARG name, socklen_t *length), fd, name, length)
INTERPOSE(POLL, ppoll, (struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask), fds,
          count, time, mask)
INTERPOSE(EPOLL_CREATE, epoll_create1, (int flags), flags)
INTERPOSE(EPOLL_CTL, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *event), epoll, op, fd, event)
INTERPOSE(EPOLL_WAIT, epoll_wait, (int epoll, struct epoll_event *events, int most, int timeout), epoll, events, most,
          timeout)
INTERPOSE(EVENTFD, eventfd, (unsigned int count, int flags), count, flags)
TRANSFER(SEND, send, (int fd, const void *bytes, size_t length, int flags), fd, bytes, length, flags)
TRANSFER(RECV, recv, (int fd, void *bytes, size_t length, int flags), fd, bytes, length, flags)
TRANSFER(WRITE, write, (int fd, const void *bytes, size_t length), fd, bytes, length)
TRANSFER(READ, read, (int fd, void *bytes, size_t length), fd, bytes, length)

int fcntl(int fd, int command, ...) {
    static int (*next)(int, int, ...);
    va_list arguments;
    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "fcntl");
    }
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return FAILS(FCNTL) ? (errno = FAULT[FCNTL].error, -1) : next(fd, command, argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    }
    return FAILS(THREAD) ? FAULT[THREAD].error : next(thread, attributes, body, argument);
}

// --- What the library is asked to do meanwhile ------------------------------------------------------

static int failures;

// A status of a call under failure: done, or an error with words.
static bool done(ikey_status status) {
    if (status != IKEY_OK) {
        failures++;
        CHECK(status == IKEY_ERROR_OPERATION);
        view json = error_json(err);
        CHECK(contains(json, "\"message\":\"") && contains(json, "\"code\":\""));
        FREED(ikey_error_free(err));
    }
    return status == IKEY_OK;
}

static int32_t goes_on(void *user_data, int32_t kind, const uint8_t *bytes, size_t length) {
    (void)user_data, (void)kind, (void)bytes, (void)length;
    return 0;
}

static void calls(ikey_client *client) {
    ikey_event *event = NULL;
    if (done(ikey_call(client, LIST, NULL, &event, &err))) {
        CHECK(contains(head_of(event), "\"workloads\":[]"));
        FREED(ikey_event_free(event));
    }
    done(ikey_stream(client, LIST, NULL, goes_on, NULL, &err));
}

static void pulls(ikey_client *client) {
    ikey_op *op = NULL;
    ikey_status status = IKEY_OK;
    if (!done(ikey_op_submit(client, LIST, NULL, &op, &err))) {
        return;
    }
    while (status != IKEY_END) {
        ikey_event *event = NULL;
        status = ikey_op_next(op, 1000, &event, &err);
        if (status != IKEY_END && status != IKEY_TIMEOUT && done(status)) {
            FREED(ikey_event_free(event));
        }
    }
    FREED(ikey_op_free(op));
}

static void queues(ikey_client *client, bool has_thread) {
    ikey_queue *queue = NULL;
    int32_t descriptor = -1;
    int expected = 0, ended = 0;
    if (!done(has_thread ? ikey_queue_new(NULL, NULL, &queue, &err) : ikey_queue_new_polled(&queue, &descriptor, &err))) {
        return;
    }
    usleep(2000); // mostly enough for its thread to fall asleep, so that it has to be rung
    for (uint64_t tag = 0; tag < 2; tag++) {
        expected += done(ikey_queue_submit(queue, client, LIST, NULL, tag, &err));
    }
    while (ended < expected) {
        ikey_event *events[4];
        size_t count = 0;
        CHECK(ikey_queue_take(queue, -1, 4, events, &count, &err) == IKEY_OK);
        for (size_t at = 0; at < count; at++) {
            int32_t kind = kind_of(events[at]);
            ended += kind == IKEY_EVENT_END || kind == IKEY_EVENT_ERROR;
            failures += kind == IKEY_EVENT_ERROR;
            FREED(ikey_event_free(events[at]));
        }
    }
    FREED(ikey_queue_free(queue));
}

// Returns how many of its calls failed.
static int everything(void) {
    ikey_client *client = NULL;
    failures = 0;
    if (done(ikey_client_new(options, options_length, &client, &err))) {
        calls(client);
        pulls(client);
        queues(client, true);
        queues(client, false);
        CHECK(ikey_client_close(client, &err) == IKEY_OK);
        FREED(ikey_client_free(client));
    }
    CHECK(ikey_live_objects() == 0);
    return failures;
}

// --- What is left afterwards -----------------------------------------------------------------------

typedef struct {
    long blocks;
    int descriptors, threads;
} resources;

static int entries(const char *folder) {
    DIR *open = opendir(folder);
    int count = 0;
    CHECK(open != NULL);
    while (readdir(open) != NULL) {
        count++;
    }
    closedir(open);
    return count;
}

static resources in_use(void) {
    return (resources){live_blocks, entries("/proc/self/fd"), entries("/proc/self/task")};
}

// A queue's thread and the platform's ends of connections go a moment after the call that ended them.
static void settle(resources wanted, const char *after, long nth) {
    resources now = in_use();
    for (int64_t until = now_ms() + 10000; memcmp(&now, &wanted, sizeof now) != 0; now = in_use()) {
        if (now_ms() > until) {
            fprintf(stderr, "after %s %ld: %ld blocks, %d descriptors, %d threads; not %ld, %d, %d\n", after, nth,
                    now.blocks, now.descriptors, now.threads, wanted.blocks, wanted.descriptors, wanted.threads);
            exit(1);
        }
        usleep(200);
    }
}

// What is in use once everything that is made once has been made, also by failures.
static resources warmed_up(void) {
    resources before, after;
    memset(&after, 0, sizeof after); // padding is compared too
    for (fault which = NONE + 1; which < FAULTS; which++) {
        arm(which, 1, false);
        everything();
        disarm();
    }
    do {
        before = after;
        CHECK(everything() == 0);
        usleep(100000);
        after = in_use();
    } while (memcmp(&before, &after, sizeof before) != 0);
    return after;
}

// --- The tests -------------------------------------------------------------------------------------

static void the_nth_call_fails(resources wanted, fault which, bool every_one_after) {
    long nth = 1;
    for (;; nth++) {
        arm(which, nth, every_one_after);
        int failed = everything();
        bool was_hit = disarm();
        settle(wanted, FAULT[which].name, nth);
        CHECK(was_hit || failed == 0);
        // The reserve stands in for the system's memory, for each call in turn as for all of them.
        CHECK(which != MEMORY || failed == 0);
        CHECK(everything() == 0);
        settle(wanted, FAULT[which].name, nth);
        if (!was_hit) {
            break;
        }
    }
    // Or the library does not make this call, and this row says nothing. The bell of a queue rings only where its thread
    // sleeps already, which is a matter of moments.
    CHECK(nth > 1 || which == WRITE || which == READ);
    printf("failing: %s, %ld times%s\n", FAULT[which].name, nth - 1, every_one_after ? " and ever after" : "");
}

// When too much of the reserve is gone, calls are refused in words; once there is memory they work again.
static void calls_are_refused_without_memory(void) {
    enum { MOST = 100000 };
    static ikey_cancel *made[MOST];
    int count = 0;
    ikey_status status = IKEY_OK;
    arm(MEMORY, 1, true);
    while (count < MOST && (status = ikey_cancel_new(&made[count], &err)) == IKEY_OK) {
        count++;
    }
    CHECK(status == IKEY_ERROR_OPERATION && contains(error_json(err), "not enough memory"));
    FREED(ikey_error_free(err));
    ikey_client *none = NULL;
    EXPECT(IKEY_ERROR_OPERATION, ikey_client_new(options, options_length, &none, &err));
    for (int at = 0; at < count; at++) {
        FREED(ikey_cancel_free(made[at]));
    }
    disarm();
    CHECK(everything() == 0);
}

static void limit_memory(size_t more) {
    char text[256];
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fgets(text, sizeof text, statm) != NULL && sscanf(text, "%ld", &pages) == 1);
    fclose(statm);
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){most, most}) == 0);
}

// However little memory there is for it, something large is done or refused, and the next call is fine.
static void with_little_memory(const char *what, void (*body)(void)) {
    int refused = 0, carried_out = 0;
    for (size_t more = 1; more <= 1024; more *= 2) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(120);
            limit_memory(more << 20);
            failures = 0;
            body();
            int failed = failures;
            CHECK(everything() == 0);
            _exit(failed == 0 ? 10 : 11);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != 10 && WEXITSTATUS(status) != 11)) {
            fprintf(stderr, "%s with %zu MiB: wait status %d\n", what, more, status);
            exit(1);
        }
        *(WEXITSTATUS(status) == 10 ? &carried_out : &refused) += 1;
    }
    printf("failing: %s, refused %d times, carried out %d times\n", what, refused, carried_out);
    CHECK(refused > 0 && carried_out > 0);
}

enum { LARGE = 48 << 20 };
static uint8_t *large_request;

static void large_text(void) {
    ikey_client *data = NULL, *endpoint = NULL;
    ikey_op *op = NULL;
    OK(ikey_client_new(TEXT("{\"plane\":\"data\",\"base_url\":\"http://127.0.0.1:9\","
                            "\"project\":\"acme\",\"api_key\":\"ik_live_c0ffee00_0\"}"),
                       &data, &err));
    OK(ikey_client_endpoint(data, TEXT("{\"workload_slug\":\"bot\"}"), &endpoint, &err));
    if (done(ikey_op_submit(endpoint, TEXT("generate_text"), large_request, LARGE, NULL, &op, &err))) {
        ikey_event *event = NULL;
        // Nobody listens there, but the request is made.
        CHECK(ikey_op_next(op, 0, &event, &err) == IKEY_TIMEOUT);
    }
    FREED(ikey_op_free(op));
    FREED(ikey_client_free(endpoint));
    FREED(ikey_client_free(data));
}

static void fill_large_request(const char *start, const char *unit, const char *end) {
    size_t at = strlen(start), step = strlen(unit);
    memset(large_request, ' ', LARGE);
    memcpy(large_request, start, at);
    for (; at + step + strlen(end) <= LARGE; at += step) {
        memcpy(large_request + at, unit, step);
    }
    memcpy(large_request + at, end, strlen(end));
}

static void large_answer(void) {
    ikey_client *client = new_client();
    ikey_event *event = NULL;
    if (done(ikey_call(client, TEXT("list"), TEXT("{\"project\":\"large\"}"), NULL, &event, &err))) {
        FREED(ikey_event_free(event));
    }
    FREED(ikey_client_free(client));
}

int main(void) {
    alarm(300);
    setvbuf(stdout, NULL, _IOLBF, 0);
    dl_iterate_phdr(find_library, NULL);
    CHECK(library_start != 0);
    answering_platform();
    resources wanted = warmed_up();
    for (fault which = NONE + 1; which < FAULTS; which++) {
        the_nth_call_fails(wanted, which, false);
    }
    the_nth_call_fails(wanted, POLL, true);
    the_nth_call_fails(wanted, MEMORY, true);
    calls_are_refused_without_memory();

    large_request = malloc(LARGE);
    CHECK(large_request != NULL);
    fill_large_request("{\"prompt\":\"", "long text, long story; ", "\"}");
    with_little_memory("a long text", large_text);
    fill_large_request("{\"messages\":[{\"role\":\"user\",\"content\":[", "\"one of many\",", "0]}]}");
    with_little_memory("a long list", large_text);
    with_little_memory("a long answer", large_answer);
    free(large_request);
    free(options);
    return 0;
}
