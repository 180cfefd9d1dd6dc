/* SPDX-License-Identifier: MIT */
/* Bad pushes onto the list at the start of the slice, and why each is bad. Included by test_planted.c. */

/* clang-format off */
#define PLANTED_PUSH_                                                                               \
    "movq (%%rax), %%rcx\n\t"                                                                       \
    "movq %%rcx, (%[node])\n\t"                                                                     \
    "movq %[node], (%%rax)\n\t"

#define PLANTED_SEQUENCE(name, text)                                                                \
    __attribute__((noinline)) static int name(struct pawl_percpu *pc, struct pawl_percpu_node *node) \
    {                                                                                               \
        __asm__ __volatile__ goto(text                                                              \
            : : PAWL_SEQ_REGION_, [node] "r"(node) : "rax", "rcx", "rdx", "cc", "memory" : miss);       \
        return 0;                                                                                   \
    miss:                                                                                           \
        return PAWL_SEQ_MISS;                                                                       \
    }

/* The abort goes on behind the load. */
PLANTED_SEQUENCE(push_with_head_loaded_before_the_section,
    "movq 8(%[pc]), %%rdx\n\t"
    "movslq %%fs:(%%rdx), %%rdx\n\t"
    "movq 64(%[pc],%%rdx,8), %%rdx\n\t"
    "movq (%%rdx), %%rdx\n"
    PAWL_SEQ_GOTO_(
        "movq %%rdx, (%[node])\n\t"
        "movq %[node], (%%rax)"))

/* Interrupted behind the store, it is done twice. */
PLANTED_SEQUENCE(push_with_an_instruction_after_the_commit,
    PAWL_SEQ_GOTO_(
        PLANTED_PUSH_
        "nop"))

/* It goes on with the CPU that it has left. */
PLANTED_SEQUENCE(push_with_slot_number_read_before_the_section,
    "movq 8(%[pc]), %%rdx\n\t"
    "movslq %%fs:(%%rdx), %%rdx\n"
    PAWL_SEQ_GOTO_(
        "movq 64(%[pc],%%rdx,8), %%rax\n\t"
        PLANTED_PUSH_))

/* Interrupted before the store, it is not restarted. */
PLANTED_SEQUENCE(push_with_commit_behind_the_section,
    PAWL_SEQ_GOTO_(
        "movq (%%rax), %%rcx\n\t"
        "movq %%rcx, (%[node])")
    "movq %[node], (%%rax)\n\t")

/* As it should be. */
PLANTED_SEQUENCE(push_without_a_bug, PAWL_SEQ_GOTO_(PLANTED_PUSH_))
/* clang-format on */
