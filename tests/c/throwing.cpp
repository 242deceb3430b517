// A callback that throws is forbidden by the header. A program that does it all the same is ended at once: it neither
// hangs nor goes on with what the exception left half done.

#include <inferencekey.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

const char OPTIONS[] = "{\"plane\":\"control\",\"base_url\":\"http://127.0.0.1:9\",\"project\":\"acme\","
                       "\"sdk_token\":\"ik_sdk_c0ffee00_0\",\"retries\":8}";

const uint8_t *text(const char *literal) {
    return reinterpret_cast<const uint8_t *>(literal);
}

ikey_client *new_client() {
    ikey_client *client = nullptr;
    if (ikey_client_new(text(OPTIONS), std::strlen(OPTIONS), &client, nullptr) != IKEY_OK) {
        std::abort();
    }
    return client;
}

int32_t throws(void *, int32_t, const uint8_t *, size_t) {
    throw std::runtime_error("forbidden");
}

void throws_in_wake(void *) {
    throw std::runtime_error("forbidden");
}

// Nothing listens on the port, so there are pauses, and with them a tick.
void in_on_event() {
    ikey_client *client = new_client();
    ikey_stream(client, text("list"), 4, text("{}"), 2, nullptr, throws, nullptr, nullptr);
}

void in_wake() {
    ikey_queue *queue = nullptr;
    ikey_client *client = new_client();
    ikey_client_close(client, nullptr);
    ikey_client *open = new_client();
    if (ikey_queue_new(throws_in_wake, nullptr, &queue, nullptr) != IKEY_OK ||
        ikey_queue_submit(queue, open, text("list"), 4, text("{}"), 2, nullptr, 1, nullptr) != IKEY_OK ||
        ikey_queue_cancel(queue, 1, nullptr) != IKEY_OK) {
        std::exit(1);
    }
    sleep(60);
}

// Ends by SIGABRT within its alarm, which would be another signal.
bool is_ended(const char *where, void (*body)()) {
    pid_t child = fork();
    if (child == 0) {
        const rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        std::freopen("/dev/null", "w", stderr);
        alarm(30);
        try {
            body();
        } catch (...) { // the exception came through the library: then it may go on here, too
            std::exit(2);
        }
        std::exit(3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
        return true;
    }
    std::fprintf(stderr, "throwing %s: wait status %d, not SIGABRT\n", where, status);
    return false;
}

} // namespace

int main() {
    if (!is_ended("in on_event", in_on_event) || !is_ended("in wake", in_wake)) {
        return 1;
    }
    std::printf("throwing: an exception from a callback ends the process at once\n");
    return 0;
}
