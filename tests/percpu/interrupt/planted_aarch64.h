/* SPDX-License-Identifier: MIT */
/* Bad pushes onto the list at the start of the slice, and why each is bad. Included by test_planted.c. */

/* clang-format off */
#define PLANTED_PUSH_                                                                               \
    "ldr x10, [x9]\n\t"                                                                             \
    "str x10, [%[node]]\n\t"                                                                        \
    "stlr %[node], [x9]\n\t"

#define PLANTED_SEQUENCE(name, text)                                                                \
    __attribute__((noinline)) static int name(struct pawl_percpu *pc, struct pawl_percpu_node *node) \
    {                                                                                               \
        __asm__ __volatile__ goto(text                                                              \
            : : [pc] "r"(pc), [node] "r"(node) : "x9", "x10", "x11", "x12", "cc", "memory" : miss); \
        return 0;                                                                                   \
    miss:                                                                                           \
        return PAWL_SEQ_MISS;                                                                       \
    }

/* The abort goes on behind the load. */
PLANTED_SEQUENCE(push_with_head_loaded_before_the_section,
    "mrs x11, tpidr_el0\n\t"
    "ldr x12, [%[pc], #8]\n\t"
    "ldrsw x12, [x11, x12]\n\t"
    "add x12, %[pc], x12, lsl #3\n\t"
    "ldr x12, [x12, #64]\n\t"
    "ldr x12, [x12]\n"
    PAWL_SEQ_GOTO_(
        "str x12, [%[node]]\n\t"
        "stlr %[node], [x9]"))

/* Interrupted behind the store, it is done twice. */
PLANTED_SEQUENCE(push_with_an_instruction_after_the_commit,
    PAWL_SEQ_GOTO_(
        PLANTED_PUSH_
        "nop"))

/* It goes on with the CPU that it has left. */
PLANTED_SEQUENCE(push_with_slot_number_read_before_the_section,
    "mrs x11, tpidr_el0\n\t"
    "ldr x12, [%[pc], #8]\n\t"
    "ldrsw x12, [x11, x12]\n"
    PAWL_SEQ_GOTO_(
        "add x9, %[pc], x12, lsl #3\n\t"
        "ldr x9, [x9, #64]\n\t"
        PLANTED_PUSH_))

/* Interrupted before the store, it is not restarted. */
PLANTED_SEQUENCE(push_with_commit_behind_the_section,
    PAWL_SEQ_GOTO_(
        "ldr x10, [x9]\n\t"
        "str x10, [%[node]]")
    "stlr %[node], [x9]\n\t")

/* As it should be. */
PLANTED_SEQUENCE(push_without_a_bug, PAWL_SEQ_GOTO_(PLANTED_PUSH_))
/* clang-format on */
