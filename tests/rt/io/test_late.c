/* SPDX-License-Identifier: MIT */
/* What is stopped while its event is already fetched: the event finds nobody, nor who has its place next. On both engines.
 *
 * Two of a kind are ready before the worker looks. Whoever is told first stops the other one, and starts a watch of something
 * that is not ready, which gets the place. A listener is left out: its end is a message, and what it accepts before is told. */
#include "io.h"
#include "test_io.h"

#include <pawl/child.h>
#include <pawl/event.h>
#include <pawl/inotify.h>
#include <pawl/signal.h>
#include <pawl/timer.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct kind {
    const char *name;
    void (*start)(int which);
    void (*ready)(int which);
    void (*stop)(int which);
};

static const struct kind *kind;

static struct late {
    struct pawl_watch watch;
    struct pawl_op op;
    struct pawl_child child;
    struct pawl_event event;
    struct pawl_signal signal;
    struct pawl_inotify inotify;
    struct pawl_timer timer;
    struct pawl_stream *stream;
    int fd[2]; /* ours, and by which it is made ready */
    pid_t pid;
} late[2];

static PAWL_ATOMIC(uint64_t) told, cancelled, stopped;
static struct pawl_watch fresh;
static int first;
static char folder[32];

static void never(struct pawl_watch *watch, uint32_t events)
{
    (void)watch;
    fprintf(stderr, "%s: who came after is told %#x\n", kind->name, events);
    abort();
}

static void tell(int which)
{
    io_add(&told, 1);
    if (io_get(&told) > 1)
        return;
    first = which;
    kind->stop(1 - which);
    fresh = (struct pawl_watch){.ready = never};
    assert_int_equal(pawl_watch_start(&fresh, eventfd(0, EFD_CLOEXEC), EPOLLIN), 0);
}

static void no_more(void *of)
{
    (void)of;
    io_add(&stopped, 1);
}

/* ---- watches ---- */

static void watch_ready(struct pawl_watch *watch, uint32_t events)
{
    assert_int_equal(events, EPOLLIN);
    tell(watch != &late[0].watch);
}

static void make_eventfd(int which)
{
    late[which].fd[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    late[which].fd[1] = dup(late[which].fd[0]);
}

static void start_watch(int which)
{
    make_eventfd(which);
    late[which].watch.ready = watch_ready;
    assert_int_equal(pawl_watch_start(&late[which].watch, late[which].fd[0], EPOLLIN), 0);
}

static void count_one(int which)
{
    const uint64_t one = 1;

    assert_int_equal(write(late[which].fd[1], &one, sizeof one), sizeof one);
}

static void stop_watch(int which)
{
    pawl_watch_stop(&late[which].watch);
    memset(&late[which].watch, 0x5a, sizeof late[which].watch); /* the caller's again */
    close(late[which].fd[0]);
    close(late[which].fd[1]);
}

/* ---- operations ---- */

static void op_done(struct pawl_op *op, int64_t result)
{
    if (result == -ECANCELED)
        io_add(&cancelled, 1);
    else
        tell(op != &late[0].op);
}

static void start_once(int which)
{
    make_eventfd(which);
    pawl_op_init(&late[which].op, op_done);
    assert_int_equal(pawl_watch_once(&late[which].watch, &late[which].op, late[which].fd[0], EPOLLIN), 0);
}

static void cancel_op(int which)
{
    (void)pawl_op_cancel(&late[which].op);
}

static void stop_once(int which)
{
    cancel_op(which);
    close(late[which].fd[0]);
    close(late[which].fd[1]);
}

static void start_child(int which)
{
    fflush(NULL);
    late[which].pid = fork();
    assert_true(late[which].pid >= 0);
    if (late[which].pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody waits for it when the test fails */
        pause();
        _exit(0);
    }
    pawl_op_init(&late[which].op, op_done);
    assert_int_equal(pawl_child_wait(&late[which].child, &late[which].op, late[which].pid), 0);
}

static void end_child(int which)
{
    siginfo_t info;

    assert_int_equal(kill(late[which].pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)late[which].pid, &info, WEXITED | WNOWAIT), 0);
}

/* Whose status nobody was told can still be waited for. */
static void stop_child(int which)
{
    cancel_op(which);
    assert_int_equal(waitpid(late[which].pid, NULL, 0),
                     io_get(&told) == 1 && first != which ? late[which].pid : -1);
}

/* ---- streams ---- */

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)slice;
    tell(stream != late[0].stream);
}

static const struct pawl_stream_config hears = {.opened = io_opened,
                                                .received = received,
                                                .closed = io_closed};

static void start_socket(int which)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, late[which].fd), 0);
    assert_int_equal(pawl_stream_adopt(&late[which].stream, &hears, late[which].fd[0]), 0);
}

static void start_pipe(int which)
{
    assert_int_equal(pipe2(late[which].fd, O_CLOEXEC), 0);
    assert_int_equal(pawl_stream_adopt(&late[which].stream, &hears, late[which].fd[0]), 0);
}

static void stop_stream(int which)
{
    pawl_stream_abort(late[which].stream, -ECANCELED);
    close(late[which].fd[1]);
}

/* ---- what comes in messages, and the clock ---- */

static void raised(struct pawl_event *event, uint64_t count)
{
    (void)count;
    tell(event != &late[0].event);
}

static void start_event(int which)
{
    late[which].event.raised = raised;
    assert_int_equal(pawl_event_start(&late[which].event), 0);
}

static void raise_event(int which)
{
    assert_int_equal(pawl_event_raise(&late[which].event), 0);
}

static void stop_event(int which)
{
    pawl_event_stop(&late[which].event);
}

static void caught(struct pawl_signal *signal, uint64_t count)
{
    (void)count;
    tell(signal != &late[0].signal);
}

static void signal_stopped(struct pawl_signal *signal)
{
    no_more(signal);
}

static void start_signal(int which)
{
    late[which].signal.caught = caught;
    late[which].signal.stopped = signal_stopped;
    assert_int_equal(pawl_signal_start(&late[which].signal, SIGUSR1), 0);
}

static void raise_signal(int which)
{
    if (which == 0)
        assert_int_equal(raise(SIGUSR1), 0);
}

static void stop_signal(int which)
{
    pawl_signal_stop(&late[which].signal);
}

static void changed(struct pawl_inotify *inotify, const struct pawl_change *change)
{
    (void)change;
    tell(inotify != &late[0].inotify);
}

static void inotify_stopped(struct pawl_inotify *inotify)
{
    no_more(inotify);
}

static void start_inotify(int which)
{
    late[which].inotify.changed = changed;
    late[which].inotify.stopped = inotify_stopped;
    assert_int_equal(pawl_inotify_start(&late[which].inotify), 0);
    assert_int_equal(pawl_inotify_add(&late[which].inotify, folder, IN_CREATE), 1);
}

static void change_folder(int which)
{
    char path[64];

    if (which != 0)
        return; /* both have seen it */
    (void)snprintf(path, sizeof path, "%s/new", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(rmdir(path), 0);
}

static void stop_inotify(int which)
{
    pawl_inotify_stop(&late[which].inotify);
}

static void fired(struct pawl_timer *timer)
{
    tell(timer != &late[0].timer);
}

static void start_timer(int which)
{
    pawl_timer_init(&late[which].timer, fired);
}

static void arm_timer(int which)
{
    pawl_timer_after(&late[which].timer, 0);
}

static void stop_timer(int which)
{
    (void)pawl_timer_cancel(&late[which].timer);
}

static const struct kind kinds[] = {
    {"watch", start_watch, count_one, stop_watch},
    {"watch, once", start_once, count_one, stop_once},
    {"child", start_child, end_child, stop_child},
    {"stream", start_socket, count_one, stop_stream},
    {"pipe", start_pipe, count_one, stop_stream},
    {"event", start_event, raise_event, stop_event},
    {"signal", start_signal, raise_signal, stop_signal},
    {"inotify", start_inotify, change_folder, stop_inotify},
    {"timer", start_timer, arm_timer, stop_timer},
};

/* ---- the test ---- */

static void start_both(void *arg)
{
    (void)arg;
    kind->start(0);
    kind->start(1);
}

static void ready_both(void *arg)
{
    (void)arg;
    kind->ready(0);
    kind->ready(1);
}

static void stop_the_first(void *arg)
{
    const struct pawl_source *source = (const void *)&fresh.inside;
    const int fd = source->fd;

    (void)arg;
    kind->stop(first);
    pawl_watch_stop(&fresh);
    close(fd);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void let_turn(struct pawl_rt *rt)
{
    io_on(rt, 0, nothing, NULL);
    usleep(2000);
    io_on(rt, 0, nothing, NULL);
}

static void play(void)
{
    struct pawl_rt *rt;

    memset((void *)late, 0, sizeof late);
    pawl_store_relaxed(&told, UINT64_C(0)); /* relaxed, all: before the threads of the test */
    pawl_store_relaxed(&cancelled, UINT64_C(0));
    pawl_store_relaxed(&stopped, UINT64_C(0));
    io_open(&rt, 1);
    io_on(rt, 0, start_both, NULL);
    let_turn(rt); /* the kernel knows of both */
    io_on(rt, 0, ready_both, NULL);
    io_reach(&told, 1);
    let_turn(rt);
    io_on(rt, 0, stop_the_first, NULL);
    let_turn(rt);
    if (io_get(&told) != 1)
        fail_msg("%s: %d were told", kind->name, (int)io_get(&told));
    if (kind->start == start_once || kind->start == start_child)
        assert_int_equal(io_get(&cancelled), 1);
    if (kind->start == start_signal || kind->start == start_inotify)
        io_reach(&stopped, 2);
    io_close(rt);
}

static void an_event_of_what_was_stopped_meanwhile_finds_nobody(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/pawl-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        kind = &kinds[i];
        play();
    }
    assert_int_equal(rmdir(folder), 0);
}

const struct CMUnitTest late_tests[] = {
    cmocka_unit_test(an_event_of_what_was_stopped_meanwhile_finds_nobody),
};
const size_t late_test_count = sizeof late_tests / sizeof late_tests[0];
