/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: a client sends one line and gets the answer, then the connection ends. Only
 * the user who runs the lab can connect (mode 0600). At most LINE_BYTES_MAX bytes a line.
 */

#include "lab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024

struct lab_control {
    uv_pipe_t pipe;
    struct lab *lab;
    char *path;
};

struct control_client {
    uv_pipe_t pipe;
    uv_write_t write;
    struct lab *lab;
    char line[LINE_BYTES_MAX];
    size_t count;
    struct textbuf out;
    bool answered;
};

static void client_closed(uv_handle_t *handle)
{
    struct control_client *client = handle->data;

    textbuf_done(&client->out);
    free(client);
}

static void client_close(struct control_client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->pipe)) {
        uv_close((uv_handle_t *)&client->pipe, client_closed);
    }
}

static void client_written(uv_write_t *request, int status)
{
    client_close(request->data);
}

static void client_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret_buf)
{
    struct control_client *client = handle->data;

    *ret_buf =
        uv_buf_init(client->line + client->count, (unsigned)(LINE_BYTES_MAX - 1 - client->count));
}

static void client_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct control_client *client = stream->data;

    if (count > 0) {
        client->count += (size_t)count;
    }
    client->line[client->count] = '\0';
    char *end = strchr(client->line, '\n');
    if (end == NULL && count > 0 && client->count < LINE_BYTES_MAX - 1) {
        return;
    }
    uv_read_stop(stream);
    if (end == NULL) {
        client_close(client);
        return;
    }
    *end = '\0';
    lab_command_run(client->lab, client->line, &client->out);
    uv_buf_t out = uv_buf_init(client->out.at, (unsigned)client->out.count);
    client->write.data = client;
    if (client->out.count == 0 || uv_write(&client->write, stream, &out, 1, client_written) != 0) {
        client_close(client);
    }
}

static void control_connected(uv_stream_t *server, int status)
{
    struct lab_control *control = server->data;
    struct control_client *client = status < 0 ? NULL : calloc(1, sizeof *client);

    if (client == NULL) {
        return;
    }
    client->lab = control->lab;
    uv_pipe_init(&control->lab->loop, &client->pipe, 0);
    client->pipe.data = client;
    if (uv_accept(server, (uv_stream_t *)&client->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&client->pipe, client_room, client_read) != 0) {
        client_close(client);
    }
}

int lab_control_open(struct lab *lab, const char *path, struct nsh_error *err)
{
    struct lab_control *control = calloc(1, sizeof *control);

    if (control == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the control socket");
    }
    control->lab = lab;
    control->path = strdup(path);
    lab->control = control;
    unlink(path);
    uv_pipe_init(&lab->loop, &control->pipe, 0);
    control->pipe.data = control;
    mode_t mask = umask(0177);
    int result = uv_pipe_bind(&control->pipe, path);
    umask(mask);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&control->pipe, 64, control_connected);
    }
    return result == 0 ? 0
                       : nsh_fail(err, NSH_IO, "control socket %s: %s", path, uv_strerror(result));
}

void lab_control_close(struct lab *lab)
{
    if (lab->control != NULL) {
        unlink(lab->control->path);
        free(lab->control->path);
        free(lab->control);
        lab->control = NULL;
    }
}
