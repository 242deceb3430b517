// Requests whose pointers are good and whose JSON is not: refused before anything is sent, by an error that names the place.

#include "platform.h"

static ikey_error *err;
static ikey_client *client, *endpoint;

static void make_clients(void) {
    ikey_client *data = NULL;
    client = new_client();
    OK(ikey_client_new(TEXT("{\"plane\":\"data\",\"base_url\":\"http://127.0.0.1:9\","
                            "\"project\":\"acme\",\"api_key\":\"ik_live_c0ffee00_0\"}"),
                       &data, &err));
    OK(ikey_client_endpoint(data, TEXT("{\"workload_slug\":\"bot\"}"), &endpoint, &err));
    FREED(ikey_client_free(data));
}

static void refused(ikey_client *on, const char *name, const char *request, size_t length,
                    const char *named) {
    ikey_op *none = NULL;
    ikey_error *why = NULL;
    CHECK(ikey_op_submit(on, (const uint8_t *)name, strlen(name), (const uint8_t *)request, length, NULL,
                         &none, &why) == IKEY_ERROR_OPERATION);
    view json = error_json(why);
    if (none != NULL || !contains(json, named)) {
        fprintf(stderr, "%s %.60s: no \"%s\" in %.*s\n", name, request, named, (int)json.length,
                (const char *)json.bytes);
        exit(1);
    }
    FREED(ikey_error_free(why));
}

static void every_wrong_request(void) {
    static const struct {
        const char *name;
        const char *request;
        size_t length;
        const char *named;
    } REQUESTS[] = {
#define REQUEST(name, request, named) {name, request, sizeof(request) - 1, named}
        REQUEST("list", "", "JSON"),
        REQUEST("list", "[]", "JSON object"),
        REQUEST("list", "{}{}", "trailing"),
        REQUEST("list", "{\"project\":NaN}", "JSON"),
        REQUEST("list", "{\"pro\0ject\":\"acme\"}", "JSON"),
        REQUEST("list", "{\"project\":\"\\ud800\"}", "JSON"),
        REQUEST("list", "{\"project\":\"a\\u0000b\"}", "project"),
        REQUEST("list", "{\"limit\":10}", "\"field\":\"limit\""),
        REQUEST("get", "{\"workload_slug\":7}", "\"field\":\"workload_slug\""),
        REQUEST("get", "{\"workload_slug\":\"a\\u0000b\"}", "\"field\":\"workload_slug\""),
        REQUEST("ensure", "{\"spec\":{\"nmae\":\"x\"}}", "nmae"),
        REQUEST("generate_text", "{\"prompt\":\"Hello!\"}", "generate_text"),
        REQUEST("no_such_operation", "{}", "no_such_operation"),
        REQUEST("", "{}", "list"),
    };
    for (size_t at = 0; at < sizeof REQUESTS / sizeof REQUESTS[0]; at++) {
        refused(client, REQUESTS[at].name, REQUESTS[at].request, REQUESTS[at].length, REQUESTS[at].named);
    }
}

// Values nested deeper than any stack, in each place where one may stand.
static void deep_json(void) {
    enum { DEPTH = 1000000 };
    static const char *const STARTS[] = {"{\"project\":", "{\"spec\":{\"config\":", "{\"a\":{\"b\":"};
    char *request = malloc(DEPTH);
    CHECK(request != NULL);
    for (size_t at = 0; at < sizeof STARTS / sizeof STARTS[0]; at++) {
        memset(request, at == 2 ? '{' : '[', DEPTH);
        memcpy(request, STARTS[at], strlen(STARTS[at]));
        refused(client, "ensure", request, DEPTH, "");
    }
    free(request);
}

// Tens of mebibytes are an ordinary text.
static void huge_text(void) {
    static const char START[] = "{\"prompt\":\"", END[] = "\"}";
    enum { LENGTH = 32 << 20 };
    uint8_t *request = malloc(LENGTH);
    ikey_op *op = NULL;
    CHECK(request != NULL);
    memset(request, 'x', LENGTH);
    memcpy(request, START, sizeof START - 1);
    memcpy(request + LENGTH - (sizeof END - 1), END, sizeof END - 1);
    OK(ikey_op_submit(endpoint, TEXT("generate_text"), request, LENGTH, NULL, &op, &err));
    FREED(ikey_op_free(op));
    request[LENGTH - 1] = ' '; // no end of the object
    refused(endpoint, "generate_text", (char *)request, LENGTH, "JSON");
    free(request);
}

int main(void) {
    alarm(300);
    silent_platform();
    make_clients();
    every_wrong_request();
    deep_json();
    huge_text();
    FREED(ikey_client_free(endpoint));
    FREED(ikey_client_free(client));
    free(options);
    CHECK(ikey_live_objects() == 0);
    printf("requests: malformed, unknown, deep and huge ones get an answer\n");
    return 0;
}
