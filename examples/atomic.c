/* SPDX-License-Identifier: MIT */
/* A free list that threads share: a stack whose top carries a version, so that a node which went and
 * came back between load and swap is noticed. */
#include <pawl/atomic.h>

#include <stdio.h>

struct node {
    PAWL_ATOMIC(struct node *) next;
    int number;
};

static struct pawl_tagged top; /* zero: empty */

static void push(struct node *node)
{
    struct pawl_tagged seen = pawl_tagged_load_acquire(&top);
    do /* relaxed: the swap publishes it */
        pawl_store_relaxed(&node->next, (struct node *)seen.pointer);
    while (!pawl_tagged_cas(&top, &seen, node));
}

static struct node *pop(void)
{
    struct pawl_tagged seen = pawl_tagged_load_acquire(&top);
    while (seen.pointer) {
        struct node *node = seen.pointer; /* stays mapped: the nodes are never freed */
        if (pawl_tagged_cas(&top, &seen, pawl_load_relaxed(&node->next))) /* relaxed: if stale, it fails */
            return node;
    }
    return NULL;
}

int main(void)
{
    static struct node a = {.number = 1}, b = {.number = 2};
    push(&a);
    push(&b);
    struct pawl_tagged slow = pawl_tagged_load_acquire(&top); /* a slow thread looks: b on top of a */
    pop(), pop(), push(&b);                                   /* others take both and return b */
    bool fooled = pawl_tagged_cas(&top, &slow, &a);           /* the slow thread would put a back on top */
    printf("top is node %d, version %llu; the slow thread was %s\n", ((struct node *)slow.pointer)->number,
           (unsigned long long)slow.version, fooled ? "fooled" : "refused");
    return fooled || slow.version != 5;
}
