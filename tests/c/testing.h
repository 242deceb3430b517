// What the C programs need: checks that say where they failed, and texts with their lengths.

#ifndef TESTING_H
#define TESTING_H

#include <inferencekey.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A literal as the pair (pointer, length) that the functions take.
#define TEXT(literal) (const uint8_t *)(literal), sizeof(literal) - 1

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);             \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

// A view as the library gives it.
typedef struct {
    const uint8_t *bytes;
    size_t length;
} view;

static inline bool contains(view text, const char *part) {
    size_t length = strlen(part);
    for (size_t at = 0; at + length <= text.length; at++) {
        if (memcmp(text.bytes + at, part, length) == 0) {
            return true;
        }
    }
    return false;
}

static inline view error_json(const ikey_error *error) {
    view json;
    CHECK(ikey_error_json(error, &json.bytes, &json.length) == IKEY_OK);
    return json;
}

// Ends the program with the error's words unless status is the one wanted. Frees err.
static inline void expect_at(const char *file, int line, const char *call, ikey_status wanted,
                             ikey_status status, ikey_error *err) {
    if (status != wanted) {
        fprintf(stderr, "%s:%d: %s: status %d, not %d\n", file, line, call, (int)status,
                (int)wanted);
        if (status < 0 && err != NULL) {
            view json = error_json(err);
            fprintf(stderr, "%.*s\n", (int)json.length, (const char *)json.bytes);
        }
        exit(1);
    }
    if (status < 0) {
        CHECK(ikey_error_free(err) == IKEY_OK);
    }
}

// Runs a call that stores its error in the variable err.
#define EXPECT(wanted, call)                                                                      \
    do {                                                                                          \
        err = NULL;                                                                               \
        ikey_status status_ = (call);                                                             \
        expect_at(__FILE__, __LINE__, #call, wanted, status_, err);                               \
    } while (0)

#define OK(call) EXPECT(IKEY_OK, call)

// Runs a call of a _free function, which stores no error.
#define FREED(call) CHECK((call) == IKEY_OK)

// An operation ended because somebody stopped it. Frees the error.
static inline void expect_cancelled(ikey_status status, ikey_error *error) {
    view code;
    CHECK(status == IKEY_ERROR_OPERATION);
    CHECK(ikey_error_code(error, &code.bytes, &code.length) == IKEY_OK);
    CHECK(contains(code, "cancelled"));
    CHECK(ikey_error_free(error) == IKEY_OK);
}

static inline int64_t now_ms(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int32_t kind_of(const ikey_event *event) {
    ikey_error *err;
    int32_t kind = 0;
    OK(ikey_event_kind(event, &kind, &err));
    return kind;
}

static inline view head_of(const ikey_event *event) {
    ikey_error *err;
    view head = {NULL, 0};
    OK(ikey_event_head(event, &head.bytes, &head.length, &err));
    return head;
}

static inline view raw_of(const ikey_event *event) {
    ikey_error *err;
    view raw = {NULL, 0};
    OK(ikey_event_raw(event, &raw.bytes, &raw.length, &err));
    return raw;
}

static inline void print_head(const char *title, const ikey_event *event) {
    view head = head_of(event);
    printf("%s: %.*s\n", title, (int)head.length, (const char *)head.bytes);
}

#endif
