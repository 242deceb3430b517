// The bodies of `_native.h`.

#define BYTES(text) (const uint8_t *)(text)

static void ikey_py_drop(ikey_py_held *held)
{
    ikey_event_free(held->event);
    ikey_error_free(held->error);
    ikey_op_free(held->op);
    ikey_client_free(held->client);
    *held = (ikey_py_held){0};
}

// `status`, after the views into what came with it are made. They cannot fail: the handles are new.
static int32_t ikey_py_view(ikey_py_held *given, int32_t status)
{
    const uint8_t *bytes = NULL;
    if (status < 0) {
        ikey_error_json(given->error, &bytes, &given->head_length);
        given->head = (const char *)bytes;
    } else if (given->event != NULL) {
        ikey_event_kind(given->event, &given->kind, NULL);
        ikey_event_head(given->event, &bytes, &given->head_length, NULL);
        given->head = (const char *)bytes;
        ikey_event_raw(given->event, &bytes, &given->raw_length, NULL);
        given->raw = (const char *)bytes;
        ikey_event_vectors(given->event, &given->values, &given->rows, &given->columns, NULL);
    }
    return status;
}

static int32_t ikey_py_client_new(const char *options, size_t length, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_client_new(BYTES(options), length, &given->client, &given->error));
}

static int32_t ikey_py_client_endpoint(ikey_py_held *client, const char *options, size_t length, ikey_py_held *given)
{
    int32_t status = ikey_client_endpoint(client->client, BYTES(options), length, &given->client, &given->error);
    return ikey_py_view(given, status);
}

static int32_t ikey_py_client_describe(ikey_py_held *client, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_client_describe(client->client, &given->event, &given->error));
}

static int32_t ikey_py_client_close(ikey_py_held *client, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_client_close(client->client, &given->error));
}

static int32_t ikey_py_spec_file_read(const char *file, size_t file_length, const char *options, size_t options_length,
                                      ikey_py_held *given)
{
    int32_t status = ikey_spec_file_read(BYTES(file), file_length, BYTES(options), options_length, &given->event,
                                         &given->error);
    return ikey_py_view(given, status);
}

static int32_t ikey_py_op_submit(ikey_py_held *client, const char *name, size_t name_length, const char *request,
                                 size_t request_length, ikey_py_held *given)
{
    int32_t status = ikey_op_submit(client->client, BYTES(name), name_length, BYTES(request), request_length, NULL,
                                    &given->op, &given->error);
    return ikey_py_view(given, status);
}

static int32_t ikey_py_op_next(ikey_py_held *op, int32_t timeout_ms, ikey_py_held *given)
{
    return ikey_py_view(given, ikey_op_next(op->op, timeout_ms, &given->event, &given->error));
}

static void ikey_py_op_free(ikey_py_held *op)
{
    ikey_op_free(op->op);
    op->op = NULL;
}
