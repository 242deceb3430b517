// Platforms to talk to, on loopback: one that never answers, and one that answers every GET with an empty list of workloads.

#ifndef PLATFORM_H
#define PLATFORM_H

#include "testing.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

// A request that every platform is asked here.
#define LIST TEXT("list"), TEXT("{}")

// The options of a client for the platform that was started last.
static uint8_t *options;
static size_t options_length;

static inline void make_options(int port) {
    char text[256];
    int written = snprintf(text, sizeof text,
                           "{\"plane\":\"control\",\"base_url\":\"http://127.0.0.1:%d\","
                           "\"project\":\"acme\",\"sdk_token\":\"ik_sdk_c0ffee00_0\",\"retries\":0}",
                           port);
    // A copy without terminator and without a byte to spare: a sanitizer sees every read behind the length.
    free(options);
    options_length = (size_t)written;
    options = malloc(options_length);
    CHECK(options != NULL);
    memcpy(options, text, options_length);
}

static inline int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 512) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    make_options(ntohs(address.sin_port));
    return listener;
}

// An operation against this one runs until it is stopped: the kernel's backlog accepts, and nobody answers.
// Returns the listening socket.
static inline int silent_platform(void) {
    return listen_on_loopback();
}

// What reached the answering platform.
static atomic_int connections, requests, closed;

enum { PLATFORM_SOCKETS = 512, LARGE_ANSWER = 48 << 20 };

// The list of the project "large" has many blanks behind it.
static inline void answer(int connection, view request) {
    char blanks[1 << 14];
    char text[256];
    size_t left = contains(request, "/projects/large/") ? LARGE_ANSWER : 0;
    memset(blanks, ' ', sizeof blanks);
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n"
                          "{\"workloads\":[]}",
                          16 + left);
    ssize_t sent = send(connection, text, (size_t)length, MSG_NOSIGNAL);
    while (left > 0 && sent > 0) {
        sent = send(connection, blanks, left < sizeof blanks ? left : sizeof blanks, MSG_NOSIGNAL);
        left -= sent > 0 ? (size_t)sent : 0;
    }
}

static inline void *answer_requests(void *listener) {
    struct pollfd sockets[PLATFORM_SOCKETS] = {{.fd = *(int *)listener, .events = POLLIN}};
    nfds_t used = 1;
    for (;;) {
        CHECK(poll(sockets, used, -1) > 0);
        for (nfds_t at = 1; at < used; at++) {
            char request[4096];
            if (sockets[at].revents == 0) {
                continue;
            }
            // A request fits into one segment, and comes alone: its sender waits for the answer.
            ssize_t length = recv(sockets[at].fd, request, sizeof request, 0);
            if (length > 0) {
                requests++;
                answer(sockets[at].fd, (view){(uint8_t *)request, (size_t)length});
            } else {
                closed++;
                close(sockets[at].fd);
                sockets[at--] = sockets[--used];
            }
        }
        if (sockets[0].revents != 0) {
            CHECK(used < PLATFORM_SOCKETS);
            sockets[used++] = (struct pollfd){.fd = accept(sockets[0].fd, NULL, NULL), .events = POLLIN};
            connections++;
        }
    }
    return NULL;
}

// Starts a platform that answers at once, on a thread of its own, and keeps connections open.
static inline void answering_platform(void) {
    static int listener;
    pthread_t thread;
    listener = listen_on_loopback();
    CHECK(pthread_create(&thread, NULL, answer_requests, &listener) == 0);
    CHECK(pthread_detach(thread) == 0);
}

static inline ikey_client *new_client(void) {
    ikey_client *client = NULL;
    ikey_error *err;
    OK(ikey_client_new(options, options_length, &client, &err));
    return client;
}

static inline ikey_op *new_op(ikey_client *client) {
    ikey_op *op = NULL;
    ikey_error *err;
    OK(ikey_op_submit(client, LIST, NULL, &op, &err));
    return op;
}

#endif
