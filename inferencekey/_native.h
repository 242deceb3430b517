// What `_ffi.py` calls besides the C ABI: its functions in pairs that belong together, so that Python crosses once for
// what it needs at once. `build_ffi.py` compiles it into `inferencekey._native`. No rule stands here.

// The handles that a Python object or a call holds, and views into what it was given last: the head, the vectors or the
// raw bytes of `event`, or the JSON of `error`, its own or that of an IKEY_EVENT_ERROR, as head. All 0 when made; `ikey_py_drop` frees it.
//
// Most events are small. Those are copied to `small`, the raw bytes behind the head, and freed. Where no handle is left,
// `is_empty`, Python need not cross to free one, and so not hand its lock to another thread a second time in a call.
//
// `is_last`: no more events come under the tag. So it is of an end, an error, and an event whose end came with it.
typedef struct {
    ikey_client *client;
    ikey_op *op;
    ikey_queue *queue;
    ikey_event *event;
    ikey_error *error;
    int32_t kind;
    int32_t is_last;
    uint64_t tag;
    const char *head;
    size_t head_length;
    const char *raw;
    size_t raw_length;
    const double *values;
    size_t rows;
    size_t columns;
    int32_t is_empty;
    char small[1792];
} ikey_py_held;

// The raw bytes of an event that has vectors: none of the others looks at them, since they may have to be put together. A
// status below 0: `failed->error` with its JSON as head.
static int32_t ikey_py_event_raw(ikey_py_held *given, ikey_py_held *failed);

// Frees the handles, and forgets them, also while another thread is in a call with them. It is no Python code: there a
// signal handler might raise where nobody can catch it.
static void ikey_py_drop(ikey_py_held *held);

// Whether a text has control characters other than tabs and the ends of lines.
static int32_t ikey_py_has_controls(const char *text, size_t length);

// Each calls the function of the same name. A status below 0: `given->error` with its JSON as head.
static int32_t ikey_py_client_new(const char *options, size_t length, ikey_py_held *given);
static int32_t ikey_py_client_endpoint(ikey_py_held *client, const char *options, size_t length, ikey_py_held *given);
static int32_t ikey_py_client_describe(ikey_py_held *client, ikey_py_held *given);
static int32_t ikey_py_client_close(ikey_py_held *client, ikey_py_held *given);
static int32_t ikey_py_spec_file_read(const char *file, size_t file_length, const char *options, size_t options_length,
                                      ikey_py_held *given);
static int32_t ikey_py_op_submit(ikey_py_held *client, const char *name, size_t name_length, const char *request,
                                 size_t request_length, ikey_py_held *given);
// Submits, and waits for the first event at most so long. With one of kind IKEY_EVENT_DATA, the only one then, the operation
// is over.
static int32_t ikey_py_op_first(ikey_py_held *client, const char *name, size_t name_length, const char *request,
                                size_t request_length, int32_t timeout_ms, ikey_py_held *given);
static int32_t ikey_py_op_next(ikey_py_held *op, int32_t timeout_ms, ikey_py_held *given);
static void ikey_py_op_free(ikey_py_held *op);

static int32_t ikey_py_queue_new(ikey_py_held *given);
static int32_t ikey_py_queue_new_polled(ikey_py_held *given, int32_t *descriptor);
// Submits, and asks when the queue is due.
static int32_t ikey_py_queue_submit(ikey_py_held *queue, ikey_py_held *client, const char *name, size_t name_length,
                                    const char *request, size_t request_length, uint64_t tag, ikey_py_held *given,
                                    int32_t *due_ms);
static void ikey_py_queue_cancel(ikey_py_held *queue, uint64_t tag);
static void ikey_py_queue_pause(ikey_py_held *queue, uint64_t tag, int32_t paused);
// Asks when the queue is due, and fills places from the first on, at most IKEY_PY_PLACES; what an interrupted call left in them is freed.
// IKEY_OK: *filled of them, and there may be more; also if one of them is a notice, behind which its operation waits.
// IKEY_TIMEOUT and IKEY_END: *filled of them, and that is all. A status below 0: the error is in the first.
#define IKEY_PY_PLACES 16
static int32_t ikey_py_queue_take(ikey_py_held *queue, int32_t timeout_ms, ikey_py_held **places, size_t *filled,
                                  int32_t *due_ms);
