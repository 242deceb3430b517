// A platform that accepts connections and never answers: an operation against it runs until it is stopped.

#ifndef SILENT_H
#define SILENT_H

#include "testing.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <sys/socket.h>

// A request that waits for the silent platform.
#define LIST TEXT("list"), TEXT("{}")

static uint8_t *options;
static size_t options_length;

// Starts the platform, in the kernel's backlog, and makes the options of a client for it.
static inline void silent_platform(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 64) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);

    char text[256];
    int written = snprintf(text, sizeof text,
                           "{\"plane\":\"control\",\"base_url\":\"http://127.0.0.1:%d\","
                           "\"project\":\"acme\",\"sdk_token\":\"ik_sdk_c0ffee00_0\"}",
                           ntohs(address.sin_port));
    // A copy without terminator and without a byte to spare: a sanitizer sees every read behind the length.
    options_length = (size_t)written;
    options = malloc(options_length);
    CHECK(options != NULL);
    memcpy(options, text, options_length);
}

#endif
