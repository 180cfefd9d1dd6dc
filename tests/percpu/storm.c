/* SPDX-License-Identifier: MIT */
/* The threads, timers and moves of a storm. */
#include "storm.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define SLOW (UNDER_TSAN || UNDER_ASAN)
/* A few threads are interrupted as often as a CPU can bear; all at this rate would leave no time to act. */
#define HARD_HIT 4
#define HARD_NS (SLOW ? 1000000l : 50000l)
#define SOFT_NS (SLOW ? 5000000l : 700000l)
#define MOVE_US (SLOW ? 1000u : 100u)
#define GRACE_SECONDS 60
#define ENOUGH 1000 /* actions of one thread without which a storm says nothing */

struct thread {
    struct storm *storm;
    struct actor *actor;
    struct actor *in_handler;
    pthread_t handle;
    PAWL_ATOMIC(pid_t) tid; /* 0: not running yet */
};

static struct thread threads[STORM_THREADS];
static PAWL_ATOMIC(bool) over;
static PAWL_ATOMIC(const char *) failure;
static const char *storm_name;
static unsigned long moves;
static PAWL_ATOMIC(bool) remote_acted;
static PAWL_ATOMIC(bool) thread_acted; /* one of them, ENOUGH */

double storm_seconds(unsigned int cases)
{
    const char *wish = getenv("PAWL_TEST_SECONDS");
    double seconds = getenv("PAWL_TEST_LONG") != NULL ? 60 : 3;

    return (wish != NULL ? strtod(wish, NULL) : seconds) / cases;
}

void storm_require(bool truth, const char *what)
{
    const char *nothing = NULL;

    if (truth)
        return;
    pawl_cas_relaxed(&failure, &nothing, what); /* relaxed: a static string */
    pawl_store_relaxed(&over, true);            /* relaxed: a wish to stop */
}

static bool is_over(void)
{
    return pawl_load_relaxed(&over);
}

static void interrupted(int signal_number, siginfo_t *info, void *context)
{
    struct thread *thread = info->si_value.sival_ptr;
    int saved_errno = errno;

    (void)signal_number;
    (void)context;
    if (!is_over()) {
        thread->storm->act(thread->in_handler);
        thread->in_handler->actions++;
    }
    errno = saved_errno;
}

static bool start_timer(struct thread *thread, timer_t *timer)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    long ns = thread - threads < HARD_HIT ? HARD_NS : SOFT_NS;
    struct itimerspec every = {{0, ns}, {0, ns}};

    event.sigev_value.sival_ptr = thread;
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    return timer_create(CLOCK_MONOTONIC, &event, timer) == 0 && timer_settime(*timer, 0, &every, NULL) == 0;
}

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    sigset_t mask;
    timer_t timer;

    pawl_store_relaxed(&thread->tid, (pid_t)syscall(SYS_gettid)); /* relaxed: a number */
    if (!start_timer(thread, &timer)) {
        storm_require(false, "timer_create failed: raise RLIMIT_SIGPENDING");
        return NULL;
    }
    while (!is_over()) {
        thread->storm->act(thread->actor);
        if (++thread->actor->actions == ENOUGH)
            pawl_store_relaxed(&thread_acted, true); /* relaxed: read again and again */
    }
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL); /* one that is pending already dies with the thread */
    timer_delete(timer);
    return NULL;
}

/* One thread against sixteen should get more than a seventeenth. A wish: not everybody may. */
static void hurry(int nice)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}

static void *run_remote(void *argument)
{
    struct storm *storm = argument;

    hurry(-5);
    while (!is_over()) {
        storm->remote(&storm->remote_actor);
        pawl_store_relaxed(&remote_acted, true); /* relaxed: read again and again */
        if (++storm->remote_actor.actions % 16 == 0)
            sched_yield();
    }
    return NULL;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Whether there was a storm at all: on a busy machine that takes more time. */
static bool all_acted(const struct storm *storm)
{
    return pawl_load_relaxed(&thread_acted) && (storm->remote == NULL || pawl_load_relaxed(&remote_acted));
}

/* Until the time is up: some thread goes to some CPU, again and again. */
static void move_threads(const struct storm *storm, double seconds, uint64_t random)
{
    double end = seconds_now() + seconds;
    int cpu[CPUS_MAX];
    int cpus = allowed_cpus(cpu);

    hurry(-10);
    do {
        pid_t tid = pawl_load_relaxed(&threads[random_below(&random, STORM_THREADS)].tid);

        if (tid != 0)
            moves += pin(tid, cpu[random_below(&random, (uint32_t)cpus)]) == 0;
        usleep(MOVE_US);
    } while (!is_over() && (seconds_now() < end || !all_acted(storm)));
    pawl_store_relaxed(&over, true);
    hurry(0);
}

static void hangs(int signal_number)
{
    static const char text[] = ": the storm does not end: an operation waits for ever\n";

    (void)signal_number;
    if (write(STDERR_FILENO, storm_name, strlen(storm_name)) < 0 ||
        write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_FAILURE);
    abort();
}

static void prepare(struct storm *storm, uint64_t seed)
{
    struct sigaction action = {.sa_sigaction = interrupted, .sa_flags = SA_SIGINFO | SA_RESTART};

    pawl_store_relaxed(&over, false);
    pawl_store_relaxed(&failure, NULL);
    storm_name = storm->name;
    moves = 0;
    pawl_store_relaxed(&remote_acted, false);
    pawl_store_relaxed(&thread_acted, false);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGALRM, hangs);
    for (uint32_t i = 0; i < STORM_ACTORS; i++) {
        storm->actor[i].id = i;
        storm->actor[i].random = seed + 1000003u * i;
    }
    storm->remote_actor.id = STORM_ACTORS;
    storm->remote_actor.random = ~seed;
}

static bool start(struct storm *storm, pthread_t *remote)
{
    for (int i = 0; i < STORM_THREADS; i++) {
        threads[i].storm = storm;
        threads[i].actor = &storm->actor[i];
        threads[i].in_handler = &storm->actor[STORM_THREADS + i];
        pawl_store_relaxed(&threads[i].tid, 0);
    }
    for (int i = 0; i < STORM_THREADS; i++)
        if (pthread_create(&threads[i].handle, NULL, run_thread, &threads[i]) != 0)
            return false;
    return storm->remote == NULL || pthread_create(remote, NULL, run_remote, storm) == 0;
}

static void print_actions(const struct storm *storm)
{
    unsigned long by_threads = 0;
    unsigned long by_handlers = 0;

    for (int i = 0; i < STORM_THREADS; i++) {
        by_threads += storm->actor[i].actions;
        by_handlers += storm->actor[STORM_THREADS + i].actions;
    }
    printf("%lu actions of threads, %lu of their signal handlers, %lu of the remote thread, %lu moves\n",
           by_threads, by_handlers, storm->remote_actor.actions, moves);
}

const char *storm_run(struct storm *storm, double seconds, uint64_t seed)
{
    pthread_t remote;

    prepare(storm, seed);
    if (!start(storm, &remote)) {
        fprintf(stderr, "%s: cannot create %d threads\n", storm->name, STORM_THREADS + 1);
        abort();
    }
    alarm((unsigned int)seconds + GRACE_SECONDS);
    move_threads(storm, seconds, seed);
    for (int i = 0; i < STORM_THREADS; i++)
        pthread_join(threads[i].handle, NULL);
    if (storm->remote != NULL)
        pthread_join(remote, NULL);
    alarm(0);
    print_actions(storm);
    return pawl_load_relaxed(&failure);
}

void storm_assert(struct storm *storm, double seconds, uint64_t seed)
{
    const char *wrong = storm_run(storm, seconds, seed);

    if (wrong != NULL)
        print_error("%s: %s (PAWL_TEST_SEED=%llu)\n", storm->name, wrong, (unsigned long long)seed);
    assert_null(wrong);
}

long storm_tally(const struct storm *storm, int which)
{
    long sum = storm->remote_actor.tally[which];

    for (int i = 0; i < STORM_ACTORS; i++)
        sum += storm->actor[i].tally[which];
    return sum;
}

long storm_sum(struct pawl_percpu *pc, size_t at)
{
    uint32_t slot;
    char *slice;
    long sum = 0;

    pawl_percpu_each (pc, slot, slice)
        sum += *(long *)(void *)(slice + at);
    return sum;
}

void storm_claim(PAWL_ATOMIC(long) * held, const char *what)
{
    /* acquire: pairs with the release in storm_disclaim, sees what the last holder did */
    storm_require(pawl_exchange_acquire(held, 1L) == 0, what);
}

void storm_disclaim(PAWL_ATOMIC(long) * held)
{
    pawl_store_release(held, 0L); /* release: pairs with the acquire in storm_claim */
}
