/* SPDX-License-Identifier: MIT */
/* libuv: files by its pool of threads, everything else by its loop. */
#include "sources_peers.h"

#include <uv.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static struct {
    uv_loop_t loop;
    struct source_scene *scene;
    uint64_t to_begin, to_end;
    uv_fs_t reads[SOURCE_DEPTH_MAX];
    uv_pipe_t from, to;
    uv_write_t write;
    size_t heard;
    uv_signal_t signal;
    uv_process_t process;
    uv_fs_event_t folder;
    uv_async_t async;
    struct source_raiser raiser;
} self;

static void begin(unsigned place);

static void done(unsigned place)
{
    if (--self.to_end == 0)
        uv_stop(&self.loop);
    else if (self.to_begin > 0)
        begin(place);
}

static void read_done(uv_fs_t *read)
{
    if (read->result != (ssize_t)self.scene->bytes)
        source_failed("uv_fs_read", read->result);
    uv_fs_req_cleanup(read);
    done((unsigned)(read - self.reads));
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    (void)handle;
    (void)wanted;
    *buffer = uv_buf_init(self.scene->buffers[0], SOURCE_BYTES_MAX);
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void)stream;
    (void)buffer;
    if (count < 0)
        source_failed("uv_read", count);
    self.heard += (size_t)count;
    while (self.heard >= SOURCE_MESSAGE) {
        self.heard -= SOURCE_MESSAGE;
        done(0);
    }
}

static void caught(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    done(0);
}

static void closed(uv_handle_t *handle)
{
    (void)handle;
    done(0);
}

static void child_ended(uv_process_t *process, int64_t status, int signal)
{
    source_check_status(status << 8 | signal);
    uv_close((uv_handle_t *)process, closed);
}

static void changed(uv_fs_event_t *handle, const char *name, int events, int status)
{
    (void)handle;
    (void)name;
    (void)events;
    if (status != 0)
        source_failed("uv_fs_event", status);
    done(0);
}

static void raised(uv_async_t *async)
{
    (void)async;
    done(0);
}

static void raise_event(void *async)
{
    (void)uv_async_send(async);
}

static int spawn(void)
{
    static char path[] = "/bin/true";
    char *argv[] = {path, NULL};
    uv_process_options_t options = {.exit_cb = child_ended, .file = path, .args = argv};

    return uv_spawn(&self.loop, &self.process, &options);
}

static void begin(unsigned place)
{
    struct source_scene *scene = self.scene;
    uv_buf_t buffer;
    int status = 0;

    self.to_begin--;
    switch (scene->kind) {
    case SOURCE_READ:
        buffer = uv_buf_init(scene->buffers[place], (unsigned)scene->bytes);
        status = uv_fs_read(&self.loop, &self.reads[place], scene->file, &buffer, 1, 0, read_done);
        break;
    case SOURCE_PIPE: /* directly, which is best for it: nothing has to be kept */
        buffer = uv_buf_init(scene->message, SOURCE_MESSAGE);
        status = uv_try_write((uv_stream_t *)&self.to, &buffer, 1);
        status = status == SOURCE_MESSAGE ? 0 : status;
        break;
    case SOURCE_SIGNAL:
        source_signal();
        break;
    case SOURCE_CHILD:
        status = spawn();
        break;
    case SOURCE_CHANGE:
        source_touch(scene);
        break;
    case SOURCE_EVENT:
        source_raiser_ask(&self.raiser);
        break;
    }
    if (status != 0)
        source_failed("begin", status);
}

static int open_pipe(void)
{
    int status = uv_pipe_init(&self.loop, &self.from, 0);

    if (status == 0)
        status = uv_pipe_init(&self.loop, &self.to, 0);
    if (status == 0)
        status = uv_pipe_open(&self.from, self.scene->from);
    if (status == 0)
        status = uv_pipe_open(&self.to, self.scene->to);
    return status != 0 ? status : uv_read_start((uv_stream_t *)&self.from, give_room, received);
}

static int libuv_open(struct source_scene *scene)
{
    int status = uv_loop_init(&self.loop);

    self.scene = scene;
    if (status != 0)
        return status;
    switch (scene->kind) {
    case SOURCE_PIPE:
        return open_pipe();
    case SOURCE_SIGNAL:
        status = uv_signal_init(&self.loop, &self.signal);
        return status != 0 ? status : uv_signal_start(&self.signal, caught, SIGUSR1);
    case SOURCE_CHANGE:
        status = uv_fs_event_init(&self.loop, &self.folder);
        return status != 0 ? status : uv_fs_event_start(&self.folder, changed, scene->folder, 0);
    case SOURCE_EVENT:
        status = uv_async_init(&self.loop, &self.async, raised);
        return status != 0 ? status : source_raiser_start(&self.raiser, raise_event, &self.async);
    case SOURCE_READ:
    case SOURCE_CHILD:
    default:
        return 0;
    }
}

static int libuv_run(struct source_scene *scene, uint64_t n)
{
    self.to_begin = self.to_end = n;
    for (unsigned i = 0; i < scene->depth && self.to_begin > 0; i++)
        begin(i);
    if (self.to_end > 0)
        (void)uv_run(&self.loop, UV_RUN_DEFAULT);
    return 0;
}

const struct source_peer source_libuv = {"libuv", ~0u, libuv_open, libuv_run};
