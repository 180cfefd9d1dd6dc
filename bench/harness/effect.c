/* SPDX-License-Identifier: MIT */
#include "effect.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#if BENCH_HAVE_CAPSTONE && defined(__x86_64__)
#include <capstone/capstone.h>

enum {
    KEPT = 1 << 14, /* instructions; a benchmark's operation has hundreds */
    LONGEST = 15,   /* bytes of an instruction */
    PAGE = 4096,
};

/* A store's address as the instruction names it. */
struct place {
    x86_reg segment, base, index;
    int scale;
    int64_t offset;
};

struct instruction {
    uint64_t at; /* 0: this slot is free */
    uint16_t length;
    bool known, rmw, fence, kernel;
    unsigned stores;
    struct place place[BENCH_EFFECT_STORES];
};

struct bench_decoder {
    csh capstone;
    cs_insn *scratch;
    unsigned used;
    struct instruction kept[KEPT];
};

struct bench_decoder *bench_decoder_open(void)
{
    struct bench_decoder *decoder = calloc(1, sizeof(*decoder));

    if (decoder == NULL)
        return NULL;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &decoder->capstone) != CS_ERR_OK) {
        free(decoder);
        return NULL;
    }
    cs_option(decoder->capstone, CS_OPT_DETAIL, CS_OPT_ON);
    decoder->scratch = cs_malloc(decoder->capstone);
    if (decoder->scratch == NULL) {
        bench_decoder_close(decoder);
        return NULL;
    }
    return decoder;
}

void bench_decoder_close(struct bench_decoder *decoder)
{
    if (decoder == NULL)
        return;
    if (decoder->scratch != NULL)
        cs_free(decoder->scratch, 1);
    cs_close(&decoder->capstone);
    free(decoder);
}

static bool is_stack(const struct place *place)
{
    return place->base == X86_REG_RSP && place->segment == X86_REG_INVALID;
}

/* Comparisons and tests read memory alone, whatever the table of operands says of them. Of vector moves it says nothing
 * in the forms with 32 registers, which libc's memcpy has: there the order of the operands tells. */
static bool stores(const cs_insn *insn, const cs_x86_op *operand)
{
    const bool moved_to = operand == &insn->detail->x86.operands[0] &&
                          strncmp(insn->mnemonic, "vmov", 4) == 0;

    return operand->type == X86_OP_MEM && ((operand->access & CS_AC_WRITE) != 0 || moved_to) &&
           insn->id != X86_INS_CMP && insn->id != X86_INS_TEST;
}

static void describe(const cs_insn *insn, struct instruction *into)
{
    const cs_x86 *x86 = &insn->detail->x86;
    const bool locked = x86->prefix[0] == X86_PREFIX_LOCK;
    bool on_stack = false;

    for (unsigned i = 0; i < x86->op_count && into->stores < BENCH_EFFECT_STORES; ++i) {
        const cs_x86_op *operand = &x86->operands[i];

        if (operand->type != X86_OP_MEM || (!locked && insn->id != X86_INS_XCHG && !stores(insn, operand)))
            continue;
        into->place[into->stores] = (struct place){operand->mem.segment, operand->mem.base,
                                                   operand->mem.index, operand->mem.scale, operand->mem.disp};
        on_stack |= is_stack(&into->place[into->stores]);
        ++into->stores;
    }
    into->length = insn->size;
    into->rmw = (locked || (insn->id == X86_INS_XCHG && into->stores > 0)) && !on_stack;
    into->fence = insn->id == X86_INS_MFENCE || (locked && on_stack);
    into->kernel = insn->id == X86_INS_SYSCALL;
    into->known = true;
}

/* What is mapped there may be mapped here too, or not: a library that was loaded since. */
static size_t read_code(pid_t process, uint64_t at, uint8_t *code, size_t size)
{
    const struct iovec here = {code, size};
    const struct iovec there = {(void *)(uintptr_t)at, size}; // NOLINT(performance-no-int-to-ptr): an address
    const ssize_t got = process_vm_readv(process, &here, 1, &there, 1, 0);

    return got > 0 ? (size_t)got : 0;
}

static void decode(struct bench_decoder *decoder, pid_t process, uint64_t at, struct instruction *into)
{
    uint8_t bytes[LONGEST];
    const uint8_t *code = bytes;
    uint64_t address = at;
    size_t size = read_code(process, at, bytes, sizeof(bytes));

    /* An instruction may end where its page does, and the next is not mapped. */
    if (size == 0)
        size = read_code(process, at, bytes, PAGE - at % PAGE < LONGEST ? PAGE - at % PAGE : LONGEST);
    into->at = at;
    if (size > 0 && cs_disasm_iter(decoder->capstone, &code, &size, &address, decoder->scratch))
        describe(decoder->scratch, into);
}

static const struct instruction *find(struct bench_decoder *decoder, pid_t process, uint64_t at)
{
    for (uint64_t i = at * UINT64_C(0x9e3779b97f4a7c15) >> 50;; i = (i + 1) % KEPT) {
        struct instruction *slot = &decoder->kept[i];

        if (slot->at == at)
            return slot;
        if (slot->at != 0)
            continue;
        if (decoder->used == KEPT - 1)
            return NULL;
        ++decoder->used;
        decode(decoder, process, at, slot);
        return slot;
    }
}

/* Where user_regs_struct has the register; 0: not one that addresses are made of. Segments: their base. */
static size_t place_of(x86_reg reg)
{
#define AT(name, field)  \
    case X86_REG_##name: \
        return offsetof(struct user_regs_struct, field)
    switch ((int)reg) {
        AT(RAX, rax);
        AT(RBX, rbx);
        AT(RCX, rcx);
        AT(RDX, rdx);
        AT(RSI, rsi);
        AT(RDI, rdi);
        AT(RBP, rbp);
        AT(RSP, rsp);
        AT(R8, r8);
        AT(R9, r9);
        AT(R10, r10);
        AT(R11, r11);
        AT(R12, r12);
        AT(R13, r13);
        AT(R14, r14);
        AT(RIP, rip);
        AT(FS, fs_base);
        AT(GS, gs_base);
    default:
        return 0; /* the offset of r15 */
    }
#undef AT
}

static uint64_t value_of(x86_reg reg, const struct user_regs_struct *regs)
{
    uint64_t value = 0;
    const size_t offset = place_of(reg);

    if (offset != 0 || reg == X86_REG_R15)
        memcpy(&value, (const char *)regs + offset, sizeof(value));
    return value;
}

static uint64_t address_of(const struct instruction *instruction, const struct place *place,
                           const struct user_regs_struct *regs)
{
    uint64_t address = value_of(place->segment, regs) + value_of(place->base, regs) + (uint64_t)place->offset;

    address += value_of(place->index, regs) * (uint64_t)place->scale;
    return place->base == X86_REG_RIP ? address + instruction->length : address;
}

int bench_decoder_look(struct bench_decoder *decoder, pid_t process, const struct user_regs_struct *regs,
                       struct bench_effect *effect)
{
    const struct instruction *instruction = find(decoder, process, regs->rip);

    if (instruction == NULL || !instruction->known)
        return -EILSEQ;
    *effect = (struct bench_effect){
        .rmw = instruction->rmw,
        .fence = instruction->fence,
        .kernel = instruction->kernel,
        .stores = instruction->stores,
    };
    for (unsigned i = 0; i < instruction->stores; ++i)
        effect->address[i] = address_of(instruction, &instruction->place[i], regs);
    return 0;
}

#else

struct bench_decoder *bench_decoder_open(void)
{
    return NULL;
}

void bench_decoder_close(struct bench_decoder *decoder)
{
    (void)decoder;
}

int bench_decoder_look(struct bench_decoder *decoder, pid_t process, const struct user_regs_struct *regs,
                       struct bench_effect *effect)
{
    (void)decoder, (void)process, (void)regs, (void)effect;
    return -EILSEQ;
}

#endif
