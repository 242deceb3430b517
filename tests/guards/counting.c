/* Counts what a process asks of the kernel and of the allocator; preloaded by `worker.py`.
 *
 * System calls are those made through the C library by name, and through `syscall`: the core makes no others.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls, allocations;

/* What was counted since the last time. */
void guards_take(long counts[2]) {
    counts[0] = atomic_exchange(&calls, 0);
    counts[1] = atomic_exchange(&allocations, 0);
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    allocations++;
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    allocations++;
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}

#define COUNTED(result, name, parameters, arguments)                      \
    result name parameters {                                              \
        static result(*real) parameters;                                  \
        if (real == NULL) real = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
        calls++;                                                          \
        return real arguments;                                            \
    }

COUNTED(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
COUNTED(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n))
COUNTED(ssize_t, readv, (int fd, const struct iovec *to, int n), (fd, to, n))
COUNTED(ssize_t, writev, (int fd, const struct iovec *from, int n), (fd, from, n))
COUNTED(ssize_t, recv, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
COUNTED(ssize_t, send, (int fd, const void *from, size_t n, int flags), (fd, from, n, flags))
COUNTED(ssize_t, recvfrom, (int fd, void *to, size_t n, int flags, struct sockaddr *from, socklen_t *size),
        (fd, to, n, flags, from, size))
COUNTED(ssize_t, sendto, (int fd, const void *from, size_t n, int flags, const struct sockaddr *to, socklen_t size),
        (fd, from, n, flags, to, size))
COUNTED(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
COUNTED(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
COUNTED(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
COUNTED(int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask), (fds, n, timeout, mask))
COUNTED(int, epoll_wait, (int fd, struct epoll_event *events, int n, int timeout), (fd, events, n, timeout))
COUNTED(int, epoll_ctl, (int fd, int op, int of, struct epoll_event *event), (fd, op, of, event))
COUNTED(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
COUNTED(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
COUNTED(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), (fd, level, name, value, size))
COUNTED(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size))
COUNTED(int, close, (int fd), (fd))

/* Futexes, mostly. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    calls++;
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
