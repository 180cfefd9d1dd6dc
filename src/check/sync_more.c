/* SPDX-License-Identifier: MIT */
/* Reader-writer locks, barriers, once, semaphores, spin locks, C11 threads.
 *
 *   rwlock     number of readers, or -1 for a writer
 *   barrier    two words: arrivals so far, and rounds completed; who arrives waits until its round is among those
 *   once       0 new, 1 running, 2 done
 *   semaphore  its value
 */
#include "object.h"
#include "sync.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <threads.h>

/* ---- reader-writer locks ---- */

static bool sign_clear(u128 v)
{
    return !(v >> 31 & 1);
}

EXPORT int __wrap_pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *attr);
EXPORT int __wrap_pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *attr)
{
    plain_access(l, sizeof *l, true, false, CALLER);
    return pthread_rwlock_init(l, attr);
}

EXPORT int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *l);
EXPORT int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *l)
{
    object_destroyed(l, sizeof *l, CALLER);
    return 0;
}

static int lock_to_read(pthread_rwlock_t *l, uint64_t pc)
{
    /* AWAIT_BIT_CLEAR on the sign: no writer. */
    u128 readers = object_rmw_read(l, NAME_RDLOCK, ACQUIRE, AWAIT_BIT_CLEAR, (u128)1 << 31, pc);
    object_write(l, NAME_RDLOCK, ACQUIRE, readers + 1, true, pc);
    return 0;
}

static int lock_to_write(pthread_rwlock_t *l, uint64_t pc)
{
    object_rmw_read(l, NAME_WRLOCK, ACQUIRE, AWAIT_EQUAL, 0, pc);
    object_write(l, NAME_WRLOCK, ACQUIRE, RWLOCK_WRITER, true, pc);
    return 0;
}

/* From __wrap_pthread_rwlock_rdlock and so on, which note the registers. */
int pawl_check_rwlock_rdlock(pthread_rwlock_t *l);
int pawl_check_rwlock_rdlock(pthread_rwlock_t *l)
{
    spin_check((uintptr_t)l, 0, 0, CALLER);
    return lock_to_read(l, CALLER);
}

int pawl_check_rwlock_wrlock(pthread_rwlock_t *l);
int pawl_check_rwlock_wrlock(pthread_rwlock_t *l)
{
    spin_check((uintptr_t)l, 0, 0, CALLER);
    return lock_to_write(l, CALLER);
}

int pawl_check_rwlock_tryrdlock(pthread_rwlock_t *l);
int pawl_check_rwlock_tryrdlock(pthread_rwlock_t *l)
{
    spin_check((uintptr_t)l, 0, 0, CALLER);
    u128 readers = object_read_unless(l, NAME_RDLOCK, ACQUIRE, RWLOCK_WRITER, CALLER);
    if (readers == RWLOCK_WRITER)
        return EBUSY;
    object_write(l, NAME_RDLOCK, ACQUIRE, readers + 1, true, CALLER);
    return 0;
}

int pawl_check_rwlock_trywrlock(pthread_rwlock_t *l);
int pawl_check_rwlock_trywrlock(pthread_rwlock_t *l)
{
    spin_check((uintptr_t)l, 0, 0, CALLER);
    return object_cas(l, NAME_WRLOCK, ACQUIRE, 0, RWLOCK_WRITER, CALLER) == 0 ? 0 : EBUSY;
}

/* As a mutex's: sync.c. */
static int lock_timed(pthread_rwlock_t *l, bool writes, uint64_t pc)
{
    spin_check((uintptr_t)l, 0, 0, pc);
    if (visible_choice(2, false, pc) == 1) {
        u128 holds = object_read(l, writes ? NAME_WRLOCK : NAME_RDLOCK, RELAXED, AWAIT_NOTHING, 0, pc);
        if (writes ? holds == 0 : sign_clear(holds))
            run_refuse(); /* no time passes before a lock that can be taken */
        return ETIMEDOUT;
    }
    self()->may_expire = true;
    writes ? lock_to_write(l, pc) : lock_to_read(l, pc);
    self()->may_expire = false;
    return 0;
}

int pawl_check_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *until);
int pawl_check_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *until)
{
    (void)until;
    return lock_timed(l, false, CALLER);
}

int pawl_check_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *until);
int pawl_check_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *until)
{
    (void)until;
    return lock_timed(l, true, CALLER);
}

int pawl_check_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *until);
int pawl_check_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *until)
{
    (void)clock;
    (void)until;
    return lock_timed(l, false, CALLER);
}

int pawl_check_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *until);
int pawl_check_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *until)
{
    (void)clock;
    (void)until;
    return lock_timed(l, true, CALLER);
}

EXPORT int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l);
EXPORT int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    u128 held = object_rmw_read(l, NAME_RWUNLOCK, RELEASE, AWAIT_NOTHING, 0, CALLER);
    if (held == 0)
        bug(BUG_MISUSE, CALLER, "T%d unlocks a reader-writer lock that nobody holds", run.current);
    object_write(l, NAME_RWUNLOCK, RELEASE, sign_clear(held) ? held - 1 : 0, true, CALLER);
    return 0;
}

/* ---- barriers ---- */

struct barrier { /* over the memory of a pthread_barrier_t */
    uint32_t arrived, round, count;
};
_Static_assert(sizeof(struct barrier) <= sizeof(pthread_barrier_t), "a barrier's words have room in it");

EXPORT int __wrap_pthread_barrier_init(pthread_barrier_t *b, const pthread_barrierattr_t *attr,
                                       unsigned count);
EXPORT int __wrap_pthread_barrier_init(pthread_barrier_t *b, const pthread_barrierattr_t *attr,
                                       unsigned count)
{
    struct barrier fresh = {0, 0, count};
    (void)attr;
    if (count == 0)
        return EINVAL;
    plain_access(b, sizeof *b, true, false, CALLER);
    memcpy(b, &fresh, sizeof fresh);
    return 0;
}

EXPORT int __wrap_pthread_barrier_destroy(pthread_barrier_t *b);
EXPORT int __wrap_pthread_barrier_destroy(pthread_barrier_t *b)
{
    object_destroyed(b, sizeof *b, CALLER);
    return 0;
}

EXPORT int __wrap_pthread_barrier_wait(pthread_barrier_t *p);
EXPORT int __wrap_pthread_barrier_wait(pthread_barrier_t *p)
{
    struct barrier *b = (struct barrier *)(void *)p;
    uint64_t pc = CALLER;
    u128 arrived = object_rmw_read(&b->arrived, NAME_BARRIER, ACQ_REL, AWAIT_NOTHING, 0, pc);
    object_write(&b->arrived, NAME_BARRIER, ACQ_REL, arrived + 1, true, pc);
    u128 round = arrived / b->count;
    if ((arrived + 1) % b->count != 0) {
        object_read(&b->round, NAME_BARRIER, ACQUIRE, AWAIT_MORE, round, pc);
        return 0;
    }
    /* Counted, not stored: of two rounds that are complete, the later one may be the first to say so. */
    u128 completed = object_rmw_read(&b->round, NAME_BARRIER, RELEASE, AWAIT_NOTHING, 0, pc);
    object_write(&b->round, NAME_BARRIER, RELEASE, completed + 1, true, pc);
    return PTHREAD_BARRIER_SERIAL_THREAD;
}

/* ---- once ---- */

static void once(void *control, void (*function)(void), uint64_t pc)
{
    enum { NEW, RUNNING, DONE };
    u128 state = object_rmw_read(control, NAME_ONCE, ACQUIRE, AWAIT_NOT_EQUAL, RUNNING, pc);
    object_write(control, NAME_ONCE, ACQUIRE, state == DONE ? DONE : RUNNING, true, pc);
    if (state == DONE)
        return;
    function();
    object_write(control, NAME_ONCE, RELEASE, DONE, false, pc);
}

EXPORT int __wrap_pthread_once(pthread_once_t *control, void (*function)(void));
EXPORT int __wrap_pthread_once(pthread_once_t *control, void (*function)(void))
{
    once(control, function, CALLER);
    return 0;
}

EXPORT void __wrap_call_once(once_flag *control, void (*function)(void));
EXPORT void __wrap_call_once(once_flag *control, void (*function)(void))
{
    once(control, function, CALLER);
}

/* ---- semaphores ---- */

EXPORT int __wrap_sem_init(sem_t *s, int shared, unsigned value);
EXPORT int __wrap_sem_init(sem_t *s, int shared, unsigned value)
{
    plain_access(s, sizeof *s, true, false, CALLER);
    if (sem_init(s, shared, value) != 0)
        return -1;
    object_write(s, NAME_INIT, RELEASE, value, false, CALLER);
    return 0;
}

EXPORT int __wrap_sem_destroy(sem_t *s);
EXPORT int __wrap_sem_destroy(sem_t *s)
{
    object_destroyed(s, sizeof *s, CALLER);
    return 0;
}

static int semaphore_value(sem_t *s, uint64_t pc)
{
    heap_check((uintptr_t)s, OBJECT_BYTES, false, true, pc);
    return (int)object_read(s, NAME_SEM_VALUE, RELAXED, AWAIT_NOTHING, 0, pc);
}

static int semaphore_wait(sem_t *s, uint64_t pc)
{
    u128 value = object_rmw_read(s, NAME_SEM_WAIT, ACQUIRE, AWAIT_MORE, 0, pc);
    object_write(s, NAME_SEM_WAIT, ACQUIRE, value - 1, true, pc);
    return 0;
}

EXPORT int __wrap_sem_wait(sem_t *s);
EXPORT int __wrap_sem_wait(sem_t *s)
{
    return semaphore_wait(s, CALLER);
}

static int semaphore_timedwait(sem_t *s, uint64_t pc)
{
    spin_check((uintptr_t)s, 0, 0, pc);
    if (visible_choice(2, false, pc) == 1) {
        if (semaphore_value(s, pc) > 0)
            run_refuse(); /* no time passes before one that can be taken */
        errno = ETIMEDOUT;
        return -1;
    }
    self()->may_expire = true;
    semaphore_wait(s, pc);
    self()->may_expire = false;
    return 0;
}

int pawl_check_sem_timedwait(sem_t *s, const struct timespec *until);
int pawl_check_sem_timedwait(sem_t *s, const struct timespec *until)
{
    (void)until;
    return semaphore_timedwait(s, CALLER);
}

int pawl_check_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *until);
int pawl_check_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *until)
{
    (void)clock;
    (void)until;
    return semaphore_timedwait(s, CALLER);
}

int pawl_check_sem_trywait(sem_t *s);
int pawl_check_sem_trywait(sem_t *s)
{
    spin_check((uintptr_t)s, 0, 0, CALLER);
    u128 value = object_read_unless(s, NAME_SEM_WAIT, ACQUIRE, 0, CALLER);
    if (value == 0) {
        errno = EAGAIN;
        return -1;
    }
    object_write(s, NAME_SEM_WAIT, ACQUIRE, value - 1, true, CALLER);
    return 0;
}

int pawl_check_sem_getvalue(sem_t *s, int *value);
int pawl_check_sem_getvalue(sem_t *s, int *value)
{
    spin_check((uintptr_t)s, 0, 0, CALLER);
    int now = semaphore_value(s, CALLER);
    plain_access(value, sizeof *value, true, true, CALLER);
    *value = now;
    return 0;
}

EXPORT int __wrap_sem_post(sem_t *s);
EXPORT int __wrap_sem_post(sem_t *s)
{
    u128 value = object_rmw_read(s, NAME_SEM_POST, RELEASE, AWAIT_NOTHING, 0, CALLER);
    object_write(s, NAME_SEM_POST, RELEASE, value + 1, true, CALLER);
    return 0;
}

/* ---- pthread spin locks ---- */

EXPORT int __wrap_pthread_spin_init(pthread_spinlock_t *l, int shared);
EXPORT int __wrap_pthread_spin_init(pthread_spinlock_t *l, int shared)
{
    plain_access((const void *)(uintptr_t)l, sizeof *l, true, false, CALLER);
    return pthread_spin_init(l, shared);
}

EXPORT int __wrap_pthread_spin_destroy(pthread_spinlock_t *l);
EXPORT int __wrap_pthread_spin_destroy(pthread_spinlock_t *l)
{
    object_destroyed((void *)(uintptr_t)l, sizeof *l, CALLER);
    return 0;
}

int pawl_check_spin_lock(pthread_spinlock_t *l);
int pawl_check_spin_lock(pthread_spinlock_t *l)
{
    void *object = (void *)(uintptr_t)l;
    spin_check((uintptr_t)l, 0, 0, CALLER);
    object_rmw_read(object, NAME_LOCK, ACQUIRE, AWAIT_EQUAL, 0, CALLER);
    object_write(object, NAME_LOCK, ACQUIRE, (u128)run.current + 1, true, CALLER);
    return 0;
}

int pawl_check_spin_trylock(pthread_spinlock_t *l);
int pawl_check_spin_trylock(pthread_spinlock_t *l)
{
    void *object = (void *)(uintptr_t)l;
    spin_check((uintptr_t)l, 0, 0, CALLER);
    return object_cas(object, NAME_TRYLOCK, ACQUIRE, 0, (u128)run.current + 1, CALLER) == 0 ? 0 : EBUSY;
}

EXPORT int __wrap_pthread_spin_unlock(pthread_spinlock_t *l);
EXPORT int __wrap_pthread_spin_unlock(pthread_spinlock_t *l)
{
    object_write((void *)(uintptr_t)l, NAME_UNLOCK, RELEASE, 0, false, CALLER);
    return 0;
}

/* ---- C11 threads, on the pthread functions ---- */

int __wrap_pthread_detach(pthread_t);
void __wrap_pthread_exit(void *) __attribute__((noreturn));
pthread_t __wrap_pthread_self(void);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *);

EXPORT int __wrap_thrd_create(thrd_t *handle, thrd_start_t start, void *argument);
EXPORT int __wrap_thrd_create(thrd_t *handle, thrd_start_t start, void *argument)
{
    /* The value of an int function comes back in the low half of the register that a pointer comes back in.
     * */
    void *(*function)(void *) = (void *(*)(void *))(void (*)(void))start;
    return thread_create(handle, NULL, function, argument, CALLER) ? thrd_error : thrd_success;
}

EXPORT int __wrap_thrd_join(thrd_t handle, int *result);
EXPORT int __wrap_thrd_join(thrd_t handle, int *result)
{
    return thread_join(handle, result, sizeof *result, CALLER) ? thrd_error : thrd_success;
}

EXPORT int __wrap_thrd_detach(thrd_t handle);
EXPORT int __wrap_thrd_detach(thrd_t handle)
{
    return __wrap_pthread_detach(handle) ? thrd_error : thrd_success;
}

EXPORT void __wrap_thrd_exit(int result) __attribute__((noreturn));
EXPORT void __wrap_thrd_exit(int result)
{
    __wrap_pthread_exit((void *)(intptr_t)result);
}

EXPORT thrd_t __wrap_thrd_current(void);
EXPORT thrd_t __wrap_thrd_current(void)
{
    return __wrap_pthread_self();
}

EXPORT int __wrap_thrd_sleep(const struct timespec *t, struct timespec *left);
EXPORT int __wrap_thrd_sleep(const struct timespec *t, struct timespec *left)
{
    (void)t;
    (void)left;
    return 0;
}

EXPORT void __wrap_thrd_yield(void);
EXPORT void __wrap_thrd_yield(void)
{
}

EXPORT int __wrap_mtx_init(mtx_t *m, int type);
EXPORT int __wrap_mtx_init(mtx_t *m, int type)
{
    plain_access(m, sizeof *m, true, false, CALLER);
    return mtx_init(m, type);
}

EXPORT void __wrap_mtx_destroy(mtx_t *m);
EXPORT void __wrap_mtx_destroy(mtx_t *m)
{
    __wrap_pthread_mutex_destroy((pthread_mutex_t *)(void *)m);
}

/* From __wrap_mtx_lock and so on, which note the registers. */
int pawl_check_mtx_lock(mtx_t *m);
int pawl_check_mtx_lock(mtx_t *m)
{
    return mutex_lock((pthread_mutex_t *)(void *)m, CALLER) ? thrd_error : thrd_success;
}

int pawl_check_mtx_trylock(mtx_t *m);
int pawl_check_mtx_trylock(mtx_t *m)
{
    return mutex_trylock((pthread_mutex_t *)(void *)m, CALLER) ? thrd_busy : thrd_success;
}

int pawl_check_mtx_timedlock(mtx_t *m, const struct timespec *until);
int pawl_check_mtx_timedlock(mtx_t *m, const struct timespec *until)
{
    (void)until;
    int error = mutex_timedlock((pthread_mutex_t *)(void *)m, CALLER);
    return error == ETIMEDOUT ? thrd_timedout : error ? thrd_error : thrd_success;
}

EXPORT int __wrap_mtx_unlock(mtx_t *m);
EXPORT int __wrap_mtx_unlock(mtx_t *m)
{
    /* C11 leaves undefined what POSIX answers. */
    return mutex_unlock((pthread_mutex_t *)(void *)m, false, CALLER) ? thrd_error : thrd_success;
}

EXPORT int __wrap_cnd_init(cnd_t *c);
EXPORT int __wrap_cnd_init(cnd_t *c)
{
    plain_access(c, sizeof *c, true, false, CALLER);
    return cnd_init(c);
}

EXPORT void __wrap_cnd_destroy(cnd_t *c);
EXPORT void __wrap_cnd_destroy(cnd_t *c)
{
    object_destroyed(c, sizeof *c, CALLER);
}

EXPORT int __wrap_cnd_wait(cnd_t *c, mtx_t *m);
EXPORT int __wrap_cnd_wait(cnd_t *c, mtx_t *m)
{
    return condition_wait(c, m, false, CALLER) ? thrd_error : thrd_success;
}

int pawl_check_cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until);
int pawl_check_cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
    (void)until;
    int error = condition_wait(c, m, true, CALLER);
    return error == ETIMEDOUT ? thrd_timedout : error ? thrd_error : thrd_success;
}

EXPORT int __wrap_cnd_signal(cnd_t *c);
EXPORT int __wrap_cnd_signal(cnd_t *c)
{
    waiters_wake(c, NAME_COND_WAKE, 1, CALLER);
    return thrd_success;
}

EXPORT int __wrap_cnd_broadcast(cnd_t *c);
EXPORT int __wrap_cnd_broadcast(cnd_t *c)
{
    waiters_wake(c, NAME_COND_WAKE, MAX_THREADS, CALLER);
    return thrd_success;
}
