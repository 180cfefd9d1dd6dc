/* SPDX-License-Identifier: MIT */
#include "io.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>
#include <time.h>

const char *io_engine;

int io_begin(const char *engine)
{
    const struct pawl_rt_config config = {.workers = 1, .engine = engine};
    struct pawl_rt *rt;
    const int status = pawl_rt_open(&rt, &config);

    if (status == -ENOSYS || status == -EPERM) {
        printf("%s: not on this machine (%s)\n", engine, strerror(-status));
        return 77;
    }
    if (status != 0) {
        fprintf(stderr, "pawl_rt_open: %s\n", strerror(-status));
        return 1;
    }
    (void)pawl_rt_close(rt);
    io_engine = engine;
    (void)io_seed();
    return 0;
}
struct io_counts io_counts;

enum { PATIENCE_MS = 60000 };

/* ---- a runtime ---- */

static struct {
    int fds;
    int64_t allocations;
} before;

int io_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

void io_open(struct pawl_rt **rt, uint32_t workers)
{
    const struct pawl_rt_config config = {.workers = workers, .engine = io_engine};

    memset(&io_counts, 0, sizeof io_counts);
    before.fds = io_descriptors();
    before.allocations = io_live_allocations();
    assert_int_equal(pawl_rt_open(rt, &config), 0);
}

void io_close(struct pawl_rt *rt)
{
    assert_int_equal(pawl_rt_close(rt), 0);
    assert_int_equal(io_descriptors(), before.fds);
    assert_int_equal(io_live_allocations(), before.allocations);
    assert_int_equal(io_get(&io_counts.opened) <= io_get(&io_counts.closed), 1);
}

struct errand {
    struct pawl_message message;
    void (*run)(void *arg);
    void *arg;
    PAWL_ATOMIC(uint64_t) done;
};

static void run_errand(struct pawl_message *message, struct pawl_worker *worker)
{
    struct errand *errand = pawl_mpsc_of(message, struct errand, message);

    (void)worker;
    errand->run(errand->arg);
    io_add(&errand->done, 1);
}

void io_on_at(struct pawl_rt *rt, uint32_t worker, void (*run)(void *arg), void *arg,
              const struct io_place *place)
{
    struct errand errand = {.message = {.run = run_errand}, .run = run, .arg = arg};

    pawl_worker_send_(&rt->worker[worker], &errand.message);
    io_reach_at(&errand.done, 1, place);
}

static void pause_a_little(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    nanosleep(&ms, NULL);
}

void io_reach_at(PAWL_ATOMIC(uint64_t) * counter, uint64_t value, const struct io_place *place)
{
    for (int ms = 0; io_get(counter) < value; ms++) {
        if (ms == PATIENCE_MS) {
            print_error("%s: still %llu of %llu after a minute\n", place->what,
                        (unsigned long long)io_get(counter), (unsigned long long)value);
            _fail(place->file, place->line);
        }
        pause_a_little();
    }
}

struct census {
    enum io_counter counter;
    uint64_t sum;
};

static void take_census(void *arg)
{
    struct census *census = arg;
    struct pawl_io_counts *counts = &pawl_worker_here_()->engine->io.counts;

    switch (census->counter) {
    case IO_STREAMS:
        census->sum += io_get(&counts->streams);
        break;
    case IO_STARVATIONS:
        census->sum += io_get(&counts->starved);
        break;
    case IO_WRITES:
        census->sum += io_get(&counts->writes);
        break;
    default:
        census->sum += io_get(&counts->received) - io_get(&counts->sent);
        break;
    }
}

uint64_t io_sum(struct pawl_rt *rt, enum io_counter counter)
{
    struct census census = {.counter = counter};

    for (uint32_t i = 0; i < pawl_rt_workers(rt); i++)
        io_on(rt, i, take_census, &census);
    return census.sum;
}

uint64_t io_waits(struct pawl_rt *rt)
{
    struct pawl_rt_counts stats;

    assert_int_equal(pawl_rt_stats(rt, PAWL_RT_TOTAL, &stats), 0);
    return stats.turns;
}

void io_streams(struct pawl_rt *rt, uint64_t value)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        if (io_sum(rt, IO_STREAMS) == value)
            return;
        pause_a_little();
    }
    fail_msg("not %llu streams after a minute", (unsigned long long)value);
}

/* ---- a server ---- */

void io_opened(struct pawl_stream *stream)
{
    (void)stream;
    io_add(&io_counts.opened, 1);
}

void io_received_echo(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    io_add(&io_counts.bytes, slice->count);
    if (slice->count % 2 == 0) /* both ways */
        (void)pawl_stream_write(stream, slice->bytes, slice->count);
    else
        (void)pawl_stream_send(stream, slice);
}

void io_received_count(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)stream;
    io_add(&io_counts.bytes, slice->count);
}

void io_ended_close(struct pawl_stream *stream)
{
    io_add(&io_counts.ended, 1);
    pawl_stream_close(stream);
}

void io_drained(struct pawl_stream *stream)
{
    (void)stream;
    io_add(&io_counts.drained, 1);
}

void io_closed(struct pawl_stream *stream, int reason)
{
    pawl_stream_close(stream); /* nothing */
    pawl_stream_abort(stream, 0);
    switch (reason) {
    case 0:
        io_add(&io_counts.clean, 1);
        break;
    case -ECONNRESET:
    case -EPIPE:
        io_add(&io_counts.reset, 1);
        break;
    case -ETIMEDOUT:
        io_add(&io_counts.timed_out, 1);
        break;
    case -ECANCELED:
        io_add(&io_counts.cancelled, 1);
        break;
    default:
        io_add(&io_counts.other, 1);
        break;
    }
    io_add(&io_counts.closed, 1);
}

static PAWL_ATOMIC(uint64_t) listeners_closed;

static void listener_closed(struct pawl_listener *listener, void *arg)
{
    (void)listener;
    (void)arg;
    io_add(&listeners_closed, 1);
}

static void address_of(enum io_kind kind, struct sockaddr_storage *address, socklen_t *bytes)
{
    memset(address, 0, sizeof *address);
    if (kind == IO_UNIX) {
        static unsigned number;
        struct sockaddr_un *name = (struct sockaddr_un *)address;
        int n;

        name->sun_family = AF_UNIX; /* in the abstract name space: no file is left */
        n = snprintf(name->sun_path + 1, sizeof name->sun_path - 1, "pawl-test-%d-%u", (int)getpid(),
                     number++);
        *bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    } else {
        struct sockaddr_in *name = (struct sockaddr_in *)address;

        name->sin_family = AF_INET;
        name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *bytes = sizeof *name;
    }
}

void io_listen(struct io_server *server, struct pawl_rt *rt, enum io_kind kind,
               const struct pawl_stream_config *config)
{
    const struct pawl_listener_config listener = {
        .address = (const struct sockaddr *)&server->address,
        .address_bytes = 0,
        .flags = kind == IO_TCP_SHARED ? PAWL_LISTENER_SHARED : 0,
        .stream = config,
        .closed = listener_closed,
    };
    struct pawl_listener_config with_address = listener;

    server->kind = kind;
    address_of(kind, &server->address, &with_address.address_bytes);
    assert_int_equal(pawl_listener_open(&server->listener, rt, &with_address), 0);
    server->address_bytes = sizeof server->address;
    assert_int_equal(pawl_listener_address(server->listener, (struct sockaddr *)&server->address,
                                           &server->address_bytes),
                     0);
}

void io_unlisten(struct io_server *server)
{
    uint64_t closed = io_get(&listeners_closed);

    pawl_listener_close(server->listener);
    io_reach(&listeners_closed, closed + 1);
}

/* ---- peers ---- */

int io_connect(const struct io_server *server)
{
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(server->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    /* ECONNRESET: it was connected, and a server that aborts has reset it before this thread was told. */
    while (connect(fd, (const struct sockaddr *)&server->address, server->address_bytes) != 0 &&
           errno != ECONNRESET)
        assert_int_equal(errno, EINTR);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    return fd;
}

void io_write(int fd, const void *bytes, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t n = send(fd, (const char *)bytes + done, count - done, MSG_NOSIGNAL);

        assert_true(n > 0);
        done += (size_t)n;
    }
}

void io_read(int fd, void *bytes, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t n = recv(fd, (char *)bytes + done, count - done, 0);

        if (n <= 0)
            fail_msg("recv: %zd, errno %d, after %zu of %zu bytes", n, errno, done, count);
        done += (size_t)n;
    }
}

void io_read_end(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

void io_reset(int fd)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
}

void io_peer_closed(int fd, bool or_rst)
{
    char bytes[4096];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        ;
    if (n < 0) {
        assert_true(or_rst);
        assert_true(errno == ECONNRESET ||
                    errno == ENOTCONN); /* the second: io_connect() has had the reset */
    }
    close(fd);
}

uint64_t io_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

void io_fill(char *bytes, size_t count, uint64_t seed, uint64_t position)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t x = (position + i) * UINT64_C(0x9e3779b97f4a7c15) + seed;

        bytes[i] = (char)(x >> 56);
    }
}

int io_temporary(size_t count, uint64_t seed)
{
    char name[] = "/tmp/pawl-test-XXXXXX", bytes[4096];
    int fd = mkostemp(name, O_CLOEXEC);

    assert_true(fd >= 0);
    unlink(name);
    for (size_t done = 0; done < count;) {
        size_t n = count - done < sizeof bytes ? count - done : sizeof bytes;

        io_fill(bytes, n, seed, done);
        assert_int_equal(write(fd, bytes, n), n);
        done += n;
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

uint64_t io_seed(void)
{
    static uint64_t seed;

    if (seed == 0) {
        const char *wish = getenv("PAWL_TEST_SEED");
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        seed = wish != NULL ? strtoull(wish, NULL, 10) : (uint64_t)now.tv_nsec + 1;
        print_message("PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

bool io_long(void)
{
    return getenv("PAWL_TEST_LONG") != NULL;
}
