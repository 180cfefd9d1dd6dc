/* SPDX-License-Identifier: MIT */
/* Runs a program of blocking calls that is given as text, so that thousands of them need one compilation.
 *
 *   blocking -- "m0 w01 C0 u0 | m0 S0 u0"
 *
 * Threads are separated by |. An operation is a letter with digits:
 *   wLV rL xLV aLV vLV   store, load, exchange, fetch_add, loads until it reads V, of variable L (all seq_cst)
 *   mI tI uI             lock, trylock, unlock mutex I (what is not held is not unlocked)
 *   CI DI SI BI          wait, wait until a time that is over, signal, broadcast: condition I with mutex I
 *   P T O V G            semaphore: wait, trywait, wait until a time that is over, post, value
 *   b                    barrier of two
 *   FLV HLV KLN          futex: wait while variable L is V, the same with a time that may be over, wake N
 *   d y e z n            rwlock: rdlock, tryrdlock, wrlock, trywrlock, unlock
 *   o                    once; adds 1 to variable 2
 *   lIV                  looks at variable 0 under mutex I until it is V
 *   LIV                  the same, holding the mutex but for a moment in each round
 *   EIV                  waits for that with condition I and its mutex, until a time that is over, again and again
 *   ZLV                  waits for variable L to be V with a futex in the same way
 *   AI                   locks mutex I and tries the other one, giving I back until it has both; gives both back
 *   cIV                  looks at variable 0 until it is V, under the rwlock for reading, which it locks under mutex I
 *   WI                   takes mutex I by an attempt and gives it back, until an attempt fails
 *   RIV                  looks at variable 0 until it is V, holding the rwlock, but for a moment in each round: for writing if I is 1
 *   Q Y                  the semaphore's wait until a time that is over, its trywait, again and again
 *   sN jN                start the thread that stands at N, from 0, and wait for its end; the others are main's
 *   ~                    this thread is detached, and its results are not printed
 * Prints what each operation returned or read, in order.
 */
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6, OPERATIONS = 16, VARIABLES = 3, PAIRS = 2, PARTIES = 2 };

struct operation {
    char kind;
    int first, second;
};

struct held {
    bool mutex[PAIRS];
    int rwlock;
};

static struct operation program[THREADS][OPERATIONS];
static int length[THREADS], nthreads;
static int result[THREADS][OPERATIONS];
static bool is_detached[THREADS], is_started[THREADS],
    is_joined[THREADS]; /* the last two: by another than main */
static pthread_t thread[THREADS];

static atomic_uint variable[VARIABLES];
static pthread_mutex_t mutex[PAIRS] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_cond_t condition[PAIRS] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_barrier_t barrier;
static sem_t semaphore;
static const struct timespec over; /* 1970 */

static void *run(void *number);

static void count_once(void)
{
    atomic_fetch_add(&variable[2], 1);
}

static int futex(int variable_index, int what, int value, const struct timespec *timeout)
{
    long r = syscall(SYS_futex, &variable[variable_index], what | FUTEX_PRIVATE_FLAG, value, timeout);
    return r < 0 ? -errno : (int)r;
}

static int wait_for_value(const struct operation *op)
{
    while (atomic_load(&variable[op->first]) != (unsigned)op->second)
        ;
    return op->second;
}

static void lock_both(int i)
{
    for (;;) {
        pthread_mutex_lock(&mutex[i]);
        if (pthread_mutex_trylock(&mutex[!i]) == 0)
            break;
        pthread_mutex_unlock(&mutex[i]);
    }
    pthread_mutex_unlock(&mutex[!i]);
    pthread_mutex_unlock(&mutex[i]);
}

static void lock_rwlock(bool writes)
{
    writes ? pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_rdlock(&rwlock);
}

static void look_while_holding(bool writes, unsigned wanted)
{
    lock_rwlock(writes);
    while (atomic_load(&variable[0]) != wanted) {
        pthread_rwlock_unlock(&rwlock);
        lock_rwlock(writes);
    }
    pthread_rwlock_unlock(&rwlock);
}

static unsigned look_while_reading(int i)
{
    pthread_mutex_lock(&mutex[i]);
    pthread_rwlock_rdlock(&rwlock);
    pthread_mutex_unlock(&mutex[i]);
    unsigned is = atomic_load(&variable[0]);
    pthread_rwlock_unlock(&rwlock);
    return is;
}

static int wait_in_rounds(const struct operation *op)
{
    int i = op->first;
    unsigned is, wanted = (unsigned)op->second;
    switch (op->kind) {
    case 'l':
        do {
            pthread_mutex_lock(&mutex[i]);
            is = atomic_load(&variable[0]);
            pthread_mutex_unlock(&mutex[i]);
        } while (is != wanted);
        return 0;
    case 'L':
        pthread_mutex_lock(&mutex[i]);
        while (atomic_load(&variable[0]) != wanted) {
            pthread_mutex_unlock(&mutex[i]);
            pthread_mutex_lock(&mutex[i]);
        }
        pthread_mutex_unlock(&mutex[i]);
        return 0;
    case 'E':
        while (atomic_load(&variable[0]) != wanted)
            pthread_cond_timedwait(&condition[i], &mutex[i], &over);
        return 0;
    case 'Z':
        while ((is = atomic_load(&variable[i])) != wanted)
            futex(i, FUTEX_WAIT, (int)is, &over);
        return 0;
    case 'A':
        lock_both(i);
        return 0;
    case 'W':
        while (pthread_mutex_trylock(&mutex[i]) == 0)
            pthread_mutex_unlock(&mutex[i]);
        return 0;
    case 'R':
        look_while_holding(i == 1, wanted);
        return 0;
    case 'c':
        while (look_while_reading(i) != wanted)
            ;
        return 0;
    case 'Q':
        while (sem_timedwait(&semaphore, &over) != 0)
            ;
        return 0;
    default:
        assert(op->kind == 'Y');
        while (sem_trywait(&semaphore) != 0)
            ;
        return 0;
    }
}

static int perform_atomic(const struct operation *op)
{
    atomic_uint *v = &variable[op->first];
    unsigned value = (unsigned)op->second;
    switch (op->kind) {
    case 'w':
        atomic_store(v, value);
        return 0;
    case 'r':
        return (int)atomic_load(v);
    case 'x':
        return (int)atomic_exchange(v, value);
    case 'a':
        return (int)atomic_fetch_add(v, value);
    default:
        assert(op->kind == 'v');
        return wait_for_value(op);
    }
}

static int perform_mutex(const struct operation *op, struct held *held)
{
    int i = op->first, r = 0;
    switch (op->kind) {
    case 'm':
        r = pthread_mutex_lock(&mutex[i]);
        held->mutex[i] = true;
        return r;
    case 't':
        r = pthread_mutex_trylock(&mutex[i]);
        held->mutex[i] |= r == 0;
        return r;
    case 'u':
        if (held->mutex[i])
            r = pthread_mutex_unlock(&mutex[i]);
        held->mutex[i] = false;
        return r;
    case 'C':
        return pthread_cond_wait(&condition[i], &mutex[i]);
    case 'D':
        return pthread_cond_timedwait(&condition[i], &mutex[i], &over);
    case 'S':
        return pthread_cond_signal(&condition[i]);
    default:
        assert(op->kind == 'B');
        return pthread_cond_broadcast(&condition[i]);
    }
}

static int perform_semaphore(const struct operation *op)
{
    int value = 0;
    switch (op->kind) {
    case 'P':
        return sem_wait(&semaphore);
    case 'T':
        return sem_trywait(&semaphore);
    case 'O':
        return sem_timedwait(&semaphore, &over);
    case 'V':
        return sem_post(&semaphore);
    default:
        assert(op->kind == 'G');
        sem_getvalue(&semaphore, &value);
        return value;
    }
}

static int unlock_rwlock(struct held *held)
{
    if (held->rwlock == 0)
        return 0;
    held->rwlock--;
    return pthread_rwlock_unlock(&rwlock);
}

static int perform_rwlock(const struct operation *op, struct held *held)
{
    int r;
    switch (op->kind) {
    case 'd':
        r = pthread_rwlock_rdlock(&rwlock);
        break;
    case 'y':
        r = pthread_rwlock_tryrdlock(&rwlock);
        break;
    case 'e':
        r = pthread_rwlock_wrlock(&rwlock);
        break;
    case 'z':
        r = pthread_rwlock_trywrlock(&rwlock);
        break;
    default:
        assert(op->kind == 'n');
        return unlock_rwlock(held);
    }
    held->rwlock += r == 0;
    return r;
}

static int perform_other(const struct operation *op)
{
    switch (op->kind) {
    case 'b':
        return pthread_barrier_wait(&barrier);
    case 'F':
        return futex(op->first, FUTEX_WAIT, op->second, NULL);
    case 'H':
        return futex(op->first, FUTEX_WAIT, op->second, &over);
    case 'K':
        return futex(op->first, FUTEX_WAKE, op->second, NULL);
    case 'o':
        return pthread_once(&once, count_once);
    case 's':
        return pthread_create(&thread[op->first], NULL, run, program[op->first]);
    default:
        assert(op->kind == 'j');
        return pthread_join(thread[op->first], NULL);
    }
}

static int perform(const struct operation *op, struct held *held)
{
    if (strchr("wrxav", op->kind))
        return perform_atomic(op);
    if (strchr("mtuCDSB", op->kind))
        return perform_mutex(op, held);
    if (strchr("PTOVG", op->kind))
        return perform_semaphore(op);
    if (strchr("dyezn", op->kind))
        return perform_rwlock(op, held);
    if (strchr("lLEZAcWRQY", op->kind))
        return wait_in_rounds(op);
    return perform_other(op);
}

static void *run(void *first)
{
    long t = (struct operation(*)[OPERATIONS])first - program;
    struct held held = {0};
    for (int i = 0; i < length[t]; i++) {
        int r = perform(&program[t][i], &held);
        if (!is_detached[t]) /* main may be gone */
            result[t][i] = r;
    }
    return NULL;
}

/* The operation that *text begins with; *text is left behind it. */
static void parse_operation(const char **text)
{
    assert(length[nthreads - 1] < OPERATIONS);
    struct operation *op = &program[nthreads - 1][length[nthreads - 1]++];
    op->kind = *(*text)++;
    int *field[] = {&op->first, &op->second};
    for (int i = 0; **text >= '0' && **text <= '9'; i++) {
        assert(i < 2);
        *field[i] = *(*text)++ - '0';
    }
    assert(op->first < THREADS);
    if (op->kind == 's')
        is_started[op->first] = true;
    if (op->kind == 'j')
        is_joined[op->first] = true;
}

static void parse(const char *text)
{
    nthreads = 1;
    while (*text != '\0') {
        char c = *text;
        if (c != '|' && c != '~' && c != ' ') {
            parse_operation(&text);
            continue;
        }
        assert(nthreads < THREADS || c != '|');
        nthreads += c == '|';
        is_detached[nthreads - 1] |= c == '~';
        text++;
    }
}

static void print_results(void)
{
    for (int t = 0; t < nthreads; t++)
        for (int i = 0; i < length[t] && !is_detached[t]; i++)
            printf("%d ", result[t][i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    parse(argv[1]);
    sem_init(&semaphore, 0, 0);
    pthread_barrier_init(&barrier, NULL, PARTIES);
    for (int t = 0; t < nthreads; t++) {
        if (!is_started[t])
            pthread_create(&thread[t], NULL, run, program[t]);
        if (!is_started[t] && is_detached[t])
            pthread_detach(thread[t]);
    }
    for (int t = 0; t < nthreads; t++)
        if (!is_joined[t] && !is_detached[t])
            pthread_join(thread[t], NULL);
    print_results();
    return 0;
}
