/* SPDX-License-Identifier: MIT */
/* The file of a logring: made, mapped, checked. */
#include "../percpu/cpu_limit.h"
#include "logring_format.h"

#include <pawl/cpu.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES_MIN ((size_t)16 << 10)
#define RING_BYTES_MAX ((size_t)1 << 30)
#define RING_BYTES_DEFAULT ((size_t)1 << 20)
#define LANES_MAX 64u
#define LANES_DEFAULT 16u

static size_t file_bytes(uint32_t rings, uint64_t ring_bytes)
{
    return PAWL_LOGRING_PAGE_ + rings * (size_t)(PAWL_LOGRING_RING_HEAD_ + ring_bytes);
}

static int64_t clock_now(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The head that the options ask for. 0 or -EINVAL. */
static int plan(struct pawl_logring_file_ *head, const struct pawl_logring_options *options)
{
    static const struct pawl_logring_options defaults = {0};
    size_t ring_bytes = RING_BYTES_MIN;
    size_t wanted;
    unsigned lanes;

    if (options == NULL)
        options = &defaults;
    wanted = options->ring_bytes != 0 ? options->ring_bytes : RING_BYTES_DEFAULT;
    lanes = options->lanes != 0 ? options->lanes : LANES_DEFAULT;
    if (wanted > RING_BYTES_MAX || lanes > LANES_MAX)
        return -EINVAL;
    while (ring_bytes < wanted)
        ring_bytes *= 2;
    memset(head, 0, sizeof *head);
    head->page_bytes = PAWL_LOGRING_PAGE_;
    head->cpus = pawl_cpu_limit();
    head->rings = head->cpus + lanes;
    head->classes = PAWL_LOGRING_CLASSES;
    head->ring_bytes = ring_bytes;
    memcpy(head->horizon_ns, options->horizon_ns, sizeof head->horizon_ns);
    head->realtime_ns = clock_now(CLOCK_REALTIME) - clock_now(CLOCK_MONOTONIC);
    return head->rings <= PAWL_LOGRING_RINGS_MAX_ ? 0 : -EINVAL;
}

int pawl_logring_format(int fd, const struct pawl_logring_options *options)
{
    struct pawl_logring_file_ head;
    struct pawl_logring_file_ *file;
    struct stat status;
    int planned = plan(&head, options);

    if (planned != 0)
        return planned;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (status.st_size != 0)
        return -EEXIST;
    if (ftruncate(fd, (off_t)file_bytes(head.rings, head.ring_bytes)) != 0)
        return -errno;
    file = mmap(NULL, PAWL_LOGRING_PAGE_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED)
        return -errno;
    memcpy(file, &head, sizeof head);
    /* release: the head above; pairs with the acquire in pawl_logring_map_ */
    pawl_store_release(&file->ready, PAWL_LOGRING_MAGIC_);
    munmap(file, PAWL_LOGRING_PAGE_);
    return 0;
}

int pawl_logring_create(const char *name, const struct pawl_logring_options *options)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int status;

    if (fd < 0)
        return -1;
    status = pawl_logring_format(fd, options);
    /* nobody can take pages away from under the others' feet */
    if (status == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        status = -errno;
    if (status != 0) {
        close(fd);
        errno = -status;
        return -1;
    }
    return fd;
}

/* Whether the numbers of the head are ones that `plan` makes, and the file is as large as they say. Keeps them. */
static int check_head(struct pawl_logring_map_ *map, const struct pawl_logring_file_ *file)
{
    map->ring_bytes = file->ring_bytes;
    map->cpus = file->cpus;
    map->rings = file->rings;
    if (file->page_bytes != PAWL_LOGRING_PAGE_ || file->classes != PAWL_LOGRING_CLASSES ||
        map->ring_bytes < RING_BYTES_MIN || map->ring_bytes > RING_BYTES_MAX ||
        (map->ring_bytes & (map->ring_bytes - 1)) != 0 || map->rings > PAWL_LOGRING_RINGS_MAX_ ||
        map->cpus >= map->rings)
        return -EINVAL;
    return map->bytes == file_bytes(map->rings, map->ring_bytes) ? 0 : -EINVAL;
}

int pawl_logring_map_(struct pawl_logring_map_ *map, int fd, bool writable)
{
    struct stat status;
    int checked;
    uint64_t ready;

    if (fstat(fd, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size == 0)
        return -EAGAIN;
    if ((size_t)status.st_size < file_bytes(1, RING_BYTES_MIN))
        return -EINVAL;
    map->bytes = (size_t)status.st_size;
    map->file = mmap(NULL, map->bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (map->file == MAP_FAILED)
        return -errno;
    /* acquire: pairs with the release in pawl_logring_format */
    ready = pawl_load_acquire(&map->file->ready);
    checked = ready == 0 ? -EAGAIN : ready != PAWL_LOGRING_MAGIC_ ? -EINVAL : check_head(map, map->file);
    if (checked != 0)
        pawl_logring_unmap_(map);
    return checked;
}

void pawl_logring_unmap_(const struct pawl_logring_map_ *map)
{
    munmap(map->file, map->bytes);
}
