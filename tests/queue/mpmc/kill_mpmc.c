/* SPDX-License-Identifier: MIT */
/* Processes that are killed in the middle of operations on a shared queue: the others go on, nothing comes
 * twice or torn, and each killed process loses at most the one element that it was taking. */
#include "kind.h"

#include "../../../src/core/queue/mpmc.h"

enum { WORKERS = 4, CAPACITY = 16, KILLS = 40, IDS_A_KILL = 1 << 17 };

struct board {
    PAWL_ATOMIC(uint64_t) next_id, limit; /* the workers idle at the limit, which we raise */
    PAWL_ATOMIC(uint64_t) turns[WORKERS];
    PAWL_ATOMIC(uint32_t) torn, twice;
};

struct fate {
    PAWL_ATOMIC(unsigned char) accepted, delivered;
};

static struct board *board;
static struct fate *fates; /* of so many */
static size_t ids;
static struct pawl_mpmc *queue;

static void take(const uint64_t *element)
{
    for (size_t i = 1; i < queue->element_bytes / 8; i++)
        if (element[i] != element[0] * 3 + i)
            pawl_fetch_add_relaxed(&board->torn, 1u);
    if (element[0] >= ids || pawl_exchange_relaxed(&fates[element[0]].delivered, 1) != 0)
        pawl_fetch_add_relaxed(&board->twice, 1u);
}

static void give(uint64_t *element)
{
    element[0] = pawl_fetch_add_relaxed(&board->next_id, 1u);
    if (element[0] >= ids)
        return;
    for (size_t i = 1; i < queue->element_bytes / 8; i++)
        element[i] = element[0] * 3 + i;
    while (pawl_mpmc_push(queue, element) != 0) {
        uint64_t other[8];

        if (pawl_mpmc_pop(queue, other) == 0) /* full: make room */
            take(other);
    }
    pawl_store_relaxed(&fates[element[0]].accepted, 1);
}

static void work(int number)
{
    for (;;) {
        struct timespec pause = {.tv_nsec = 20000};
        uint64_t element[8];

        if (pawl_load_relaxed(&board->next_id) >= pawl_load_relaxed(&board->limit)) {
            nanosleep(&pause, NULL);
            continue;
        }
        give(element);
        if (pawl_mpmc_pop(queue, element) == 0)
            take(element);
        pawl_fetch_add_relaxed(&board->turns[number], 1u);
    }
}

static pid_t spawn(int number)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(150);
        work(number);
    }
    return child;
}

/* Every worker has made a turn more. The longer one waits for a CPU, the slower the others may use numbers up. */
static void all_go_on(void)
{
    for (int i = 0; i < WORKERS; i++) {
        struct timespec pause = {.tv_nsec = 100000};
        uint64_t before = pawl_load_relaxed(&board->turns[i]);

        while (pawl_load_relaxed(&board->turns[i]) == before) {
            pawl_store_relaxed(&board->limit, pawl_load_relaxed(&board->next_id) + 100);
            nanosleep(&pause, NULL);
            if (pause.tv_nsec < 10000000)
                pause.tv_nsec *= 2;
        }
    }
}

/* Of what is not touched there is no page. */
static void *share(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                        0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

static void kill_and_go_on(size_t element_bytes)
{
    size_t bytes = pawl_mpmc_bytes(CAPACITY, element_bytes);
    uint64_t random = seed(), element[8], issued, lost = 0;
    pid_t workers[WORKERS];
    int kills = rounds(KILLS);

    ids = (size_t)kills * IDS_A_KILL;
    board = share(sizeof *board);
    fates = share(ids * sizeof *fates);
    queue = share(bytes);
    assert_int_equal(pawl_mpmc_init(queue, CAPACITY, element_bytes, PAWL_SHARED), 0);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = spawn(i);
    for (int i = 0; i < kills; i++) {
        uint32_t victim = random_below(&random, WORKERS);
        uint64_t at = pawl_load_relaxed(&board->next_id) + random_below(&random, 5000);

        pawl_store_relaxed(&board->limit, at + 5000);
        while (pawl_load_relaxed(&board->next_id) < at)
            sched_yield();
        kill(workers[victim], SIGKILL);
        assert_int_equal(waitpid(workers[victim], NULL, 0), workers[victim]);
        workers[victim] = spawn((int)victim);
        all_go_on();
    }
    for (int i = 0; i < WORKERS; i++) {
        kill(workers[i], SIGKILL);
        assert_int_equal(waitpid(workers[i], NULL, 0), workers[i]);
    }
    while (pawl_mpmc_pop(queue, element) == 0)
        take(element);
    issued = pawl_load_relaxed(&board->next_id);
    assert_true(issued < ids);
    for (uint64_t id = 0; id < issued; id++)
        lost += pawl_load_relaxed(&fates[id].accepted) && !pawl_load_relaxed(&fates[id].delivered);
    assert_int_equal(pawl_load_relaxed(&board->torn), 0);
    assert_int_equal(pawl_load_relaxed(&board->twice), 0);
    assert_true(lost <= (uint64_t)kills + WORKERS);
    munmap(board, sizeof *board);
    munmap(fates, ids * sizeof *fates);
    munmap(queue, bytes);
}

#if !PAWL_INSTRUMENTED
static void killed_processes_stop_nobody(void **state)
{
    (void)state;
    expect_end_within(150);
    kill_and_go_on(8);
}
#endif

static void nor_do_they_with_large_elements(void **state)
{
    (void)state;
    expect_end_within(150);
    kill_and_go_on(64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if !PAWL_INSTRUMENTED /* whose CAS of a pair holds a lock of its process */
        cmocka_unit_test(killed_processes_stop_nobody),
#endif
        cmocka_unit_test(nor_do_they_with_large_elements),
    };

    return cmocka_run_group_tests_name("mpmc, killed", tests, NULL, NULL);
}
