/* SPDX-License-Identifier: MIT */
/* Random calls of buffers. Left out is where libevent has several pieces of memory and this has one: evbuffer_peek() of an
 * empty buffer, and space that is reserved and not used up, after which libevent's evbuffer_commit_space() may refuse. */
#include "trace_event.h"

#include <event2/buffer.h>
#include <event2/buffer_compat.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFERS = 3, STEPS = 150, BYTES = 8000 };

static struct evbuffer *buffers[BUFFERS];
static int ends[2];
static char bytes[BYTES], taken[BYTES];

static void on_change(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    printf("  changed %d: %zu +%zu -%zu is %zu\n", (int)(intptr_t)arg, info->orig_size, info->n_added,
           info->n_deleted, evbuffer_get_length(buffer));
}

/* The length and a sum of all bytes, if it may be read. */
static void print_buffer(int which)
{
    size_t length = evbuffer_get_length(buffers[which]);
    unsigned char *copy = calloc(1, length + 1);
    ev_ssize_t count = evbuffer_copyout(buffers[which], copy, length);
    unsigned sum = 0;

    for (ev_ssize_t i = 0; i < count; i++)
        sum = sum * 33 + copy[i];
    printf("%d is %zu, %zd, %x\n", which, length, count, sum);
    free(copy);
}

/* Letters and what ends lines. */
static void fill(int count)
{
    static const char letters[] = "ab\r\n\0c\r\n";

    for (int i = 0; i < count; i++)
        bytes[i] = letters[any(sizeof letters - 1)];
}

/* A place in it, or NULL. */
static struct evbuffer_ptr *place(struct evbuffer *buffer, struct evbuffer_ptr *at)
{
    int status;

    if (any(2) == 0)
        return NULL;
    status = evbuffer_ptr_set(buffer, at, (size_t)any(60), EVBUFFER_PTR_SET);
    printf("set %d: %zd\n", status, at->pos);
    return status == 0 ? at : NULL;
}

static void look(struct evbuffer *buffer, int count)
{
    struct evbuffer_ptr from, to, found;
    struct evbuffer_ptr *first = place(buffer, &from), *last = place(buffer, &to);
    size_t length = 99;
    int style = any(5);

    switch (any(5)) {
    case 0:
        found = evbuffer_search_eol(buffer, first, &length, (enum evbuffer_eol_style)style);
        printf("eol %d: %zd %zu\n", style, found.pos, length);
        break;
    case 1:
        found = evbuffer_search_range(buffer, bytes, (size_t)(count < 3 ? count : 3), first, last);
        printf("search: %zd\n", found.pos);
        if (found.pos >= 0)
            printf("add: %d\n", evbuffer_ptr_set(buffer, &found, (size_t)any(20), EVBUFFER_PTR_ADD));
        break;
    case 2:
        if (first != NULL)
            printf("copyout: %zd\n", evbuffer_copyout_from(buffer, first, taken, (size_t)any(100)));
        break;
    case 3:
        printf("find: %d\n", evbuffer_find(buffer, (unsigned char *)bytes, (size_t)(count % 4)) != NULL);
        break;
    default:
        printf("pullup: %d\n", evbuffer_pullup(buffer, any(3) == 0 ? -1 : any(100)) != NULL);
        break;
    }
}

static void put(struct evbuffer *buffer, int count)
{
    size_t size = (size_t)count;
    struct evbuffer_iovec pieces[2] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}}, space;

    switch (any(6)) {
    case 0:
        printf("prepend %d: %d\n", count, evbuffer_prepend(buffer, bytes, size));
        break;
    case 1:
        printf("printf: %d\n", evbuffer_add_printf(buffer, "%.*s-%d", any(10), "abcdefghij", count));
        break;
    case 2:
        printf("iovec: %zu\n", evbuffer_add_iovec(buffer, pieces, 2));
        break;
    case 3:
        if (evbuffer_reserve_space(buffer, count + 1, &space, 1) != 1)
            break;
        memset(space.iov_base, 'r', size + 1);
        space.iov_len = size + 1;
        printf("commit: %d\n", evbuffer_commit_space(buffer, &space, 1));
        break;
    default:
        printf("add %d: %d\n", count, evbuffer_add(buffer, bytes, size));
        break;
    }
}

static void take(struct evbuffer *buffer, int count)
{
    int style = any(5);
    size_t length = 99;
    char *line;

    switch (any(4)) {
    case 0:
        printf("drain %d: %d\n", count, evbuffer_drain(buffer, (size_t)count));
        break;
    case 1:
        line = evbuffer_readln(buffer, &length, (enum evbuffer_eol_style)style);
        printf("readln %d: %d %zu\n", style, line != NULL, length);
        free(line);
        break;
    case 2:
        line = evbuffer_readline(buffer);
        printf("readline: %d\n", line != NULL);
        free(line);
        break;
    default:
        printf("remove %d: %d\n", count, evbuffer_remove(buffer, taken, (size_t)count));
        break;
    }
}

static void pour(int from, int to, int count)
{
    switch (any(3)) {
    case 0:
        printf("add_buffer: %d\n", evbuffer_add_buffer(buffers[to], buffers[from]));
        break;
    case 1:
        printf("prepend_buffer: %d\n", evbuffer_prepend_buffer(buffers[to], buffers[from]));
        break;
    default:
        if (from != to)
            printf("remove_buffer %d: %d\n", count,
                   evbuffer_remove_buffer(buffers[from], buffers[to], (size_t)count));
        break;
    }
}

static void through_socket(struct evbuffer *buffer, int count)
{
    switch (any(4)) {
    case 0:
        printf("read: %d\n", evbuffer_read(buffer, ends[0], any(3) == 0 ? -1 : any(3000)));
        break;
    case 1:
        printf("write: %d\n", evbuffer_write_atmost(buffer, ends[0], any(3) == 0 ? -1 : any(3000)));
        break;
    case 2:
        printf("socket gets %zd\n", write(ends[1], bytes, (size_t)count));
        break;
    default:
        printf("socket gives %zd\n", read(ends[1], taken, sizeof taken));
        break;
    }
}

static void settle(struct evbuffer *buffer, int which)
{
    int front = any(2);

    switch (any(4)) {
    case 0:
        printf("freeze %d: %d\n", front, evbuffer_freeze(buffer, front));
        break;
    case 1:
        evbuffer_remove_cb(buffer, on_change, (void *)(intptr_t)which);
        evbuffer_add_cb(buffer, on_change, (void *)(intptr_t)which);
        break;
    default: /* more often, that something happens */
        printf("unfreeze %d: %d\n", front, evbuffer_unfreeze(buffer, front));
        break;
    }
}

void play_buffers(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        exit(1);
    for (int i = 0; i < BUFFERS; i++)
        buffers[i] = evbuffer_new();
    for (int i = 0; i < STEPS; i++) {
        int which = any(BUFFERS), count = any(9) == 0 ? any(BYTES) : any(40);

        fill(count);
        switch (any(6)) {
        case 0:
            look(buffers[which], count);
            break;
        case 1:
            take(buffers[which], count);
            break;
        case 2:
            pour(which, any(BUFFERS), count);
            break;
        case 3:
            through_socket(buffers[which], count);
            break;
        case 4:
            settle(buffers[which], which);
            break;
        default:
            put(buffers[which], count);
            break;
        }
        print_buffer(which);
    }
    for (int i = 0; i < BUFFERS; i++)
        evbuffer_free(buffers[i]);
    close(ends[0]);
    close(ends[1]);
}
