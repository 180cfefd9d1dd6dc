/* SPDX-License-Identifier: MIT */
#include "crc32c.h"
#include "snapshot.h"
#include "snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct reader {
    struct cache_session *session;
    struct cache_store *store;
    int fd;
    uint64_t left; /* bytes of the file */
    char *block;
    size_t room;
    uint64_t number, items; /* of blocks, in them */
    uint32_t id;
    int64_t unix_now;
    struct cache_snapshot *result;
};

static int refuse(struct reader *reader, int error, const char *wrong)
{
    reader->result->wrong = wrong;
    return error;
}

static int damaged(struct reader *reader)
{
    return refuse(reader, -EBADMSG, "it is damaged");
}

/* All of `count`; the file is known to have as many. */
static int read_all(struct reader *reader, void *to, size_t count)
{
    char *at = to;

    while (count > 0) {
        const size_t wanted = count < SSIZE_MAX ? count : SSIZE_MAX;
        const ssize_t got = read(reader->fd, at, wanted);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return refuse(reader, -EBADMSG, "it became shorter while it was read");
        at += got;
        count -= (size_t)got;
        reader->left -= (uint64_t)got;
    }
    return 0;
}

static uint32_t expiry_of(const struct reader *reader, int64_t unix_time)
{
    const int64_t left = unix_time - reader->unix_now;
    const int64_t at = (int64_t)cache_now(reader->store) + left;

    return at < (int64_t)UINT32_MAX ? (uint32_t)at : UINT32_MAX;
}

/* ---- items ---- */

static void restore(struct reader *reader, const struct snapshot_item *head, const char *bytes)
{
    struct cache_snapshot *result = reader->result;
    struct cache_restored from = {
        .cas = head->cas,
        .flags = head->flags,
        .age = head->age,
        .heat = head->heat,
        .stale = (head->size & CACHE_STALE_) != 0,
        .won = (head->size & CACHE_WON_) != 0,
        .spared = head->queue != 0,
        .base64 = head->base64 != 0,
        .value = bytes + head->key_bytes,
        .value_bytes = head->size & (uint32_t)CACHE_VALUE_MAX,
    };
    struct cache_key key;

    if (head->expires != 0 && head->expires <= reader->unix_now) {
        result->expired++;
        return;
    }
    if (head->expires != 0)
        from.expires = expiry_of(reader, head->expires);
    cache_key_make(reader->store, &key, bytes, head->key_bytes);
    switch (cache_restore(reader->session, &key, &from)) {
    case CACHE_STORED:
        result->items++;
        break;
    case CACHE_EXISTS: /* it was moved while the file was written, and is in it twice */
        break;
    default:
        result->refused++;
    }
}

/* Condition 4. */
static int read_items(struct reader *reader, const struct snapshot_block *block)
{
    const char *at = reader->block, *end = at + block->bytes;

    for (uint32_t i = 0; i < block->items; i++) {
        struct snapshot_item head;
        uint64_t bytes;

        if ((size_t)(end - at) < sizeof head)
            return damaged(reader);
        memcpy(&head, at, sizeof head);
        at += sizeof head;
        bytes = (uint64_t)head.key_bytes + (head.size & (uint32_t)CACHE_VALUE_MAX);
        if (head.key_bytes == 0 || head.key_bytes > CACHE_KEY_MAX || bytes > (uint64_t)(end - at))
            return damaged(reader);
        restore(reader, &head, at);
        at += bytes;
    }
    reader->items += block->items;
    return at == end ? 0 : damaged(reader);
}

/* ---- blocks ---- */

/* Condition 5. */
static int read_end(struct reader *reader, const struct snapshot_block *block)
{
    uint64_t items;

    if (block->bytes != sizeof items || block->items != 0)
        return damaged(reader);
    memcpy(&items, reader->block, sizeof items);
    if (items != reader->items || reader->left != 0)
        return damaged(reader);
    return 0;
}

/* Conditions 2 and 3. *ended: it was the last. */
static int read_block(struct reader *reader, bool *ended)
{
    struct snapshot_block block;
    uint32_t sum;
    int error;

    if (reader->left < sizeof block)
        return refuse(reader, -EBADMSG, "it is truncated");
    error = read_all(reader, &block, sizeof block);
    if (error != 0)
        return error;
    if ((block.magic != SNAPSHOT_BLOCK && block.magic != SNAPSHOT_LAST) || block.id != reader->id ||
        block.number != reader->number++)
        return damaged(reader);
    if (block.bytes > reader->left)
        return refuse(reader, -EBADMSG, "it is truncated");
    if (block.bytes > reader->room) {
        free(reader->block);
        reader->room = 0;
        reader->block = malloc(block.bytes);
        if (reader->block == NULL)
            return -ENOMEM;
        reader->room = block.bytes;
    }
    error = read_all(reader, reader->block, block.bytes);
    if (error != 0)
        return error;
    sum = cache_crc32c(0, &block, offsetof(struct snapshot_block, sum));
    if (cache_crc32c(sum, reader->block, block.bytes) != block.sum)
        return damaged(reader);
    *ended = block.magic == SNAPSHOT_LAST;
    return *ended ? read_end(reader, &block) : read_items(reader, &block);
}

/* Condition 1. */
static int read_header(struct reader *reader, struct snapshot_header *header)
{
    int error;

    if (reader->left < sizeof *header)
        return refuse(reader, -EINVAL, "it is no snapshot of pawl-cache");
    error = read_all(reader, header, sizeof *header);
    if (error != 0)
        return error;
    if (memcmp(header->magic, SNAPSHOT_MAGIC, sizeof header->magic) != 0)
        return refuse(reader, -EINVAL, "it is no snapshot of pawl-cache");
    if (header->order != SNAPSHOT_ORDER)
        return refuse(reader, -EBADMSG, "it is of a machine with another byte order");
    if (header->version != SNAPSHOT_VERSION)
        return refuse(reader, -EBADMSG, "it is of another version of pawl-cache");
    if (cache_crc32c(0, header, offsetof(struct snapshot_header, sum)) != header->sum)
        return damaged(reader);
    reader->id = (uint32_t)header->id;
    return 0;
}

static int read_snapshot(struct reader *reader)
{
    struct snapshot_header header;
    bool ended = false;
    int error = read_header(reader, &header);

    if (error != 0)
        return error;
    cache_cas_begin(reader->store, header.next_cas);
    while (error == 0 && !ended)
        error = read_block(reader, &ended);
    if (error != 0)
        cache_flush(reader->store, cache_now(reader->store)); /* all or nothing */
    else if (header.flush > reader->unix_now)
        cache_flush(reader->store, expiry_of(reader, header.flush));
    else if (header.flush != 0)
        cache_flush(reader->store, cache_now(reader->store));
    return error;
}

int cache_snapshot_read_fd(struct cache_session *session, int fd, struct cache_snapshot *result)
{
    struct reader reader = {.session = session,
                            .store = cache_session_store(session),
                            .fd = fd,
                            .unix_now = (int64_t)time(NULL),
                            .result = result};
    struct stat status;
    int error;

    *result = (struct cache_snapshot){0};
    if (fstat(fd, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return refuse(&reader, -EINVAL, "it is no file");
    result->bytes = reader.left = (uint64_t)status.st_size;
    error = read_snapshot(&reader);
    free(reader.block);
    if (error != 0)
        result->items = 0;
    return error;
}

int cache_snapshot_read(struct cache_session *session, const char *path, struct cache_snapshot *result)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error; /* a pipe is refused, not waited for */

    *result = (struct cache_snapshot){0};
    if (fd < 0)
        return -errno;
    error = cache_snapshot_read_fd(session, fd, result);
    close(fd);
    return error;
}
