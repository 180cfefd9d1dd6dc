/* SPDX-License-Identifier: MIT */
#include "crc32c.h"
#include "snapshot.h"
#include "snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pawl/rcu.h>
#include <pawl/stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BUCKETS_A_STEP = 8,      /* some 40 items a section */
    BLOCK_BYTES = 256 << 10, /* a block is written when it has so many */
    HELD_BYTES = 16 << 10,   /* values from here on are held, not copied */
    TRIES_MAX = 10,
};

/* An item whose value is too large to be copied: its segment is held. */
struct held {
    struct snapshot_item head;
    struct pawl_slice key_and_value; /* they stand one behind the other */
};

struct writer {
    const struct cache_store *store;
    int fd, error;
    int64_t unix_now;
    uint32_t clock_now, id, items; /* of this block */
    char *block;
    size_t used, room;
    struct held *held;
    size_t held_count, held_room;
    uint64_t number;
    struct cache_snapshot *result;
};

/* ---- bytes ---- */

static int write_all(int fd, struct iovec *part, int parts)
{
    while (parts > 0) {
        ssize_t count = writev(fd, part, parts);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        while (parts > 0 && (size_t)count >= part->iov_len) {
            count -= (ssize_t)part->iov_len;
            part++;
            parts--;
        }
        if (parts > 0) {
            part->iov_base = (char *)part->iov_base + count;
            part->iov_len -= (size_t)count;
        }
    }
    return 0;
}

/* A block of two pieces; the second may be empty. */
static void write_block(struct writer *writer, uint32_t magic, uint32_t items, const void *bytes,
                        size_t count, const char *more, size_t more_count)
{
    struct snapshot_block head = {.magic = magic,
                                  .items = items,
                                  .bytes = (uint64_t)count + more_count,
                                  .number = writer->number++,
                                  .id = writer->id};
    struct iovec parts[] = {{&head, sizeof head},
                            {(void *)(uintptr_t)bytes, count}, /* writev only reads */
                            {(void *)(uintptr_t)more, more_count}};

    if (writer->error != 0)
        return;
    head.sum = cache_crc32c(0, &head, offsetof(struct snapshot_block, sum));
    head.sum = cache_crc32c(head.sum, bytes, count);
    head.sum = cache_crc32c(head.sum, more, more_count);
    writer->error = write_all(writer->fd, parts, more_count > 0 ? 3 : 2);
    writer->result->items += items;
    writer->result->bytes += sizeof head + count + more_count;
}

/* ---- items ---- */

static void describe(const struct writer *writer, const struct cache_item *item, struct snapshot_item *head)
{
    struct cache_restored from;

    cache_describe(writer->store, item, &from);
    *head = (struct snapshot_item){
        .cas = from.cas,
        .flags = from.flags,
        .size = from.value_bytes | (from.stale ? CACHE_STALE_ : 0) | (from.won ? CACHE_WON_ : 0),
        .key_bytes = item->key_bytes,
        .heat = from.heat,
        .queue = from.spared,
        .base64 = from.base64,
        .age = from.age,
    };
    if (from.expires != 0)
        head->expires = writer->unix_now + ((int64_t)from.expires - (int64_t)writer->clock_now);
}

/* Room for `count` more of `size` bytes in an array. */
static bool make_room(struct writer *writer, void *array, size_t *room, size_t count, size_t size)
{
    size_t wanted = *room > 0 ? *room : 64;
    void *larger, *present;

    memcpy(&present, array, sizeof present);
    if (count <= *room)
        return true;
    while (wanted < count)
        wanted *= 2;
    larger = realloc(present, wanted * size);
    if (larger == NULL) {
        writer->error = -ENOMEM;
        return false;
    }
    memcpy(array, &larger, sizeof larger);
    *room = wanted;
    return true;
}

static void hold(struct writer *writer, const struct cache_item *item, const struct snapshot_item *head,
                 size_t bytes)
{
    struct held *held;

    if (!make_room(writer, &writer->held, &writer->held_room, writer->held_count + 1, sizeof *held))
        return;
    held = &writer->held[writer->held_count++];
    held->head = *head;
    held->key_and_value = (struct pawl_slice){cache_item_key(item), bytes,
                                              cache_store_chunk(writer->store, item)};
    pawl_slice_hold(&held->key_and_value);
}

/* In a section. */
static void take(void *arg, const struct cache_item *item)
{
    struct writer *writer = arg;
    const size_t bytes = (size_t)item->key_bytes + cache_item_value_bytes(item);
    struct snapshot_item head;

    if (writer->error != 0)
        return;
    describe(writer, item, &head);
    if (bytes >= HELD_BYTES) {
        hold(writer, item, &head, bytes);
        return;
    }
    if (!make_room(writer, &writer->block, &writer->room, writer->used + sizeof head + bytes, 1))
        return;
    memcpy(writer->block + writer->used, &head, sizeof head);
    memcpy(writer->block + writer->used + sizeof head, cache_item_key(item), bytes);
    writer->used += sizeof head + bytes;
    writer->items++;
}

/* What has been taken goes out, without a section. */
static void put_out(struct writer *writer, bool all)
{
    if (writer->used >= BLOCK_BYTES || (all && writer->used > 0)) {
        write_block(writer, SNAPSHOT_BLOCK, writer->items, writer->block, writer->used, NULL, 0);
        writer->used = 0;
        writer->items = 0;
    }
    for (size_t i = 0; i < writer->held_count; i++) {
        const struct held *held = &writer->held[i];

        write_block(writer, SNAPSHOT_BLOCK, 1, &held->head, sizeof held->head, held->key_and_value.bytes,
                    held->key_and_value.count);
        pawl_slice_release(&held->key_and_value);
    }
    writer->held_count = 0;
}

/* ---- all of it ---- */

/* Room for it: what it says is known at the end. */
static void begin(struct writer *writer)
{
    struct snapshot_header nothing = {.id = 0};
    struct iovec part = {&nothing, sizeof nothing};

    if (getrandom(&writer->id, sizeof writer->id, 0) != (ssize_t)sizeof writer->id)
        writer->id = (uint32_t)writer->unix_now; /* it need not be secret */
    writer->error = write_all(writer->fd, &part, 1);
    writer->result->bytes += sizeof nothing;
}

/* Last of all: numbers of cas that were given while the items were written are in it, too. */
static void write_header(struct writer *writer, uint32_t flush_at)
{
    struct snapshot_header header = {
        .magic = {'p', 'a', 'w', 'l', 's', 'n', 'a', 'p'},
        .order = SNAPSHOT_ORDER,
        .version = SNAPSHOT_VERSION,
        .taken = writer->unix_now,
        .next_cas = cache_cas_end(writer->store),
        .flush = flush_at == 0 ? 0 : writer->unix_now + ((int64_t)flush_at - (int64_t)writer->clock_now),
        .id = writer->id,
    };
    struct iovec part = {&header, sizeof header};

    if (writer->error == 0 && lseek(writer->fd, 0, SEEK_SET) != 0)
        writer->error = -errno;
    if (writer->error != 0)
        return;
    header.sum = cache_crc32c(0, &header, offsetof(struct snapshot_header, sum));
    writer->error = write_all(writer->fd, &part, 1);
}

static int write_items(struct writer *writer, const PAWL_ATOMIC(bool) * stop)
{
    const uint32_t flushes = cache_flushes(writer->store), flush_at = cache_flush_at(writer->store);
    struct pawl_map_cursor cursor = {0};
    bool more = true;

    begin(writer);
    while (more && writer->error == 0) {
        if (stop != NULL && pawl_load_relaxed(stop)) /* relaxed: it may be late */
            writer->error = -ECANCELED;
        pawl_rcu_read_lock();
        more = cache_walk(writer->store, &cursor, BUCKETS_A_STEP, take, writer);
        pawl_rcu_read_unlock();
        put_out(writer, !more);
    }
    if (writer->error == 0 &&
        (cache_flushes(writer->store) != flushes || cache_flush_at(writer->store) != flush_at))
        writer->error = -ESTALE;
    if (writer->error == 0)
        write_block(writer, SNAPSHOT_LAST, 0, &writer->result->items, sizeof writer->result->items, NULL, 0);
    write_header(writer, flush_at);
    return writer->error;
}

/* Once more when there was a flush: what it took must not come back from the file. */
static int write_store(struct writer *writer, const PAWL_ATOMIC(bool) * stop)
{
    int error = write_items(writer, stop);

    for (int tries = 1; error == -ESTALE && tries < TRIES_MAX; tries++) {
        if (lseek(writer->fd, 0, SEEK_SET) != 0 || ftruncate(writer->fd, 0) != 0) {
            error = -errno;
            break;
        }
        *writer->result = (struct cache_snapshot){0};
        writer->error = 0;
        writer->number = 0;
        error = write_items(writer, stop);
    }
    free(writer->block);
    free(writer->held);
    return error;
}

/* ---- files ---- */

/* The folder of a name. Returns a descriptor or a negative errno. */
static int open_folder(const char *path)
{
    char *copy = strdup(path);
    int fd;

    if (copy == NULL)
        return -ENOMEM;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fd = -errno;
    free(copy);
    return fd;
}

/* The name is as durable as the bytes. */
static int sync_folder(int fd)
{
    int error = 0;

    if (fd < 0)
        return fd;
    if (fsync(fd) != 0 && errno != EINVAL) /* EINVAL: a file system that has nothing to sync */
        error = -errno;
    close(fd);
    return error;
}

int cache_snapshot_remove(const char *path, int *unsynced)
{
    if (unlink(path) != 0)
        return -errno;
    *unsynced = sync_folder(open_folder(path));
    return 0;
}

static char *name_beside(const char *path)
{
    char *name;

    return asprintf(&name, "%s.writing", path) < 0 ? NULL : name;
}

/* Nobody else writes there, as long as the descriptor lives: 0, -EBUSY. Where there are no locks two who write one file
 * spoil it, and its sums tell. */
static int lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK ? 0 : -EBUSY;
}

/* The name is no longer that of this file: since it was opened another has finished it and renamed it, or given it up. */
static bool has_moved(const char *name, const struct stat *open_file)
{
    struct stat named;

    return lstat(name, &named) != 0 || named.st_dev != open_file->st_dev || named.st_ino != open_file->st_ino;
}

/* Has a writer been killed that had begun with this? Its header is zeros until all is there. Not one of ours: somebody's letter
 * that has the name by chance, what has another name too. */
static bool is_left(int fd, const struct stat *status)
{
    static const char zeros[sizeof(SNAPSHOT_MAGIC) - 1];
    char magic[sizeof zeros];
    const ssize_t count = S_ISREG(status->st_mode) ? pread(fd, magic, sizeof magic, 0) : -1;

    return count >= 0 && status->st_nlink == 1 &&
           (memcmp(magic, zeros, (size_t)count) == 0 || memcmp(magic, SNAPSHOT_MAGIC, (size_t)count) == 0);
}

/* Who has made it need not look whose it is: some file systems give all files one owner. */
static int open_beside(const char *name, bool *is_new)
{
    const int how = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = open(name, how | O_EXCL, S_IRUSR | S_IWUSR);

    *is_new = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open(name, how, S_IRUSR | S_IWUSR);
    return fd < 0 ? -errno : fd;
}

/* An empty file of that name that nobody else writes. What a killed writer has left is used again; if it was another user's, who
 * might still read in it, another file takes its place. `wrong`: see struct cache_snapshot. */
static int open_locked(const char *name, bool *left, const char **wrong)
{
    struct stat status = {0};
    bool is_new;

    *left = false;
    for (;;) { /* once more: another writer has finished meanwhile, or one that was killed had left it */
        const int fd = open_beside(name, &is_new);
        int error = fd < 0 ? fd : lock(fd);

        if (error == 0 && fstat(fd, &status) != 0)
            error = -errno;
        if (error == 0 && has_moved(name, &status)) {
            close(fd);
            continue;
        }
        if (error == 0 && !is_new && status.st_uid != geteuid() && is_left(fd, &status) &&
            unlink(name) == 0) {
            *left = *left || status.st_size > 0;
            close(fd); /* its lock until now: who comes meanwhile waits for the other file's */
            continue;
        }
        if (error == -EBUSY)
            *wrong = "another process is writing it";
        if (error == -ELOOP || error == -ENXIO ||
            (error == 0 && !is_new && (status.st_uid != geteuid() || !is_left(fd, &status)))) {
            *wrong = "the file of that name with .writing behind it is not ours";
            error = -EEXIST;
        }
        if (error == 0 && (ftruncate(fd, 0) != 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0))
            error = -errno;
        if (error == 0) {
            *left = *left || status.st_size > 0;
            return fd;
        }
        if (fd >= 0)
            close(fd);
        return error;
    }
}

int cache_snapshot_claim(const char *path, bool *left, const char **wrong)
{
    char *name = name_beside(path);
    int fd;

    *left = false; /* if there is no memory for the name */
    *wrong = NULL;
    if (name == NULL)
        return -ENOMEM;
    fd = open_locked(name, left, wrong);
    free(name);
    return fd;
}

/* Somebody may have removed it, or cleared the folder: then it is claimed no more. */
static bool is_claimed(const char *name, int claim)
{
    struct stat status;

    return claim >= 0 && fstat(claim, &status) == 0 && !has_moved(name, &status);
}

void cache_snapshot_unclaim(const char *path, int claim)
{
    char *name = name_beside(path);

    if (name != NULL && is_claimed(name, claim))
        unlink(name); /* fails at worst, and is an empty file that the next one takes for its own */
    free(name);
    close(claim);
}

int cache_snapshot_left(const char *path)
{
    char *name = name_beside(path);
    struct stat status;
    int fd, error;

    if (name == NULL)
        return -ENOMEM;
    fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    error = fd < 0 ? -errno : lock(fd);
    if (error == 0 && (fstat(fd, &status) != 0 || !is_left(fd, &status)))
        error = -EEXIST;
    if (error == 0 && has_moved(name, &status))
        error = -ENOENT; /* its writer has finished meanwhile: the name is the next one's */
    if (error == 0 && unlink(name) != 0)
        error = -errno;
    if (fd >= 0)
        close(fd);
    free(name);
    return error;
}

/* Under the name it is whole, with all of its bytes on the disk, or it is not there. */
static int write_file(struct writer *writer, const char *name, const char *path, int claim,
                      const PAWL_ATOMIC(bool) * stop)
{
    bool left;
    int error;

    writer->fd = is_claimed(name, claim) ? claim : open_locked(name, &left, &writer->result->wrong);
    if (claim >= 0 && writer->fd != claim)
        close(claim);
    if (writer->fd < 0)
        return writer->fd;
    error = write_store(writer, stop);
    if (error == 0 && fsync(writer->fd) != 0)
        error = -errno;
    if (error == 0 && rename(name, path) != 0)
        error = -errno;
    if (error != 0)
        unlink(name);
    close(writer->fd); /* after the rename: it is locked until then. Errors of writing were told by fsync */
    return error;
}

int cache_snapshot_write(const struct cache_store *store, const char *path, int claim,
                         const PAWL_ATOMIC(bool) * stop, struct cache_snapshot *result)
{
    struct writer writer = {.store = store,
                            .unix_now = (int64_t)time(NULL),
                            .clock_now = cache_now(store),
                            .result = result};
    char *name = name_beside(path);
    int error;

    *result = (struct cache_snapshot){0};
    if (name == NULL) {
        if (claim >= 0)
            close(claim);
        return -ENOMEM;
    }
    error = write_file(&writer, name, path, claim, stop);
    free(name);
    if (error == 0)
        result->unsynced = sync_folder(open_folder(path));
    return error;
}
