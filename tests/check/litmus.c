/* SPDX-License-Identifier: MIT */
/* Runs a litmus test that is given as text, so that thousands of them need one compilation.
 *
 *   litmus -- "w x r 1  w y l 1 | r y a  r x r"
 *
 * Threads are separated by |. Operations: w LOC ORDER VALUE, r LOC ORDER, x LOC ORDER VALUE (exchange),
 * a LOC ORDER VALUE (fetch_add), c LOC OK FAIL EXPECTED DESIRED (compare-exchange), f ORDER (fence), { and } (begin
 * and end of a transaction), l and h (light and heavy fence), v LOC ORDER VALUE (loads until it reads that), m and u (lock
 * and unlock the mutex), W LOC VALUE and R LOC (plain, of p, q too), s N and j N (start the thread that stands at N, from 0, and
 * wait for its end; the other threads are main's).
 * A = in front: equal neighbours are the same thread to the checker (--symmetry), and nothing is printed.
 * Orders: r relaxed, a acquire, l release, b acq_rel, s seq_cst. Prints what every read read, in order.
 */
#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 6, OPERATIONS = 16, LOCATIONS = 4, PLAIN = 2 };

struct operation {
    char kind, order, fail;
    int loc, value, desired;
};

static atomic_int variable[LOCATIONS];
static int plain_variable[PLAIN];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread[THREADS];
static bool is_started[THREADS], is_joined[THREADS]; /* by another thread than the first */
static struct operation program[THREADS][OPERATIONS];
static int length[THREADS], nthreads;
static int result[THREADS][OPERATIONS];
static bool symmetric;

static memory_order order(char c)
{
    switch (c) {
    case 'r':
        return memory_order_relaxed;
    case 'a':
        return memory_order_acquire;
    case 'l':
        return memory_order_release;
    case 'b':
        return memory_order_acq_rel;
    default:
        assert(c == 's');
        return memory_order_seq_cst;
    }
}

/* p and q, then those that are atomic for others. */
static int *plain(int loc)
{
    return loc < PLAIN ? &plain_variable[loc] : (int *)&variable[loc - PLAIN];
}

static int number(const char **text)
{
    char *end;
    long n = strtol(*text, &end, 10);
    assert(end != *text);
    *text = end;
    return (int)n;
}

static char letter(const char **text)
{
    while (**text == ' ')
        (*text)++;
    return *(*text)++;
}

static void parse(const char *text)
{
    nthreads = 1;
    for (char kind; (kind = letter(&text));) {
        if (kind == '|') {
            nthreads++;
            continue;
        }
        struct operation *o = &program[nthreads - 1][length[nthreads - 1]++];
        o->kind = kind;
        if (strchr("{}lhmu", kind))
            continue;
        if (strchr("sj", kind)) {
            o->value = number(&text);
            (kind == 's' ? is_started : is_joined)[o->value] = true;
            continue;
        }
        if (strchr("WR", kind)) {
            char c = letter(&text);
            o->loc = c - (c < 'x' ? 'p' : 'x' - PLAIN);
            assert(o->loc >= 0 && o->loc < PLAIN + LOCATIONS);
            o->value = kind == 'W' ? number(&text) : 0;
            continue;
        }
        o->loc = kind == 'f' ? 0 : letter(&text) - 'x';
        o->order = letter(&text);
        assert(o->loc >= 0 && o->loc < LOCATIONS);
        if (kind == 'c')
            o->fail = letter(&text);
        if (strchr("wxacv", kind))
            o->value = number(&text);
        if (kind == 'c')
            o->desired = number(&text);
    }
}

static void *run(void *argument);

static int perform(const struct operation *o)
{
    atomic_int *v = &variable[o->loc];
    int expected = o->value;
    switch (o->kind) {
    case 'v':
        while (atomic_load_explicit(v, order(o->order)) != o->value) {
        }
        return o->value;
    case 'm':
        return pthread_mutex_lock(&mutex);
    case 'u':
        return pthread_mutex_unlock(&mutex);
    case 'W':
        *plain(o->loc) = o->value;
        return 0;
    case 'R':
        return *plain(o->loc);
    case 's':
        return pthread_create(&thread[o->value], NULL, run, (void *)(long)o->value);
    case 'j':
        return pthread_join(thread[o->value], NULL);
    case 'w':
        atomic_store_explicit(v, o->value, order(o->order));
        return 0;
    case 'r':
        return atomic_load_explicit(v, order(o->order));
    case 'x':
        return atomic_exchange_explicit(v, o->value, order(o->order));
    case 'a':
        return atomic_fetch_add_explicit(v, o->value, order(o->order));
    case 'c':
        __atomic_compare_exchange_n((int *)v, &expected, o->desired, 0, (int)order(o->order),
                                    (int)order(o->fail));
        return expected;
    case '{':
        pawl_check_atomic_begin();
        return 0;
    case '}':
        pawl_check_atomic_end();
        return 0;
    case 'l':
        pawl_check_fence_light();
        return 0;
    case 'h':
        pawl_check_fence_heavy();
        return 0;
    default:
        atomic_thread_fence(order(o->order));
        return 0;
    }
}

static bool equal(long a, long b)
{
    for (int i = 0; i < length[a]; i++)
        if (memcmp(&program[a][i], &program[b][i], sizeof program[a][i]))
            return false;
    return length[a] == length[b];
}

static void *run(void *argument)
{
    long t = (long)argument;
    for (int i = 0; i < length[t]; i++) {
        int value = perform(&program[t][i]);
        if (!symmetric)
            result[t][i] = value;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    symmetric = argv[1][0] == '=';
    parse(argv[1] + symmetric);
    for (long t = 0, first = 0; t < nthreads; t++) {
        if (is_started[t])
            continue;
        if (!symmetric || !equal(first, t))
            first = t;
        pthread_create(&thread[t], NULL, run, (void *)first);
    }
    for (int t = 0; t < nthreads; t++) /* whoever starts another stands before it */
        if (!is_joined[t])
            pthread_join(thread[t], NULL);
    for (int t = 0; t < nthreads && !symmetric; t++)
        for (int i = 0; i < length[t]; i++)
            if (strchr("rxacvR", program[t][i].kind))
                printf("%d ", result[t][i]);
    printf("\n");
    return 0;
}
