/* SPDX-License-Identifier: MIT */
/* A free list of buffers for all threads, and a list of full ones that one thread takes as a whole. */
#include <pawl/stack.h>
#include <pawl/stack_percpu.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { BUFFERS = 64, LINES = 10000 };

struct buffer {
    struct pawl_stack_node node;
    int line;
};

static struct buffer buffers[BUFFERS];
static struct pawl_stack_percpu free_buffers;
static struct pawl_stack full_buffers;

static void *write_lines(void *unused)
{
    for (int i = 1; i <= LINES;) {
        struct pawl_stack_node *node = pawl_stack_percpu_pop(&free_buffers);

        if (node == NULL) { /* all are full: the reader is behind */
            sched_yield();
            continue;
        }
        pawl_stack_entry(node, struct buffer, node)->line = i++;
        pawl_stack_push(&full_buffers, node);
    }
    return unused;
}

int main(void)
{
    pthread_t writers[2];
    long sum = 0;

    pawl_stack_init(&full_buffers);
    if (pawl_stack_percpu_init(&free_buffers) != 0)
        return 1;
    for (int i = 0; i < BUFFERS; i++)
        pawl_stack_percpu_push(&free_buffers, &buffers[i].node);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&writers[i], NULL, write_lines, NULL) != 0)
            return 1;
    for (int lines = 0; lines < 2 * LINES; sched_yield())
        for (struct pawl_stack_node *next, *node = pawl_stack_pop_all(&full_buffers); node != NULL;
             node = next) {
            next = pawl_stack_next(node); /* before the node is somebody else's */
            sum += pawl_stack_entry(node, struct buffer, node)->line;
            lines++;
            pawl_stack_percpu_push(&free_buffers, node);
        }
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    pawl_stack_percpu_destroy(&free_buffers);
    printf("%ld\n", sum);
    return sum != 1L * LINES * (LINES + 1);
}
