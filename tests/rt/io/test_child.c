/* SPDX-License-Identifier: MIT */
/* Children and file-system changes. On both engines. */
#include "io.h"
#include "test_io.h"

#include <pawl/child.h>
#include <pawl/inotify.h>
#include <pawl/signal.h>

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static PAWL_ATOMIC(uint64_t) stops;

static void start_counting(void)
{
    pawl_store_relaxed(&stops, UINT64_C(0)); /* relaxed: before the threads of the test */
}

/* ---- who waits for SIGCHLD beside ---- */

struct ear {
    struct pawl_signal signal;
    PAWL_ATOMIC(uint64_t) count;
};

static void heard(struct pawl_signal *signal, uint64_t count)
{
    io_add(&pawl_signal_of(signal, struct ear, signal)->count, count);
}

static void listen_for_children(void *arg)
{
    struct ear *ear = arg;

    /* ThreadSanitizer makes a thread's place for signals in the thread's first kill(), as the wait for a child calls it, and loses
     * a signal that comes in the middle of that. */
    assert_int_equal(kill(getpid(), 0), 0);
    ear->signal.caught = heard;
    assert_int_equal(pawl_signal_start(&ear->signal, SIGCHLD), 0);
}

/* ---- children ---- */

struct waiting {
    struct pawl_child child;
    struct pawl_op op;
    struct pawl_child_config config;
    pid_t pid;
    int begun;
    PAWL_ATOMIC(uint64_t) completed;
    int64_t result;
};

static void waited(struct pawl_op *op, int64_t result)
{
    struct waiting *waiting = pawl_op_of(op, struct waiting, op);

    waiting->result = result;
    io_add(&waiting->completed, 1);
}

static void wait_for(void *arg)
{
    struct waiting *waiting = arg;

    pawl_op_init(&waiting->op, waited);
    waiting->begun = pawl_child_wait(&waiting->child, &waiting->op, waiting->pid);
}

static void wait_not_long(void *arg)
{
    struct waiting *waiting = arg;

    wait_for(arg);
    assert_int_equal(pawl_op_deadline(&waiting->op, 1000000), 0);
}

static void wait_no_more(void *arg)
{
    struct waiting *waiting = arg;

    assert_int_equal(pawl_op_cancel(&waiting->op), 0);
}

/* It may have been told already. */
static void wait_no_more_perhaps(void *arg)
{
    struct waiting *waiting = arg;

    waiting->begun = pawl_op_cancel(&waiting->op);
}

static void run(void *arg)
{
    struct waiting *waiting = arg;

    waiting->begun = pawl_child_spawn(&waiting->child, &waiting->config);
    waiting->pid = waiting->child.pid;
}

static char sh[] = "sh", dash_c[] = "-c";

static void shell(struct waiting *waiting, struct pawl_rt *rt, const char *command)
{
    char *argv[] = {sh, dash_c, (char *)(uintptr_t)command, NULL};

    *waiting = (struct waiting){.config = {.argv = argv}};
    io_on(rt, 0, run, waiting);
    assert_int_equal(waiting->begun, 0);
    waiting->config.argv = NULL;
}

static void a_child_that_ends_is_told_once_with_its_status(void **state)
{
    struct ear ear = {.signal = {.caught = NULL}};
    struct waiting waiting = {.pid = 0};
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(pawl_child_wait(&waiting.child, &waiting.op, 1), -EPERM);
    io_on(rt, 0, listen_for_children, &ear);
    shell(&waiting, rt, "exit 7");
    io_on(rt, 0, wait_for, &waiting);
    assert_int_equal(waiting.begun, 0);
    io_reach(&waiting.completed, 1);
    assert_true(WIFEXITED((int)waiting.result) && WEXITSTATUS((int)waiting.result) == 7);
    io_reach(&ear.count, 1);                             /* who listens for SIGCHLD hears it all the same */
    assert_int_equal(waitpid(waiting.pid, NULL, 0), -1); /* and it was reaped */
    assert_int_equal(errno, ECHILD);

    shell(&waiting, rt, "exec sleep 1000");
    io_on(rt, 0, wait_not_long, &waiting);
    io_reach(&waiting.completed, 1);
    assert_int_equal(waiting.result, -ETIMEDOUT);
    io_on(rt, 0, wait_for, &waiting);
    io_on(rt, 0, wait_no_more, &waiting);
    io_reach(&waiting.completed, 2);
    assert_int_equal(waiting.result, -ECANCELED);
    io_on(rt, 0, wait_for, &waiting);
    assert_int_equal(kill(waiting.pid, SIGKILL), 0);
    io_reach(&waiting.completed, 3);
    assert_true(WIFSIGNALED((int)waiting.result) && WTERMSIG((int)waiting.result) == SIGKILL);

    waiting.pid = getppid(); /* not ours: its end is not for us */
    io_on(rt, 0, wait_for, &waiting);
    assert_int_equal(waiting.begun, 0);
    io_on(rt, 0, wait_no_more_perhaps, &waiting);
    io_reach(&waiting.completed, 4);
    assert_int_equal(waiting.result, waiting.begun == 0 ? -ECANCELED : -ECHILD);
    waiting.pid = 0x3fffffff;
    io_on(rt, 0, wait_for, &waiting);
    assert_int_equal(waiting.begun, -ESRCH);
    waiting.pid = -1; /* any child: not one */
    io_on(rt, 0, wait_for, &waiting);
    assert_int_equal(waiting.begun, -EINVAL);

    shell(&waiting, rt, "exec sleep 1000");
    assert_int_equal(waitpid(waiting.pid, NULL, WNOHANG), 0);
    assert_int_equal(kill(waiting.pid, SIGKILL), 0);
    assert_int_equal(waitpid(waiting.pid, NULL, 0), waiting.pid); /* somebody else was faster */
    io_on(rt, 0, wait_for, &waiting);
    assert_int_equal(waiting.begun, -ESRCH);

    shell(&waiting, rt, "exec sleep 1000");
    io_on(rt, 0, wait_for, &waiting);
    io_close(rt); /* cancels the wait; the child lives on */
    assert_int_equal(io_get(&waiting.completed), 1);
    assert_int_equal(waiting.result, -ECANCELED);
    assert_int_equal(kill(waiting.pid, SIGKILL), 0);
    assert_int_equal(waitpid(waiting.pid, NULL, 0), waiting.pid);
}

enum { MANY = 70 };

/* More than an engine waits for by itself; and one whose status is taken by somebody else meanwhile. */
static void many_children_are_told_of_each_with_its_own_status(void **state)
{
    static struct waiting waiting[MANY + 1];
    struct pawl_rt *rt;
    int status;

    (void)state;
    memset(waiting, 0, sizeof waiting);
    io_open(&rt, 1);
    for (int i = 0; i <= MANY; i++) {
        fflush(NULL);
        waiting[i].pid = fork();
        assert_true(waiting[i].pid >= 0);
        if (waiting[i].pid == 0) {
            prctl(PR_SET_PDEATHSIG,
                  SIGKILL); /* whoever reads our output must not wait for them when the test fails */
            pause();
            _exit(0);
        }
        io_on(rt, 0, wait_for, &waiting[i]);
        assert_int_equal(waiting[i].begun, 0);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(kill(waiting[i].pid, i % 2 == 0 ? SIGTERM : SIGKILL), 0);
    for (int i = 0; i < MANY; i++) {
        io_reach(&waiting[i].completed, 1);
        status = (int)waiting[i].result;
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == (i % 2 == 0 ? SIGTERM : SIGKILL));
    }
    assert_int_equal(io_get(&waiting[MANY].completed), 0);
    assert_int_equal(kill(waiting[MANY].pid, SIGKILL), 0);
    while (waitpid(waiting[MANY].pid, &status, WNOHANG) == 0) /* one of the two takes it */
        ;
    io_reach(&waiting[MANY].completed, 1);
    assert_true(waiting[MANY].result == -ECHILD || WTERMSIG((int)waiting[MANY].result) == SIGKILL);
    io_close(rt);
}

/* A process of that number; or none. Without the hooks of fork(): it does nothing. */
static pid_t fork_as(pid_t number)
{
    struct clone_args args = {.exit_signal = SIGCHLD,
                              .set_tid = (uint64_t)(uintptr_t)&number,
                              .set_tid_size = 1};
    const pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);

    if (child == 0) {
        pause();
        _exit(0);
    }
    return child;
}

/* On the worker, so that it hears of the end of the first one afterwards. */
static void give_its_number_to_another(void *arg)
{
    struct waiting *waiting = arg;

    assert_int_equal(kill(waiting->pid, SIGKILL), 0);
    assert_int_equal(waitpid(waiting->pid, NULL, 0), waiting->pid);
    waiting->begun = fork_as(waiting->pid);
}

static void another_child_with_the_same_number_is_not_taken_for_it(void **state)
{
    struct waiting waiting;
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    shell(&waiting, rt, "exec sleep 1000");
    io_on(rt, 0, wait_for, &waiting);
    assert_int_equal(waiting.begun, 0);
    io_on(rt, 0, give_its_number_to_another, &waiting);
    if (waiting.begun > 0)
        assert_int_equal(kill(waiting.pid, SIGKILL), 0);
    io_reach(&waiting.completed, 1);
    assert_int_equal(waiting.result, -ECHILD);
    io_close(rt);
    if (waiting.begun <= 0)
        skip(); /* who may not choose numbers, or somebody else was given it */
    assert_int_equal(waitpid(waiting.pid, NULL, 0), waiting.pid);
}

static char said[64];
static size_t said_count;

static void said_more(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)stream;
    assert_true(said_count + slice->count <= sizeof said);
    memcpy(said + said_count, slice->bytes, slice->count);
    said_count += slice->count;
}

static const struct pawl_stream_config listens = {.opened = io_opened,
                                                  .received = said_more,
                                                  .closed = io_closed};

static void talk(void *arg)
{
    struct waiting *waiting = arg;

    run(arg);
    assert_int_equal(waiting->begun, 0);
    wait_for(arg);
    assert_int_equal(waiting->begun, 0);
    assert_int_equal(pawl_stream_write(waiting->config.stdio[0].stream, "hello", 5), 0);
    pawl_stream_close(waiting->config.stdio[0].stream);
}

static void a_child_s_input_and_output_are_streams(void **state)
{
    static char talks[] = "cat; pwd; echo err >&2; exit 3", nobody[] = "/no/such/program";
    char *argv[] = {sh, dash_c, talks, NULL}, *nameless[] = {NULL};
    struct waiting waiting = {.config = {.argv = argv, .folder = "/"}};
    struct pawl_rt *rt;
    char text[16];
    int errors[2];

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
    said_count = 0;
    waiting.config.stdio[0] = (struct pawl_child_end){.kind = PAWL_CHILD_STREAM, .config = &listens};
    waiting.config.stdio[1] = (struct pawl_child_end){.kind = PAWL_CHILD_STREAM, .config = &listens};
    waiting.config.stdio[2] = (struct pawl_child_end){.kind = PAWL_CHILD_FD, .fd = errors[1]};
    io_on(rt, 0, talk, &waiting);
    io_reach(&waiting.completed, 1);
    assert_int_equal(WEXITSTATUS((int)waiting.result), 3);
    io_reach(&io_counts.closed, 2);
    assert_int_equal(said_count, 7);
    assert_memory_equal(said, "hello/\n", 7);
    assert_int_equal(read(errors[0], text, sizeof text), 4);
    assert_memory_equal(text, "err\n", 4);
    close(errors[0]);
    close(errors[1]);
    /* a program that is not there leaves nothing behind: its stream is only closed */
    argv[0] = nobody;
    waiting.config.stdio[2].fd = -1;
    io_on(rt, 0, run, &waiting);
    assert_int_equal(waiting.begun, -EBADF);
    waiting.config.stdio[2] = (struct pawl_child_end){.kind = PAWL_CHILD_NULL};
    io_on(rt, 0, run, &waiting);
    assert_int_equal(waiting.begun, -ENOENT);
    waiting.config.argv = nameless;
    io_on(rt, 0, run, &waiting);
    assert_int_equal(waiting.begun, -EINVAL);
    waiting.config.argv = NULL;
    io_on(rt, 0, run, &waiting);
    assert_int_equal(waiting.begun, -EINVAL);
    waiting.config.argv = argv;
    waiting.config.stdio[2].kind = (enum pawl_child_stdio)77;
    io_on(rt, 0, run, &waiting);
    assert_int_equal(waiting.begun, -EINVAL);
    io_reach(&io_counts.closed, 8);
    assert_int_equal(io_get(&io_counts.opened), 2);
    io_close(rt);
}

/* ---- file-system changes ---- */

struct eye {
    struct pawl_inotify inotify;
    PAWL_ATOMIC(uint64_t) changes, overflows, ignored;
    uint32_t from, to;           /* cookies of a rename */
    char names[2][16];           /* ... and its names */
    PAWL_ATOMIC(uint64_t) masks; /* all that came */
    bool stop;                   /* in changed() */
    int status, watch;
    char folder[32];
};

static void seen(struct pawl_inotify *inotify, const struct pawl_change *change)
{
    struct eye *eye = pawl_inotify_of(inotify, struct eye, inotify);

    (void)pawl_fetch_or_acq_rel(&eye->masks, change->mask); /* pairs with io_get() */
    if ((change->mask & IN_MOVED_FROM) != 0) {
        eye->from = change->cookie;
        (void)snprintf(eye->names[0], sizeof eye->names[0], "%s", change->name);
    }
    if ((change->mask & IN_MOVED_TO) != 0) {
        eye->to = change->cookie;
        (void)snprintf(eye->names[1], sizeof eye->names[1], "%s", change->name);
    }
    if ((change->mask & IN_Q_OVERFLOW) != 0) {
        assert_int_equal(change->watch, -1);
        io_add(&eye->overflows, 1);
    }
    if ((change->mask & IN_IGNORED) != 0)
        io_add(&eye->ignored, 1);
    if (eye->stop)
        pawl_inotify_stop(inotify);
    io_add(&eye->changes, 1);
}

static void eye_closed(struct pawl_inotify *inotify)
{
    (void)inotify;
    io_add(&stops, 1);
}

static void look(void *arg)
{
    struct eye *eye = arg;

    eye->inotify.changed = seen;
    eye->inotify.stopped = eye_closed;
    assert_int_equal(pawl_inotify_add(&eye->inotify, "/", IN_CREATE), -EINVAL); /* not started */
    eye->status = pawl_inotify_start(&eye->inotify);
    assert_int_equal(pawl_inotify_start(&eye->inotify), -EBUSY);
    assert_int_equal(pawl_inotify_add(&eye->inotify, "/no/such/folder", IN_CREATE), -ENOENT);
    eye->watch = pawl_inotify_add(&eye->inotify, eye->folder,
                                  IN_CREATE | IN_MOVE | IN_CLOSE_WRITE | IN_DELETE);
    assert_int_equal(pawl_inotify_remove(&eye->inotify, eye->watch + 7), -EINVAL);
}

static void look_away(void *arg)
{
    struct eye *eye = arg;

    assert_int_equal(pawl_inotify_remove(&eye->inotify, eye->watch), 0);
}

static void close_eye(void *arg)
{
    pawl_inotify_stop(&((struct eye *)arg)->inotify);
    pawl_inotify_stop(&((struct eye *)arg)->inotify); /* nothing */
}

static void file_in(const struct eye *eye, const char *name, char *path)
{
    (void)snprintf(path, 64, "%s/%s", eye->folder, name);
}

static void touch(const struct eye *eye, const char *name)
{
    char path[64];
    int fd;

    file_in(eye, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void remove_file(const struct eye *eye, const char *name)
{
    char path[64];

    file_in(eye, name, path);
    assert_int_equal(unlink(path), 0);
}

static void changes_of_a_folder_are_told_in_order(void **state)
{
    struct eye eye = {.folder = "/tmp/pawl-test-XXXXXX"};
    char old_path[64], new_path[64];
    struct pawl_rt *rt;

    (void)state;
    start_counting();
    assert_non_null(mkdtemp(eye.folder));
    io_open(&rt, 1);
    io_on(rt, 0, look, &eye);
    assert_int_equal(eye.status, 0);
    assert_true(eye.watch >= 0);
    touch(&eye, "one");
    io_reach(&eye.changes, 2);
    assert_int_equal(io_get(&eye.masks), IN_CREATE | IN_CLOSE_WRITE);
    file_in(&eye, "one", old_path);
    file_in(&eye, "two", new_path);
    assert_int_equal(rename(old_path, new_path), 0);
    io_reach(&eye.changes, 4);
    assert_int_equal(eye.from, eye.to);
    assert_true(eye.from != 0);
    assert_string_equal(eye.names[0], "one");
    assert_string_equal(eye.names[1], "two");
    remove_file(&eye, "two");
    io_reach(&eye.changes, 5);
    io_on(rt, 0, look_away, &eye);
    io_reach(&eye.ignored, 1);
    touch(&eye, "one"); /* nobody looks */
    io_on(rt, 0, close_eye, &eye);
    io_reach(&stops, 1);
    assert_int_equal(io_get(&eye.changes), 6);
    io_on(rt, 0, look, &eye); /* once more, and the runtime ends it */
    io_close(rt);
    assert_int_equal(io_get(&stops), 2);
    remove_file(&eye, "one");
    assert_int_equal(rmdir(eye.folder), 0);
}

/* More changes at once than the kernel keeps: on the worker, so that it cannot read them meanwhile. */
static void change_much(void *arg)
{
    FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    struct eye *eye = arg;
    int most;

    assert_non_null(limit);
    assert_int_equal(fscanf(limit, "%d", &most), 1);
    (void)fclose(limit);
    for (int i = 0; i <= most / 2; i++) { /* two that are not alike in a row are two */
        touch(eye, "one");
        touch(eye, "two");
    }
}

static void stop_at_the_next(void *arg)
{
    ((struct eye *)arg)->stop = true;
}

static void lost_changes_are_told_and_stopping_may_happen_anywhere(void **state)
{
    struct eye eye = {.folder = "/tmp/pawl-test-XXXXXX"};
    uint64_t changes;
    struct pawl_rt *rt;

    (void)state;
    start_counting();
    assert_non_null(mkdtemp(eye.folder));
    io_open(&rt, 1);
    io_on(rt, 0, look, &eye);
    io_on(rt, 0, change_much, &eye);
    io_reach(&eye.overflows, 1);
    assert_true(io_get(&eye.changes) > 1000);
    io_on(rt, 0, stop_at_the_next, &eye);
    changes = io_get(&eye.changes);
    touch(&eye, "one"); /* one change is told, and that stops it */
    io_reach(&stops, 1);
    touch(&eye, "two");
    io_on(rt, 0, close_eye, &eye);
    assert_int_equal(io_get(&eye.changes), changes + 1);
    io_close(rt);
    assert_int_equal(io_get(&stops), 1);
    remove_file(&eye, "one");
    remove_file(&eye, "two");
    assert_int_equal(rmdir(eye.folder), 0);
}

const struct CMUnitTest child_tests[] = {
    cmocka_unit_test(a_child_that_ends_is_told_once_with_its_status),
    cmocka_unit_test(many_children_are_told_of_each_with_its_own_status),
    cmocka_unit_test(another_child_with_the_same_number_is_not_taken_for_it),
    cmocka_unit_test(a_child_s_input_and_output_are_streams),
    cmocka_unit_test(changes_of_a_folder_are_told_in_order),
    cmocka_unit_test(lost_changes_are_told_and_stopping_may_happen_anywhere),
};
const size_t child_test_count = sizeof child_tests / sizeof child_tests[0];
