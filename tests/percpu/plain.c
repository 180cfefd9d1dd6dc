/* SPDX-License-Identifier: MIT */
/* <pawl/percpu.h> without a test framework, for libcs and machines that have none: threads that use every kind of
 * operation and exit; then the count.
 *
 *     plain [MODE...]     the modes that are expected; "missing" is always one where rseq may be denied
 */
#include <pawl/percpu.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 8
#define LIVES 50
#define ROUNDS 2000
#define NODES 16

struct slice {
    long count;
    long late;
    struct pawl_percpu_list list;
    long map[2];
};

#define AT(field) offsetof(struct slice, field)

static struct pawl_percpu *pc;
static struct pawl_percpu_node node[NODES];
static pthread_key_t key;

static void at_exit(void *unused)
{
    (void)unused;
    if (pawl_percpu_add(pc, AT(late), 1) != 0)
        fprintf(stderr, "add in a destructor failed\n");
}

static int use_list(void)
{
    struct pawl_percpu_node *taken = pawl_percpu_pop(pc, AT(list));

    return taken == NULL ? 0 : pawl_percpu_push(pc, AT(list), taken);
}

static int use_ids(void)
{
    long id = pawl_percpu_bit_alloc(pc, AT(map), 2);
    int status;

    if (id < 0)
        return id == -EAGAIN ? 0 : (int)id;
    status = pawl_percpu_bit_free(pc, AT(map), 2, id);
    return status == -EXDEV ? 0 : status;
}

static void *live(void *unused)
{
    (void)unused;
    pthread_setspecific(key, &key);
    for (int i = 0; i < ROUNDS; i++)
        if (pawl_percpu_add(pc, AT(count), 1) != 0 || use_list() != 0 || use_ids() != 0)
            return &key;
    return NULL;
}

static int run_threads(void)
{
    pthread_t thread[THREADS];
    void *failed;
    int failures = 0;

    for (int life = 0; life < LIVES; life++) {
        for (int i = 0; i < THREADS; i++)
            if (pthread_create(&thread[i], NULL, live, NULL) != 0)
                return 1;
        for (int i = 0; i < THREADS; i++)
            failures += pthread_join(thread[i], &failed) != 0 || failed != NULL;
    }
    return failures;
}

/* Takes every slice away and counts what is in it. */
static int count_all(void)
{
    long count = 0;
    long late = 0;
    long nodes = 0;

    for (uint32_t slot = 0; slot < pc->slots; slot++) {
        struct slice *slice = pawl_percpu_detach(pc, slot);

        if (slice == NULL)
            continue;
        count += slice->count;
        late += slice->late;
        for (struct pawl_percpu_node *n = slice->list.head; n != NULL; n = n->next)
            nodes++;
    }
    printf("%ld additions, %ld by exiting threads, %ld nodes\n", count, late, nodes);
    return count == (long)THREADS * LIVES * ROUNDS && late == (long)THREADS * LIVES && nodes == NODES ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct pawl_rseq_info *info = pawl_rseq_get_info();
    const char *mode = pawl_rseq_mode_name(info->mode);
    int expected = argc == 1;

    printf("sequences: %s (%s)\n", mode, info->reason);
    for (int i = 1; i < argc; i++)
        expected |= strcmp(argv[i], mode) == 0;
    pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_ANY);
    if (!expected || pc == NULL || pthread_key_create(&key, at_exit) != 0)
        return 1;
    for (int i = 0; i < NODES; i++)
        if (pawl_percpu_push(pc, AT(list), &node[i]) != 0)
            return 1;
    if (run_threads() != 0 || count_all() != 0)
        return 1;
    pawl_percpu_close(pc);
    return 0;
}
