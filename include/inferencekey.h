// Generated from core/ffi by core/header (`make header`). Do not edit.
// The C ABI of the InferenceKey SDK: declare a workload, wait until it is ready, talk to its model.
//
// Conventions. They hold for every function; a comment below names only what differs.
//
// Results    A function returns an ikey_status. IKEY_OK is 0. Above 0: an expected outcome without a result
//            (IKEY_TIMEOUT, IKEY_END, IKEY_STOPPED). Below 0: an error. Outputs are written with IKEY_OK only.
// Errors     The last parameter err may be NULL. Otherwise a negative status stores an error there, which is yours
//            until ikey_error_free. Nothing is kept per thread. The functions named _free and those of ikey_error
//            return their status alone.
// Handles    An ikey_client * and its like is an opaque value, not an address: never dereference it. What _new,
//            _endpoint, _submit, _next and the like give is taken once by the _free of its type. A handle that is freed,
//            of another type, made elsewhere, or older than the fork() that made this process is refused with a
//            status of its own.
// Free       Never blocks, never calls back, and does nothing with NULL. It may run while the object is in use on
//            another thread or from inside a callback: the object then goes with its last use.
// Bytes in   A pointer and a length, borrowed until the call returns. Text is UTF-8 and needs no NUL at its end.
//            A pointer must not be NULL, even with the length 0, unless the comment says so.
// Bytes out  A view into a handle, without NUL at its end, valid until that handle is freed.
// Outputs    Each output pointer is aligned and overlaps nothing else that is given to the call.
// Threads    Any function may be called from any thread, and a handle from several threads at once.
// Callbacks  Return normally: no longjmp and no exception may cross the library.
// Time       timeout_ms is in milliseconds; 0 polls, -1 waits for ever.
// JSON       Operations, client options and endpoint options are JSON objects, listed in docs/c-api.md. An unknown
//            field in a request is an error that names it. An answer may get new fields at any time: ignore those you
//            do not know.
// Process    Loading the library starts nothing. It installs no signal handler and no logger, makes a thread only in
//            ikey_queue_new, and reads environment variables only in ikey_client_new.
// Linking    64-bit targets. The file is found under the name libinferencekey.so.1 (Linux), libinferencekey.1.dylib
//            (macOS) or inferencekey.dll (Windows); the number is IKEY_ABI_VERSION.

#ifndef INFERENCEKEY_H
#define INFERENCEKEY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ------------------------------------------------------------------------------------------
// Statuses, in blocks by origin. Numbers are never used twice.
// ------------------------------------------------------------------------------------------

// What a function returns: one of the IKEY_ constants below.
typedef int32_t ikey_status;

#define IKEY_OK                        0  // Done; the outputs are written.
#define IKEY_TIMEOUT                   1  // Nothing yet: time is up or a signal arrived. Ask again.
#define IKEY_END                       2  // The operation is over; nothing more will come.
#define IKEY_STOPPED                   3  // The callback asked to stop.

#define IKEY_ERROR_NULL           (-100)  // A pointer is NULL that must not be.
#define IKEY_ERROR_UTF8           (-101)  // Bytes that have to be text are not UTF-8.
#define IKEY_ERROR_LENGTH         (-102)  // A length is larger than any object in memory.
#define IKEY_ERROR_ARGUMENT       (-103)  // Another argument cannot be used, as a timeout_ms of -2.

#define IKEY_ERROR_HANDLE_FOREIGN (-200)  // The handle was not made by this library.
#define IKEY_ERROR_HANDLE_FREED   (-201)  // The handle has been freed.
#define IKEY_ERROR_HANDLE_TYPE    (-202)  // The handle is of another type.
#define IKEY_ERROR_BUSY           (-203)  // The handle, or all of the library, may not be used now.
#define IKEY_ERROR_FORKED         (-204)  // The handle is older than the fork() of this process.

#define IKEY_ERROR_OPERATION      (-300)  // The operation failed or was refused: see the error.

#define IKEY_ERROR_PANIC          (-400)  // A defect in the library was caught; go on with others.

// ------------------------------------------------------------------------------------------
// Handles: opaque values (see "Handles" above), one type for each kind of object.
// ------------------------------------------------------------------------------------------

// Stops blocking calls and operations from another thread.
typedef struct ikey_cancel ikey_cancel;

// A client of the control plane or of the data plane, or an endpoint of the latter.
typedef struct ikey_client ikey_client;

// Why a call failed.
typedef struct ikey_error ikey_error;

// A part of an operation's result.
typedef struct ikey_event ikey_event;

// One running operation.
typedef struct ikey_op ikey_op;

// Many running operations and one place to wait for them.
typedef struct ikey_queue ikey_queue;

// ------------------------------------------------------------------------------------------
// Library: what is loaded.
// ------------------------------------------------------------------------------------------

#define IKEY_ABI_VERSION               1  // Raised when anything but additions change it.

// Gives the number of the ABI that the loaded library has. Use the library only if it equals IKEY_ABI_VERSION.
uint32_t ikey_abi_version(void);

// Gives the version of the loaded library, for example "0.1.0": static text with a NUL at its end, never freed.
const char *ikey_version(void);

// Counts the handles that were given and not yet freed in this process. A program that ends with 0 has leaked none.
uint64_t ikey_live_objects(void);

// ------------------------------------------------------------------------------------------
// Clients: where requests go and with which token.
//
// - ikey_client_new: one for the control plane (declare, wait, delete), one for the data plane
//   - ikey_client_endpoint: from a client of the data plane, a handle for one workload
//   - ikey_client_describe: what it was made of, for logs
//   - the operations of the groups below
//   - ikey_client_close: stops them all
// - ikey_client_free
// ------------------------------------------------------------------------------------------

// Makes a client from its options, a JSON object (docs/c-api.md, "Client options"). Sends nothing.
// With "from_env" it reads the INFERENCEKEY_ variables, now and never again.
// IKEY_OK: *client is yours until ikey_client_free. IKEY_ERROR_OPERATION: an option cannot be used.
ikey_status ikey_client_new(const uint8_t *options,
                            size_t options_length,
                            ikey_client **client,
                            ikey_error **err);

// Makes an endpoint: a client bound to one workload and one data key, from a JSON object (docs/c-api.md, "Endpoint
// options"). It shares connections with client, is closed with it, and stays good when client is freed. Sends nothing.
// IKEY_OK: *endpoint is yours until ikey_client_free. IKEY_ERROR_OPERATION: an option cannot be used.
ikey_status ikey_client_endpoint(const ikey_client *client,
                                 const uint8_t *options,
                                 size_t options_length,
                                 ikey_client **endpoint,
                                 ikey_error **err);

// Describes a client: plane, base URL, host, project, workload and the token's display form (docs/c-api.md,
// "Description").
// IKEY_OK: *event, of the kind IKEY_EVENT_DATA, has it as its head and is yours until ikey_event_free.
ikey_status ikey_client_describe(const ikey_client *client,
                                 ikey_event **event,
                                 ikey_error **err);

// Closes a client, its endpoints and their connections. Operations that run end as Cancelled within 100 ms; new ones
// are refused. A client that is closed already stays so.
ikey_status ikey_client_close(ikey_client *client,
                              ikey_error **err);

// Frees a client or an endpoint. What it started goes on: close it first to stop that.
ikey_status ikey_client_free(ikey_client *client);

// ------------------------------------------------------------------------------------------
// Cancel tokens: stop blocking calls and operations from another thread.
//
// - ikey_cancel_new
//   - given to any number of calls and operations, at the same time or in turn
//   - ikey_cancel_request: once, from any thread
// - ikey_cancel_free
// ------------------------------------------------------------------------------------------

// Makes a cancel token.
// IKEY_OK: *cancel is yours until ikey_cancel_free.
ikey_status ikey_cancel_new(ikey_cancel **cancel, ikey_error **err);

// Ends every call and operation that was given cancel, within 100 ms, as Cancelled; those given it later end at once.
// A second request does nothing.
ikey_status ikey_cancel_request(ikey_cancel *cancel,
                                ikey_error **err);

// Frees a cancel token. Calls and operations that were given it go on.
ikey_status ikey_cancel_free(ikey_cancel *cancel);

// ------------------------------------------------------------------------------------------
// Events: the parts of an operation's result.
//
// - ikey_call, ikey_op_next, ikey_queue_take, ikey_client_describe and ikey_spec_file_read give them
//   - ikey_event_kind: what it brings; ikey_event_tag: which queued operation it belongs to
//   - ikey_event_head: a small JSON object; ikey_event_raw: the answer's bytes as they arrived
//   - ikey_event_vectors: rows of numbers
//   - ikey_event_error: why a queued operation failed
// - ikey_event_free
// ------------------------------------------------------------------------------------------

#define IKEY_EVENT_OPEN                1  // A stream has begun; the head is {}.
#define IKEY_EVENT_DATA                2  // Results.
#define IKEY_EVENT_RAW                 3  // ikey_stream: the raw bytes of the results just given.
#define IKEY_EVENT_VECTORS             4  // ikey_stream: their vectors, as double values in memory.
#define IKEY_EVENT_TICK                5  // ikey_stream: nothing yet; a chance to look at signals.
#define IKEY_EVENT_END                 6  // ikey_queue_take: the operation ended well.
#define IKEY_EVENT_ERROR               7  // ikey_queue_take: it failed; see ikey_event_error.
#define IKEY_EVENT_NOTICE              8  // With the option "notices": what happens on the way, repeats above all.

// Gives what an event brings.
// IKEY_OK: *kind is one of the IKEY_EVENT_ constants.
ikey_status ikey_event_kind(const ikey_event *event, int32_t *kind, ikey_error **err);

// Gives the tag under which the event's operation was submitted to its queue; 0 for events from elsewhere.
// IKEY_OK: *tag.
ikey_status ikey_event_tag(const ikey_event *event,
                           uint64_t *tag,
                           ikey_error **err);

// Gives the head of an event: a small JSON object (docs/c-api.md, "Operations"). Empty for IKEY_EVENT_END and
// IKEY_EVENT_ERROR.
// IKEY_OK: *bytes and *length are a view into event.
ikey_status ikey_event_head(const ikey_event *event,
                            const uint8_t **bytes,
                            size_t *length,
                            ikey_error **err);

// Gives the raw bytes of an event: the answer's JSON as it arrived, untouched. Empty where there is none. Those of
// embeddings are put together by the first call, which takes a while and fails if there is no memory for them.
// IKEY_OK: *bytes and *length are a view into event.
ikey_status ikey_event_raw(const ikey_event *event,
                           const uint8_t **bytes,
                           size_t *length,
                           ikey_error **err);

// Gives the vectors of an event: rows times columns numbers, row after row, in one buffer. 0 rows where there are none.
// IKEY_OK: *values, *rows and *columns are a view into event.
ikey_status ikey_event_vectors(const ikey_event *event,
                               const double **values,
                               size_t *rows,
                               size_t *columns,
                               ikey_error **err);

// Gives the error of an IKEY_EVENT_ERROR; other kinds are refused with IKEY_ERROR_ARGUMENT.
// IKEY_OK: *error is yours until ikey_error_free, also after the event is freed.
ikey_status ikey_event_error(const ikey_event *event, ikey_error **error, ikey_error **err);

// Frees an event and ends the views into it.
ikey_status ikey_event_free(ikey_event *event);

// ------------------------------------------------------------------------------------------
// Errors: why a call failed. Independent of every other handle, and readable on any thread.
//
// - a negative status stores one in *err, ikey_event_error gives one
//   - ikey_error_code: what to branch on
//   - ikey_error_json: everything about it (docs/c-api.md, "Errors")
// - ikey_error_free
// ------------------------------------------------------------------------------------------

// Gives the code of an error as text, for example not_found: the same in every language (docs/c-api.md, "Errors").
// IKEY_OK: *bytes and *length are a view into error.
ikey_status ikey_error_code(const ikey_error *error,
                            const uint8_t **bytes,
                            size_t *length);

// Gives everything about an error as a JSON object: class, code, message, status, hint and more (docs/c-api.md, "Errors").
// IKEY_OK: *bytes and *length are a view into error.
ikey_status ikey_error_json(const ikey_error *error,
                            const uint8_t **bytes,
                            size_t *length);

// Frees an error.
ikey_status ikey_error_free(ikey_error *error);

// ------------------------------------------------------------------------------------------
// Blocking calls: one request from its start to its end, on the calling thread.
//
// - ikey_call: one answer
// - ikey_stream: a callback for each part of it
//
// Operations (ensure, wait_until_ready, generate_text and more), their requests and their heads are listed in
// docs/c-api.md. They are the same here, in ikey_op_submit and in ikey_queue_submit. Those of the data plane are given
// an endpoint as client.
// ------------------------------------------------------------------------------------------

// What ikey_stream calls, on the calling thread: with kind one of the IKEY_EVENT_ constants, and length bytes that are
// valid until it returns. One part of a result is one call with IKEY_EVENT_OPEN, _DATA or _NOTICE (the head), then one
// with IKEY_EVENT_RAW and one with IKEY_EVENT_VECTORS if it has such bytes. A return value other than 0 stops the stream.
// It may call any function of this library, also free or close what the stream was given.
typedef int32_t (*ikey_on_event)(void *user_data, int32_t kind, const uint8_t *bytes, size_t length);

// Runs an operation to its end and gives its last event: for operations of one answer that answer, for wait_until_ready
// the event that says ready. Earlier events and notices are dropped, so generate_text_stream belongs into ikey_stream or
// ikey_op_submit. Signals do not end it: use ikey_op_next where a signal handler has to run in between. cancel may be NULL.
// IKEY_OK: *event is yours until ikey_event_free. IKEY_END: done without any event.
ikey_status ikey_call(ikey_client *client,
                      const uint8_t *name,
                      size_t name_length,
                      const uint8_t *request,
                      size_t request_length,
                      ikey_cancel *cancel,
                      ikey_event **event,
                      ikey_error **err);

// Runs an operation to its end and calls on_event for each part of its result, in order, and at least every 100 ms: with
// IKEY_EVENT_TICK if nothing came. user_data and cancel may be NULL; user_data is handed to on_event as it is.
// IKEY_OK: done; on_event got everything. IKEY_STOPPED: on_event returned something else than 0, and is not called again.
ikey_status ikey_stream(ikey_client *client,
                        const uint8_t *name,
                        size_t name_length,
                        const uint8_t *request,
                        size_t request_length,
                        ikey_cancel *cancel,
                        ikey_on_event on_event,
                        void *user_data,
                        ikey_error **err);

// ------------------------------------------------------------------------------------------
// Operations: one request, pulled part by part.
//
// - ikey_op_submit
//   - ikey_op_next, until IKEY_END or an error: the operation moves on while it is in there, and a slow host is
//     back-pressure
//   - ikey_op_cancel: from any thread
// - ikey_op_free: at any time; closes the operation's connection
// ------------------------------------------------------------------------------------------

// Checks a request and starts its operation; nothing is sent before the first ikey_op_next. cancel may be NULL: it stops
// this operation together with others, ikey_op_cancel stops it alone. op stays good when client and cancel are freed.
// IKEY_OK: *op is yours until ikey_op_free. IKEY_ERROR_OPERATION: the request was refused.
ikey_status ikey_op_submit(ikey_client *client,
                           const uint8_t *name,
                           size_t name_length,
                           const uint8_t *request,
                           size_t request_length,
                           ikey_cancel *cancel,
                           ikey_op **op,
                           ikey_error **err);

// Waits for the next event of an operation, at most timeout_ms. After an error the operation is over.
// Threads: one at a time for an operation, another one gets IKEY_ERROR_BUSY; ikey_op_cancel and ikey_op_free may run beside it.
// IKEY_OK: *event is yours until ikey_event_free. IKEY_TIMEOUT: nothing yet. IKEY_END: the operation is over.
ikey_status ikey_op_next(ikey_op *op,
                         int32_t timeout_ms,
                         ikey_event **event,
                         ikey_error **err);

// Ends an operation as Cancelled: ikey_op_next returns that error within 100 ms. Does nothing after the end.
ikey_status ikey_op_cancel(ikey_op *op,
                           ikey_error **err);

// Frees an operation. If it is not over it stops, and its connection is closed: at once, or, while another thread is in
// ikey_op_next, within 100 ms, and that call returns the error Cancelled.
ikey_status ikey_op_free(ikey_op *op);

// ------------------------------------------------------------------------------------------
// Queues: many operations at once, one place to wait for all of them. For hosts with an event loop.
//
// - ikey_queue_new: starts one thread, which runs the operations
// - ikey_queue_new_polled: starts none; they run in ikey_queue_submit, ikey_queue_cancel and ikey_queue_take
//   - ikey_queue_due: when to take at the latest
// - of both kinds:
//   - ikey_queue_submit: an operation and a tag of your choice
//     - ikey_queue_cancel, ikey_queue_pause: by tag
//   - ikey_queue_take: what came since, as a batch of events, each with its tag; for each operation it ends with exactly
//     one IKEY_EVENT_END or IKEY_EVENT_ERROR. Events that are not taken are back-pressure for their operation alone.
// - ikey_queue_free: stops what still runs
// ------------------------------------------------------------------------------------------

// What a queue calls on its own thread when something can be taken and nothing could before. It must return at once,
// without waiting for another thread, and may not call this library: it gets IKEY_ERROR_BUSY. Write to a pipe, or use
// what your event loop offers for that.
typedef void (*ikey_wake)(void *user_data);

// Makes a queue and starts its thread. wake is called on the queue's thread with user_data; both may be NULL: then wait
// in ikey_queue_take. user_data has to be valid until ikey_queue_free returns.
// IKEY_OK: *queue is yours until ikey_queue_free. IKEY_ERROR_OPERATION: the thread cannot be started.
ikey_status ikey_queue_new(ikey_wake wake,
                           void *user_data,
                           ikey_queue **queue,
                           ikey_error **err);

// Makes a queue without a thread, for a host with an event loop: watch *descriptor there (poll, epoll, kqueue; also
// io_uring's poll), and call ikey_queue_take with a timeout of 0 when it is readable, or after ikey_queue_due. There all
// operations move on, on the calling thread and without waiting; ikey_queue_submit begins what it submits, and
// ikey_queue_cancel ends what it cancels. Do not read from *descriptor; it is closed by ikey_queue_free.
// IKEY_OK: *queue is yours until ikey_queue_free. IKEY_ERROR_OPERATION: no more files can be opened, or the like.
ikey_status ikey_queue_new_polled(ikey_queue **queue,
                                  int32_t *descriptor,
                                  ikey_error **err);

// Gives the milliseconds after which a queue of ikey_queue_new_polled has to be taken from, though its descriptor is not
// readable: a timeout of an operation ends, or a cancel token is to be looked at. Ask after each call of ikey_queue_submit
// and ikey_queue_take. -1: no operation runs, or the queue is one of ikey_queue_new, which needs none of that.
ikey_status ikey_queue_due(ikey_queue *queue,
                           int32_t *due_ms,
                           ikey_error **err);

// Checks a request and hands its operation to the queue, which starts it. Its events come with tag, which should not be
// in use. cancel may be NULL. The operation goes on when client and cancel are freed.
// IKEY_ERROR_OPERATION: the request was refused, and no event will come.
ikey_status ikey_queue_submit(ikey_queue *queue,
                              ikey_client *client,
                              const uint8_t *name,
                              size_t name_length,
                              const uint8_t *request,
                              size_t request_length,
                              ikey_cancel *cancel,
                              uint64_t tag,
                              ikey_error **err);

// Ends the operation under tag as Cancelled, within 100 ms: an IKEY_EVENT_ERROR comes. Does nothing for a tag not in use.
ikey_status ikey_queue_cancel(ikey_queue *queue,
                              uint64_t tag,
                              ikey_error **err);

// Keeps the operation under tag from running (paused is 1), or lets it go on (0): for a host that takes everything, and
// holds events that nobody has asked for yet. A paused operation reads nothing from its connection, and none of its
// timeouts end it; what it gave before can still be taken. Does nothing for a tag not in use.
ikey_status ikey_queue_pause(ikey_queue *queue,
                             uint64_t tag,
                             int32_t paused,
                             ikey_error **err);

// Takes all events that are there, at most capacity, which is not 0; waits for the first one, at most timeout_ms. An
// operation that gave a notice goes on when ikey_queue_take is called again: what is to be done about it comes first.
// IKEY_OK: *count of events (at least 1) were written to events, in order; each is yours until ikey_event_free.
// IKEY_TIMEOUT: nothing yet. IKEY_END: the queue was freed meanwhile on another thread.
ikey_status ikey_queue_take(ikey_queue *queue,
                            int32_t timeout_ms,
                            size_t capacity,
                            ikey_event **events,
                            size_t *count,
                            ikey_error **err);

// Frees a queue, stops what it runs, and ends ikey_queue_take on other threads within 100 ms. Waits for a call of wake that
// is running at this moment and for nothing else: once it returns, wake is not called again.
ikey_status ikey_queue_free(ikey_queue *queue);

// ------------------------------------------------------------------------------------------
// Files of specs: workloads written in YAML, TOML or JSON.
//
// - ikey_spec_file_read: the specs of a file, checked, as the operations ensure, plan and apply take them
// ------------------------------------------------------------------------------------------

// Reads the bytes of a file of specs. options is a JSON object (docs/c-api.md, "Spec files"), which also has the environment
// that references in the file mean. Sends nothing. The file need not be UTF-8: an error says where it is not.
// IKEY_OK: *event, of the kind IKEY_EVENT_DATA, has the specs as its head and is yours until ikey_event_free.
// IKEY_ERROR_OPERATION: something in the file is wrong; the error has line and column.
ikey_status ikey_spec_file_read(const uint8_t *file,
                                size_t file_length,
                                const uint8_t *options,
                                size_t options_length,
                                ikey_event **event,
                                ikey_error **err);

#ifdef __cplusplus
}
#endif

#endif
