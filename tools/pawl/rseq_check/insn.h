/* SPDX-License-Identifier: MIT */
/* One machine instruction as the rules see it, whatever the architecture. */
#ifndef PAWL_RSEQ_CHECK_INSN_H
#define PAWL_RSEQ_CHECK_INSN_H

#include "image.h"

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stdint.h>

/* A set of registers. Bits 0 to 31 of `general` are numbered as the architecture numbers its integer
 * registers, with sp as 31 on aarch64; partial registers count as the whole one. */
struct regs {
    uint64_t general;
    uint64_t vector; /* 0 to 31, then mask registers */
};

enum {
    REG_NONE = -1,
    REG_FLAGS = 40,
    REG_DIRECTION, /* x86: the direction flag */
    REG_X87,       /* x86: the x87 and MMX state */
    REG_COUNT = 64,
};

enum flow {
    FLOW_NEXT,
    FLOW_JUMP,
    FLOW_BRANCH, /* to the target, or on */
    FLOW_INDIRECT,
    FLOW_CALL,
    FLOW_RETURN,
    FLOW_SYSCALL,
    FLOW_TRAP,
};

enum property {
    INSN_LOADS = 1 << 0,
    INSN_STORES = 1 << 1,
    INSN_LOCKED = 1 << 2,     /* a locked read-modify-write */
    INSN_EXCHANGES = 1 << 3,  /* exchanging, exclusive or atomic by itself */
    INSN_STRING = 1 << 4,     /* a string operation: interrupted half done */
    INSN_UNKNOWN = 1 << 5,    /* not in the table: nothing can be proved about it */
    INSN_COMPARES = 1 << 6,   /* sets flags from two values, neither of them a constant */
    INSN_MOVES = 1 << 7,      /* the destination is a copy of the source */
    INSN_COUNTS = 1 << 8,     /* the destination is a source plus or minus a constant */
    INSN_PAIR = 1 << 9,       /* two stores in one instruction */
    INSN_READS_TP = 1 << 10,  /* the destination is the thread pointer */
    INSN_IF_EQUAL = 1 << 11,  /* a branch on equality, or on a register being zero */
    INSN_PUSHES = 1 << 12,    /* moves the stack pointer to store or load */
    INSN_HAS_VALUE = 1 << 13, /* `value`: what it writes to its destination, or stores */
    INSN_ADDS = 1 << 14,      /* the destination is the source plus `value` */
};

struct operand {
    int base;
    int index;
    unsigned scale;
    int64_t displacement;
    bool thread; /* relative to the thread pointer by the instruction itself (%fs:) */
    bool fixed;  /* `address` is all of it */
    uint64_t address;
    unsigned size; /* bytes accessed */
};

struct insn {
    uint64_t address;
    unsigned size;
    enum flow flow;
    unsigned properties; /* enum property */
    uint64_t target;     /* of direct jumps, branches and calls */
    struct regs reads;
    struct regs writes;
    int destination; /* the integer register written, REG_NONE: none, or more than one */
    int source;      /* the register that is copied, added to, or stored */
    uint64_t value;
    struct operand memory; /* valid with INSN_LOADS or INSN_STORES */
};

struct arch {
    const char *name;
    int machine;              /* EM_ of its ELF files */
    uint32_t signature;       /* before abort handlers */
    unsigned red_zone;        /* bytes below the stack pointer that belong to a leaf function */
    int stack;                /* the stack pointer's number */
    int result;               /* the register of a function's result */
    struct regs callee_saved; /* without the stack pointer */
    struct regs call_clobbered;
    unsigned insn_align;
    cs_arch capstone;
    cs_mode mode;
    void (*describe)(const cs_insn *raw, csh handle, struct insn *insn);
    /* What the decoder library is too old for; NULL where the length would not be known. */
    void (*describe_bytes)(const uint8_t *bytes, struct insn *insn);
    const char *const *names; /* of the integer registers */
};

extern const struct arch arch_x86_64;
extern const struct arch arch_aarch64;

struct decoder {
    const struct arch *arch;
    const struct image *image;
    csh handle;
    cs_insn *raw;
};

enum { INSN_TEXT_MAX = 192 };

/* False: no decoder for the machine of the image, or out of memory. */
bool decoder_open(struct decoder *decoder, const struct image *image);
void decoder_close(struct decoder *decoder);

/* False when there is no instruction at the address. */
bool decode(struct decoder *decoder, uint64_t address, struct insn *insn);

/* As an assembler writes it; "" when there is none. */
void decode_text(struct decoder *decoder, uint64_t address, char text[INSN_TEXT_MAX]);

/* "rax", "x9", "flags". */
const char *register_name(const struct arch *arch, int number);

/* For instructions that an architecture's table does not know: the registers that the decoder names. It matters
 * outside of sections only, where little depends on it. */
void insn_describe_unknown(const cs_insn *raw, csh handle, void (*add)(struct regs *set, unsigned id),
                           struct insn *insn);

static inline void regs_add(struct regs *set, int number)
{
    if (number >= 0)
        set->general |= UINT64_C(1) << number;
}

static inline bool regs_has(const struct regs *set, int number)
{
    return number >= 0 && (set->general >> number & 1) != 0;
}

static inline struct regs regs_or(struct regs a, struct regs b)
{
    return (struct regs){a.general | b.general, a.vector | b.vector};
}

static inline struct regs regs_and(struct regs a, struct regs b)
{
    return (struct regs){a.general & b.general, a.vector & b.vector};
}

static inline struct regs regs_minus(struct regs a, struct regs b)
{
    return (struct regs){a.general & ~b.general, a.vector & ~b.vector};
}

static inline bool regs_empty(struct regs set)
{
    return set.general == 0 && set.vector == 0;
}

static inline bool regs_equal(struct regs a, struct regs b)
{
    return a.general == b.general && a.vector == b.vector;
}

#endif
