/* SPDX-License-Identifier: MIT */
/* pthreads as the program sees them: threads, mutexes, condition variables, and thread-specific data.
 *
 * A mutex is a word that holds its owner's number plus one: lock is a read-modify-write (acquire) that
 * waits for 0, unlock a store (release). A condition variable is a set of waiting threads. What a thread
 * holds is known to itself, so that misuse is found without a further event.
 */
#include "sync.h"
#include "hooks.h"
#include "object.h"
#include "symmetry.h"
#include "volatile.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <string.h>
#include <threads.h>

enum { HELD_MAX = 64, KEYS_MAX = 64, DESTRUCTOR_ROUNDS = 4 };

struct held {
    const void *object;
    unsigned count;
    bool shared;
    bool robust;
};
static struct thread_sync {
    struct held held[HELD_MAX];
    int nheld;
    __pthread_unwind_buf_t *cleanup; /* the innermost handler; the next one stands in its __pad[0] */
    void *value[KEYS_MAX];
} threads[MAX_THREADS];
static struct keys {
    struct {
        bool used;
        void (*destructor)(void *);
    } of[KEYS_MAX];
    int n;
} keys;
/* What constructors made before the test, whose first thread theirs is: every execution begins with it. */
static struct {
    bool kept;
    struct keys keys;
    void *value[KEYS_MAX];
} early;

void sync_reset(void)
{
    if (!early.kept) {
        early.keys = keys;
        memcpy(early.value, threads[0].value, sizeof early.value);
        early.kept = true;
    }
    for (int t = 0; t < MAX_THREADS; t++) {
        threads[t].nheld = 0;
        threads[t].cleanup = NULL;
        memset(threads[t].value, 0, (size_t)keys.n * sizeof threads[t].value[0]);
    }
    if (keys.n == 0)
        return;
    memcpy(threads[0].value, early.value, sizeof early.value);
    keys = early.keys;
}

static struct held *held_by_self(const void *object)
{
    struct thread_sync *t = &threads[run.current];
    for (int i = 0; i < t->nheld; i++)
        if (t->held[i].object == object)
            return &t->held[i];
    return NULL;
}

static void hold(const void *object, bool shared, uint64_t pc)
{
    struct thread_sync *t = &threads[run.current];
    if (t->nheld == HELD_MAX)
        bug(BUG_LIMIT, pc, "T%d holds more than %d locks", run.current, HELD_MAX);
    t->held[t->nheld++] = (struct held){object, 1, shared, false};
}

static void let_go(struct held *h)
{
    struct thread_sync *t = &threads[run.current];
    *h = t->held[--t->nheld];
}

/* Only the outermost name of an object's address is needed for a message. */
static const char *place(const void *object)
{
    static char text[256];
    memory_describe(text, sizeof text, (uintptr_t)object);
    return text;
}

/* ---- threads ---- */

static int tid_of(pthread_t handle)
{
    for (int t = 0; t < MAX_THREADS; t++)
        if (fiber_of(t)->handle == handle && run.thread[t].state != THREAD_NONE)
            return t;
    return -1;
}

int thread_create(pthread_t *handle, const pthread_attr_t *attr, void *(*start)(void *), void *argument,
                  uint64_t pc)
{
    struct op op = {.type = EV_CREATE, .name = NAME_CREATE, .pc = pc};
    int detached = PTHREAD_CREATE_JOINABLE;
    if (!in_test())
        fatal("the program creates a thread before main()");
    if (attr)
        pthread_attr_getdetachstate(attr, &detached);
    op.aux = (u128)(uintptr_t)start | (u128)(uintptr_t)argument << 64;
    run_effect();
    int child = (int)run_op(&op);
    run.thread[child].detached = detached == PTHREAD_CREATE_DETACHED;
    plain_access(handle, sizeof *handle, true, true, op.pc);
    *handle = fiber_of(child)->handle;
    return 0;
}

EXPORT int __wrap_pthread_create(pthread_t *handle, const pthread_attr_t *attr, void *(*start)(void *),
                                 void *argument);
EXPORT int __wrap_pthread_create(pthread_t *handle, const pthread_attr_t *attr, void *(*start)(void *),
                                 void *argument)
{
    return thread_create(handle, attr, start, argument, CALLER);
}

int thread_join(pthread_t handle, void *result, size_t bytes, uint64_t pc)
{
    struct op op = {.type = EV_JOIN, .name = NAME_JOIN, .pc = pc};
    int tid = tid_of(handle);
    if (tid < 0 || tid == run.current || run.thread[tid].joined || run.thread[tid].detached) {
        bug(BUG_MISUSE, op.pc, "T%d joins %s", run.current,
            tid < 0                    ? "a thread that does not exist"
            : tid == run.current       ? "itself"
            : run.thread[tid].detached ? "a detached thread"
                                       : "a thread that was joined before");
        return EINVAL;
    }
    op.val = (u128)tid;
    run_effect();
    run_op(&op);
    if (result) {
        plain_access(result, bytes, true, true, op.pc);
        memcpy(result, &run.thread[tid].exit_value, bytes);
        if (run.thread[tid].exit_value)
            symmetry_told_apart(tid, "its exit value is looked at");
    }
    return 0;
}

EXPORT int __wrap_pthread_join(pthread_t handle, void **value);
EXPORT int __wrap_pthread_join(pthread_t handle, void **value)
{
    return thread_join(handle, value, sizeof *value, CALLER);
}

EXPORT int __wrap_pthread_detach(pthread_t handle);
EXPORT int __wrap_pthread_detach(pthread_t handle)
{
    int tid = tid_of(handle);
    if (tid < 0)
        return ESRCH;
    if (run.thread[tid].detached || run.thread[tid].joined)
        bug(BUG_MISUSE, CALLER, "T%d detaches a thread that was %s before", run.current,
            run.thread[tid].detached ? "detached" : "joined");
    run.thread[tid].detached = true;
    return 0;
}

EXPORT pthread_t __wrap_pthread_self(void);
EXPORT pthread_t __wrap_pthread_self(void)
{
    if (!in_test())
        return pthread_self();
    symmetry_told_apart(run.current, "it calls pthread_self()");
    return fiber_of(run.current)->handle;
}

static void run_destructors(struct thread_sync *t)
{
    bool again = true;
    for (int round = 0; again && round < DESTRUCTOR_ROUNDS; round++) {
        again = false;
        for (int k = 0; k < keys.n; k++) {
            void *value = t->value[k];
            if (!value || !keys.of[k].used || !keys.of[k].destructor)
                continue;
            t->value[k] = NULL;
            again = true;
            keys.of[k].destructor(value);
        }
    }
}

void sync_thread_exit(int tid, void *value)
{
    struct op op = {.type = EV_END, .name = NAME_END};
    run_destructors(&threads[tid]);
    frames_end();
    hooks_order_streamed();
    if (threads[tid].nheld && threads[tid].held[0].robust)
        bug(BUG_UNMODELLED, 0,
            "T%d ends while it holds the robust mutex %s: what the next owner is told is not modelled", tid,
            place(threads[tid].held[0].object));
    else if (threads[tid].nheld)
        bug(BUG_MISUSE, 0, "T%d ends while it holds %s", tid, place(threads[tid].held[0].object));
    run.thread[tid].exit_value = value;
    run_op(&op);
    fatal("a thread that had ended was resumed");
}

/* pthread_cleanup_push() is a setjmp() in the function that calls it: to run the handler is to jump there, and it comes
 * back by asking for the next one. */
static void leave_thread(void) __attribute__((noreturn));
static void leave_thread(void)
{
    __pthread_unwind_buf_t *handler = threads[run.current].cleanup;
    if (!handler)
        sync_thread_exit(run.current, run.thread[run.current].exit_value);
    threads[run.current].cleanup = handler->__pad[0];
    jmp_buf at; /* which has room for a signal mask behind it; none was saved */
    memcpy(&at, handler->__cancel_jmp_buf, sizeof handler->__cancel_jmp_buf);
    longjmp(at, 1);
}

EXPORT void __wrap___pthread_register_cancel(__pthread_unwind_buf_t *handler);
EXPORT void __wrap___pthread_register_cancel(__pthread_unwind_buf_t *handler)
{
    if (!in_test())
        return; /* nothing is cancelled there */
    handler->__pad[0] = threads[run.current].cleanup;
    threads[run.current].cleanup = handler;
}

EXPORT void __wrap___pthread_unregister_cancel(__pthread_unwind_buf_t *handler);
EXPORT void __wrap___pthread_unregister_cancel(__pthread_unwind_buf_t *handler)
{
    if (in_test())
        threads[run.current].cleanup = handler->__pad[0];
}

EXPORT void __wrap___pthread_unwind_next(__pthread_unwind_buf_t *handler) __attribute__((noreturn));
EXPORT void __wrap___pthread_unwind_next(__pthread_unwind_buf_t *handler)
{
    (void)handler; /* it was taken off the list */
    leave_thread();
}

EXPORT void __wrap_pthread_exit(void *value) __attribute__((noreturn));
EXPORT void __wrap_pthread_exit(void *value)
{
    run.thread[run.current].exit_value = value;
    leave_thread();
}

EXPORT int __wrap_pthread_setname_np(pthread_t handle, const char *name);
EXPORT int __wrap_pthread_setname_np(pthread_t handle, const char *name)
{
    (void)handle;
    (void)name;
    return 0;
}

/* ---- mutexes ---- */

static int mutex_kind(const pthread_mutex_t *m)
{
    return m->__data.__kind & 3; /* normal 0, recursive 1, error-checking 2, adaptive 3 */
}

/* The attribute's bit, as glibc keeps it. */
static bool is_robust(const pthread_mutex_t *m)
{
    return (m->__data.__kind & 16) != 0;
}

/* A write to the whole object, which races with any use not ordered with it. */
static void object_rewritten(void *object, size_t size, uint64_t pc)
{
    plain_access(object, size, true, false, pc);
}

EXPORT int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr);
EXPORT int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
    object_rewritten(m, sizeof *m, CALLER);
    return pthread_mutex_init(m, attr);
}

EXPORT int __wrap_pthread_mutex_destroy(pthread_mutex_t *m);
EXPORT int __wrap_pthread_mutex_destroy(pthread_mutex_t *m)
{
    if (held_by_self(m))
        bug(BUG_MISUSE, CALLER, "T%d destroys mutex %s while it holds it", run.current, place(m));
    object_destroyed(m, sizeof *m, CALLER);
    return 0;
}

static void hold_mutex(const pthread_mutex_t *m, uint64_t pc)
{
    hold(m, false, pc);
    held_by_self(m)->robust = is_robust(m);
}

static void lock_mutex(pthread_mutex_t *m, uint64_t pc)
{
    object_rmw_read(m, NAME_LOCK, ACQUIRE, AWAIT_EQUAL, 0, pc);
    object_write(m, NAME_LOCK, ACQUIRE, (u128)run.current + 1, true, pc);
    hold_mutex(m, pc);
}

static void unlock_mutex(void *m, uint64_t pc)
{
    struct held *h = held_by_self(m);
    if (!h) {
        bug(BUG_MISUSE, pc, "T%d unlocks mutex %s, which it does not hold", run.current, place(m));
        return;
    }
    if (--h->count > 0)
        return;
    let_go(h);
    object_write(m, NAME_UNLOCK, RELEASE, 0, false, pc);
}

/* Mutexes that know their owner answer who is not: a program may ask. */
static bool knows_owner(const pthread_mutex_t *m)
{
    return mutex_kind(m) == PTHREAD_MUTEX_ERRORCHECK || mutex_kind(m) == PTHREAD_MUTEX_RECURSIVE;
}

/* True when the lock was already held and the question is settled. */
static bool lock_again(const pthread_mutex_t *m, int *result)
{
    struct held *h = held_by_self(m);
    if (!h || mutex_kind(m) == PTHREAD_MUTEX_NORMAL || mutex_kind(m) == PTHREAD_MUTEX_ADAPTIVE_NP)
        return false;
    *result = mutex_kind(m) == PTHREAD_MUTEX_RECURSIVE ? 0 : EDEADLK;
    h->count += *result == 0;
    return true;
}

int mutex_lock(pthread_mutex_t *m, uint64_t pc)
{
    int result = 0;
    if (!in_test())
        return 0;
    volatile_settle();
    if (heap_check((uintptr_t)m, sizeof *m, false, false, pc) && !lock_again(m, &result)) {
        spin_check((uintptr_t)m, 0, 0, pc);
        lock_mutex(m, pc);
    }
    return result;
}

/* From __wrap_pthread_mutex_lock, which notes the registers, as those of all pawl_check_ functions here: a loop that takes a
 * mutex, finds nothing to do, and gives it back, is a wait. */
int pawl_check_mutex_lock(pthread_mutex_t *m);
int pawl_check_mutex_lock(pthread_mutex_t *m)
{
    return mutex_lock(m, CALLER);
}

int mutex_trylock(pthread_mutex_t *m, uint64_t pc)
{
    int result = 0;
    if (!in_test())
        return 0;
    heap_check((uintptr_t)m, sizeof *m, false, false, pc);
    if (held_by_self(m))
        return lock_again(m, &result) && result == 0 ? 0 : EBUSY;
    spin_check((uintptr_t)m, 0, 0, pc);
    if (object_cas(m, NAME_TRYLOCK, ACQUIRE, 0, (u128)run.current + 1, pc) != 0)
        return EBUSY;
    hold_mutex(m, pc);
    return 0;
}

/* From __wrap_pthread_mutex_trylock, as above: a loop of attempts is a wait too. */
int pawl_check_mutex_trylock(pthread_mutex_t *m);
int pawl_check_mutex_trylock(pthread_mutex_t *m)
{
    return mutex_trylock(m, CALLER);
}

int mutex_timedlock(pthread_mutex_t *m, uint64_t pc)
{
    int result = 0;
    if (!in_test() || !heap_check((uintptr_t)m, sizeof *m, false, false, pc) || lock_again(m, &result))
        return result;
    spin_check((uintptr_t)m, 0, 0, pc);
    if (visible_choice(2, false, pc) == 1) {
        if (object_read(m, NAME_LOCK, RELAXED, AWAIT_NOTHING, 0, pc) == 0)
            run_refuse(); /* no time passes before a mutex that is free */
        return ETIMEDOUT;
    }
    self()->may_expire = true;
    lock_mutex(m, pc);
    self()->may_expire = false;
    return 0;
}

int pawl_check_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until);
int pawl_check_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until)
{
    (void)until;
    return mutex_timedlock(m, CALLER);
}

int pawl_check_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *until);
int pawl_check_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *until)
{
    (void)clock;
    (void)until;
    return mutex_timedlock(m, CALLER);
}

int mutex_unlock(pthread_mutex_t *m, bool may_ask, uint64_t pc)
{
    if (!in_test() || !heap_check((uintptr_t)m, sizeof *m, false, false, pc))
        return 0;
    if (!held_by_self(m) && may_ask && knows_owner(m))
        return EPERM;
    unlock_mutex(m, pc);
    return 0;
}

EXPORT int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
EXPORT int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    return mutex_unlock(m, true, CALLER);
}

/* ---- condition variables ---- */

EXPORT int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr);
EXPORT int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr)
{
    object_rewritten(c, sizeof *c, CALLER);
    return pthread_cond_init(c, attr);
}

EXPORT int __wrap_pthread_cond_destroy(pthread_cond_t *c);
EXPORT int __wrap_pthread_cond_destroy(pthread_cond_t *c)
{
    object_destroyed(c, sizeof *c, CALLER);
    return 0;
}

int condition_wait(void *c, void *m, bool timed, uint64_t pc)
{
    if (!held_by_self(m))
        bug(BUG_MISUSE, pc, "T%d waits on a condition variable with mutex %s, which it does not hold",
            run.current, place(m));
    if (timed)
        spin_check((uintptr_t)c, (uintptr_t)m, 0, pc);
    bool expires = timed && visible_choice(2, false, pc) == 1;
    if (!expires)
        waiters_add(c, NAME_COND_WAIT, pc);
    unlock_mutex(m, pc);
    if (!expires)
        waiters_sleep(c, NAME_COND_WAIT, timed, pc);
    lock_mutex(m, pc);
    return expires ? ETIMEDOUT : 0;
}

EXPORT int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
EXPORT int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return condition_wait(c, m, false, CALLER);
}

int pawl_check_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int pawl_check_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
    (void)until;
    return condition_wait(c, m, true, CALLER);
}

int pawl_check_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                              const struct timespec *until);
int pawl_check_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                              const struct timespec *until)
{
    (void)clock;
    (void)until;
    return condition_wait(c, m, true, CALLER);
}

EXPORT int __wrap_pthread_cond_signal(pthread_cond_t *c);
EXPORT int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
    waiters_wake(c, NAME_COND_WAKE, 1, CALLER);
    return 0;
}

EXPORT int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
EXPORT int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    waiters_wake(c, NAME_COND_WAKE, MAX_THREADS, CALLER);
    return 0;
}

/* ---- thread-specific data ---- */

EXPORT int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
EXPORT int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    if (keys.n == KEYS_MAX)
        return EAGAIN;
    run_effect();
    keys.of[keys.n].used = true;
    keys.of[keys.n].destructor = destructor;
    *key = (pthread_key_t)keys.n++;
    return 0;
}

EXPORT int __wrap_pthread_key_delete(pthread_key_t key);
EXPORT int __wrap_pthread_key_delete(pthread_key_t key)
{
    if (key >= KEYS_MAX || !keys.of[key].used)
        return EINVAL;
    run_effect();
    keys.of[key].used = false;
    return 0;
}

static void **value_of(pthread_key_t key)
{
    return &threads[in_test() ? run.current : 0].value[key];
}

EXPORT void *__wrap_pthread_getspecific(pthread_key_t key);
EXPORT void *__wrap_pthread_getspecific(pthread_key_t key)
{
    return key < KEYS_MAX ? *value_of(key) : NULL;
}

EXPORT int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
EXPORT int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    if (key >= KEYS_MAX || !keys.of[key].used)
        return EINVAL;
    if (*value_of(key) != value)
        run_effect(); /* where loads do not look */
    *value_of(key) = (void *)(uintptr_t)value;
    return 0;
}

/* ---- the same by C11's names: a tss_t is a key ---- */

EXPORT int __wrap_tss_create(tss_t *key, tss_dtor_t destructor);
EXPORT int __wrap_tss_create(tss_t *key, tss_dtor_t destructor)
{
    return __wrap_pthread_key_create(key, destructor) ? thrd_error : thrd_success;
}

EXPORT void __wrap_tss_delete(tss_t key);
EXPORT void __wrap_tss_delete(tss_t key)
{
    __wrap_pthread_key_delete(key);
}

EXPORT void *__wrap_tss_get(tss_t key);
EXPORT void *__wrap_tss_get(tss_t key)
{
    return __wrap_pthread_getspecific(key);
}

EXPORT int __wrap_tss_set(tss_t key, void *value);
EXPORT int __wrap_tss_set(tss_t key, void *value)
{
    return __wrap_pthread_setspecific(key, value) ? thrd_error : thrd_success;
}
