/* SPDX-License-Identifier: MIT */
/* The linearizability checker itself, on histories made by hand and at random. */
#include <pawl/lin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ, WRITE, MAX = 64, RANDOM_HISTORIES = 20000, RANDOM_OPERATIONS = 6, VALUES = 3 };

#define EXPECT(condition)                                                   \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

/* A register that starts as 0. */
static void init(void *state)
{
    *(intptr_t *)state = 0;
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    intptr_t *value = state;
    if (op->kind == WRITE) {
        *value = op->argument;
        return true;
    }
    return op->returned == 0 || op->result == *value;
}

static const struct pawl_lin_spec spec = {sizeof(intptr_t), init, apply};
static struct pawl_lin_operation operations[MAX];
static struct pawl_lin history;

static void begin(void)
{
    pawl_lin_init(&history, operations, MAX);
}

static int check(void)
{
    return pawl_lin_check(&history, &spec, NULL, NULL);
}

static void a_history_without_overlap_is_judged_in_its_order(void)
{
    begin();
    EXPECT(check() == 0);
    pawl_lin_return(&history, pawl_lin_call(&history, WRITE, 1), 0);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 1);
    EXPECT(check() == 0);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 0);
    EXPECT(check() == 1);
}

static void overlapping_reads_may_see_old_then_new_but_not_new_then_old(void)
{
    begin();
    size_t write = pawl_lin_call(&history, WRITE, 1);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 0);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 1);
    pawl_lin_return(&history, write, 0);
    EXPECT(check() == 0);
    begin();
    write = pawl_lin_call(&history, WRITE, 1);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 1);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 0);
    pawl_lin_return(&history, write, 0);
    EXPECT(check() == 1);
}

static void an_operation_that_never_returned_may_have_happened_or_not(void)
{
    begin();
    pawl_lin_call(&history, WRITE, 1);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 0);
    EXPECT(check() == 0);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 1);
    EXPECT(check() == 0);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 0);
    EXPECT(check() == 1);
}

static void the_order_that_explains_a_history_is_given(void)
{
    size_t order[MAX], n = 0;
    begin();
    size_t a = pawl_lin_call(&history, WRITE, 1), b = pawl_lin_call(&history, WRITE, 2);
    pawl_lin_return(&history, a, 0);
    pawl_lin_return(&history, b, 0);
    pawl_lin_return(&history, pawl_lin_call(&history, READ, 0), 1);
    EXPECT(pawl_lin_check(&history, &spec, order, &n) == 0);
    EXPECT(n == 3 && order[0] == b && order[1] == a && order[2] == 2);
    EXPECT(pawl_lin_check(&history, NULL, NULL, NULL) == -EINVAL);
}

/* Every order of the operations that respects the moments, tried one after another. */
static bool explained(unsigned done, size_t n, intptr_t value)
{
    bool left = false;
    for (size_t i = 0; i < n; i++) {
        if (done >> i & 1)
            continue;
        const struct pawl_lin_operation *o = &operations[i];
        left = true;
        bool first = true;
        for (size_t k = 0; k < n; k++)
            first &= (done >> k & 1) || operations[k].returned >= o->called;
        if (!first || (o->kind == READ && o->result != value))
            continue;
        if (explained(done | 1u << i, n, o->kind == WRITE ? o->argument : value))
            return true;
    }
    return !left;
}

static void random_histories_are_judged_as_by_trying_every_order(void)
{
    int good = 0;
    srand(1);
    for (int h = 0; h < RANDOM_HISTORIES; h++) {
        size_t open[RANDOM_OPERATIONS], nopen = 0, started = 0;
        begin();
        while (started < RANDOM_OPERATIONS || nopen > 0) {
            if (started < RANDOM_OPERATIONS && (nopen == 0 || rand() % 2)) {
                open[nopen++] = pawl_lin_call(&history, rand() % 2, 1 + rand() % VALUES);
                started++;
            } else {
                size_t which = (size_t)rand() % nopen;
                pawl_lin_return(&history, open[which], rand() % (VALUES + 1));
                open[which] = open[--nopen];
            }
        }
        bool expected = explained(0, RANDOM_OPERATIONS, 0);
        EXPECT(check() == !expected);
        good += expected;
    }
    EXPECT(good > RANDOM_HISTORIES / 100 && good < RANDOM_HISTORIES * 99 / 100);
}

int main(void)
{
    a_history_without_overlap_is_judged_in_its_order();
    overlapping_reads_may_see_old_then_new_but_not_new_then_old();
    an_operation_that_never_returned_may_have_happened_or_not();
    the_order_that_explains_a_history_is_given();
    random_histories_are_judged_as_by_trying_every_order();
    return 0;
}
