/* SPDX-License-Identifier: MIT */
/* aarch64. As for x86-64, what an instruction does to its operands stands in a table here. The atomic
 * instructions are recognised by their bits: the decoder library is older than some of them. */
#include "insn.h"

#include <elf.h>

enum form {
    FORM_UNKNOWN,
    FORM_WRITES,   /* first operand = f(others) */
    FORM_MODIFIES, /* first operand = f(first, others) */
    FORM_READS,    /* operands to flags */
    FORM_LOAD,
    FORM_STORE,
    FORM_HINT,
    FORM_PREFETCH,
    FORM_SYSTEM, /* mrs */
    FORM_JUMP,
    FORM_TEST, /* cbz, tbz */
    FORM_CALL,
    FORM_INDIRECT,
    FORM_RETURN,
    FORM_SYSCALL,
    FORM_TRAP,
};

/* clang-format off */
#define I(name) [ARM64_INS_##name]
static const uint8_t forms[ARM64_INS_ENDING] = {
    I(ADD) = FORM_WRITES, I(SUB) = FORM_WRITES, I(AND) = FORM_WRITES, I(BIC) = FORM_WRITES,
    I(ORR) = FORM_WRITES, I(ORN) = FORM_WRITES, I(EOR) = FORM_WRITES, I(EON) = FORM_WRITES,
    I(MOV) = FORM_WRITES, I(MOVZ) = FORM_WRITES, I(MOVN) = FORM_WRITES, I(MVN) = FORM_WRITES,
    I(LSL) = FORM_WRITES, I(LSR) = FORM_WRITES, I(ASR) = FORM_WRITES, I(ROR) = FORM_WRITES,
    I(UBFM) = FORM_WRITES, I(UBFX) = FORM_WRITES, I(UBFIZ) = FORM_WRITES, I(SBFM) = FORM_WRITES,
    I(SBFX) = FORM_WRITES, I(SBFIZ) = FORM_WRITES, I(SXTB) = FORM_WRITES, I(SXTH) = FORM_WRITES,
    I(SXTW) = FORM_WRITES, I(UXTB) = FORM_WRITES, I(UXTH) = FORM_WRITES, I(UXTW) = FORM_WRITES,
    I(EXTR) = FORM_WRITES, I(CSEL) = FORM_WRITES, I(CSINC) = FORM_WRITES, I(CSINV) = FORM_WRITES,
    I(CSNEG) = FORM_WRITES, I(CSET) = FORM_WRITES, I(CSETM) = FORM_WRITES, I(CINC) = FORM_WRITES,
    I(CINV) = FORM_WRITES, I(CNEG) = FORM_WRITES, I(MADD) = FORM_WRITES, I(MSUB) = FORM_WRITES,
    I(MUL) = FORM_WRITES, I(MNEG) = FORM_WRITES, I(SMULL) = FORM_WRITES, I(UMULL) = FORM_WRITES,
    I(SMADDL) = FORM_WRITES, I(UMADDL) = FORM_WRITES, I(SMSUBL) = FORM_WRITES, I(UMSUBL) = FORM_WRITES,
    I(SMULH) = FORM_WRITES, I(UMULH) = FORM_WRITES, I(UDIV) = FORM_WRITES, I(SDIV) = FORM_WRITES,
    I(CLZ) = FORM_WRITES, I(CLS) = FORM_WRITES, I(RBIT) = FORM_WRITES, I(REV) = FORM_WRITES,
    I(REV16) = FORM_WRITES, I(REV32) = FORM_WRITES, I(NEG) = FORM_WRITES, I(NGC) = FORM_WRITES,
    I(NEGS) = FORM_WRITES, I(ADC) = FORM_WRITES, I(SBC) = FORM_WRITES, I(ADR) = FORM_WRITES,
    I(ADRP) = FORM_WRITES, I(FMOV) = FORM_WRITES, I(DUP) = FORM_WRITES, I(UMOV) = FORM_WRITES,
    I(MOVI) = FORM_WRITES, I(CNT) = FORM_WRITES, I(ADDV) = FORM_WRITES, I(UADDLV) = FORM_WRITES,
    I(MOVK) = FORM_MODIFIES, I(BFM) = FORM_MODIFIES, I(BFI) = FORM_MODIFIES, I(BFXIL) = FORM_MODIFIES,
    I(INS) = FORM_MODIFIES,
    I(CMP) = FORM_READS, I(CMN) = FORM_READS, I(TST) = FORM_READS, I(CCMP) = FORM_READS,
    I(CCMN) = FORM_READS, I(FCMP) = FORM_READS,
    I(LDR) = FORM_LOAD, I(LDRB) = FORM_LOAD, I(LDRH) = FORM_LOAD, I(LDRSB) = FORM_LOAD,
    I(LDRSH) = FORM_LOAD, I(LDRSW) = FORM_LOAD, I(LDUR) = FORM_LOAD, I(LDURB) = FORM_LOAD,
    I(LDURH) = FORM_LOAD, I(LDURSB) = FORM_LOAD, I(LDURSH) = FORM_LOAD, I(LDURSW) = FORM_LOAD,
    I(LDP) = FORM_LOAD, I(LDPSW) = FORM_LOAD, I(LDNP) = FORM_LOAD, I(LDAR) = FORM_LOAD,
    I(LDARB) = FORM_LOAD, I(LDARH) = FORM_LOAD,
    I(STR) = FORM_STORE, I(STRB) = FORM_STORE, I(STRH) = FORM_STORE, I(STUR) = FORM_STORE,
    I(STURB) = FORM_STORE, I(STURH) = FORM_STORE, I(STP) = FORM_STORE, I(STNP) = FORM_STORE,
    I(STLR) = FORM_STORE, I(STLRB) = FORM_STORE, I(STLRH) = FORM_STORE,
    I(NOP) = FORM_HINT, I(HINT) = FORM_HINT, I(YIELD) = FORM_HINT, I(DMB) = FORM_HINT, I(DSB) = FORM_HINT,
    I(ISB) = FORM_HINT, I(CLREX) = FORM_HINT, I(PRFM) = FORM_PREFETCH, I(PRFUM) = FORM_PREFETCH,
    I(MRS) = FORM_SYSTEM,
    I(B) = FORM_JUMP, I(CBZ) = FORM_TEST, I(CBNZ) = FORM_TEST, I(TBZ) = FORM_TEST, I(TBNZ) = FORM_TEST,
    I(BL) = FORM_CALL, I(BLR) = FORM_CALL, I(BR) = FORM_INDIRECT, I(RET) = FORM_RETURN,
    I(SVC) = FORM_SYSCALL, I(HVC) = FORM_SYSCALL, I(SMC) = FORM_SYSCALL, I(BRK) = FORM_TRAP, I(HLT) = FORM_TRAP,
};
#undef I
/* clang-format on */

static const char *const names[32] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",
                                      "x8",  "x9",  "x10", "x11", "x12", "x13", "x14", "x15",
                                      "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
                                      "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp"};

enum { LINK = 30, SP = 31, TPIDR_EL0 = 0xde82 };

static int number_of(unsigned id)
{
    if (id >= ARM64_REG_X0 && id <= ARM64_REG_X28)
        return (int)(id - ARM64_REG_X0);
    if (id >= ARM64_REG_W0 && id <= ARM64_REG_W30)
        return (int)(id - ARM64_REG_W0);
    switch (id) {
    case ARM64_REG_X29:
        return 29;
    case ARM64_REG_X30:
        return LINK;
    case ARM64_REG_SP:
    case ARM64_REG_WSP:
        return SP;
    case ARM64_REG_NZCV:
        return REG_FLAGS;
    default: /* the zero registers are none */
        return REG_NONE;
    }
}

static int vector_of(unsigned id)
{
    static const unsigned first[] = {ARM64_REG_B0, ARM64_REG_H0, ARM64_REG_S0,
                                     ARM64_REG_D0, ARM64_REG_Q0, ARM64_REG_V0};

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        if (id >= first[i] && id < first[i] + 32)
            return (int)(id - first[i]);
    return REG_NONE;
}

static void add_register(struct regs *set, unsigned id)
{
    int vector = vector_of(id);

    regs_add(set, number_of(id));
    if (vector != REG_NONE)
        set->vector |= UINT64_C(1) << vector;
}

/* Bytes of a register as an operand of a load or a store. */
static unsigned width_of(unsigned id)
{
    static const struct {
        unsigned first;
        unsigned bytes;
    } widths[] = {{ARM64_REG_B0, 1}, {ARM64_REG_H0, 2},  {ARM64_REG_S0, 4},
                  {ARM64_REG_D0, 8}, {ARM64_REG_Q0, 16}, {ARM64_REG_V0, 16}};

    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        if (id >= widths[i].first && id < widths[i].first + 32)
            return widths[i].bytes;
    return (id >= ARM64_REG_W0 && id <= ARM64_REG_W30) || id == ARM64_REG_WZR || id == ARM64_REG_WSP ? 4 : 8;
}

static unsigned access_size(const cs_insn *raw, const cs_arm64 *a)
{
    switch (raw->id) {
    case ARM64_INS_LDRB:
    case ARM64_INS_LDRSB:
    case ARM64_INS_LDURB:
    case ARM64_INS_LDURSB:
    case ARM64_INS_LDARB:
    case ARM64_INS_STRB:
    case ARM64_INS_STURB:
    case ARM64_INS_STLRB:
        return 1;
    case ARM64_INS_LDRH:
    case ARM64_INS_LDRSH:
    case ARM64_INS_LDURH:
    case ARM64_INS_LDURSH:
    case ARM64_INS_LDARH:
    case ARM64_INS_STRH:
    case ARM64_INS_STURH:
    case ARM64_INS_STLRH:
        return 2;
    case ARM64_INS_LDRSW:
    case ARM64_INS_LDURSW:
        return 4;
    case ARM64_INS_LDPSW:
        return 8;
    case ARM64_INS_LDP:
    case ARM64_INS_LDNP:
    case ARM64_INS_STP:
    case ARM64_INS_STNP:
        return 2 * width_of(a->operands[0].reg);
    default:
        return width_of(a->operands[0].reg);
    }
}

static void read_operands(const cs_arm64 *a, uint8_t from, struct insn *insn)
{
    for (uint8_t i = from; i < a->op_count; i++)
        if (a->operands[i].type == ARM64_OP_REG)
            add_register(&insn->reads, a->operands[i].reg);
}

static void set_memory(const cs_insn *raw, const cs_arm64 *a, struct insn *insn)
{
    insn->memory.size = access_size(raw, a);
    for (uint8_t i = 0; i < a->op_count; i++) {
        const cs_arm64_op *operand = &a->operands[i];

        if (operand->type == ARM64_OP_MEM) {
            insn->memory.base = number_of(operand->mem.base);
            insn->memory.index = number_of(operand->mem.index);
            insn->memory.scale = operand->shift.type == ARM64_SFT_LSL ? 1u << (operand->shift.value & 7) : 1;
            insn->memory.displacement = operand->mem.disp;
            regs_add(&insn->reads, insn->memory.base);
            regs_add(&insn->reads, insn->memory.index);
            if (a->writeback)
                regs_add(&insn->writes, insn->memory.base);
        } else if (operand->type == ARM64_OP_IMM && raw->id == ARM64_INS_LDR) { /* ldr x0, literal */
            insn->memory.fixed = true;
            insn->memory.address = (uint64_t)operand->imm;
        }
    }
    if (insn->memory.base == SP && a->writeback)
        insn->properties |= INSN_PUSHES;
}

static void describe_access(enum form form, const cs_insn *raw, const cs_arm64 *a, struct insn *insn)
{
    bool pair = raw->id == ARM64_INS_LDP || raw->id == ARM64_INS_LDPSW || raw->id == ARM64_INS_LDNP ||
                raw->id == ARM64_INS_STP || raw->id == ARM64_INS_STNP;
    struct regs *data = form == FORM_LOAD ? &insn->writes : &insn->reads;

    insn->properties |= form == FORM_LOAD ? INSN_LOADS : INSN_STORES;
    if (pair)
        insn->properties |= INSN_PAIR;
    for (int i = 0; i < (pair ? 2 : 1); i++)
        add_register(data, a->operands[i].reg);
    if (form == FORM_LOAD && !pair)
        insn->destination = number_of(a->operands[0].reg);
    if (form == FORM_STORE && !pair)
        insn->source = number_of(a->operands[0].reg);
    set_memory(raw, a, insn);
}

static bool is_immediate(const cs_arm64 *a, uint8_t number)
{
    return number < a->op_count && a->operands[number].type == ARM64_OP_IMM;
}

/* Copies, constants and additions of constants, for following values and counters. */
static void describe_value(const cs_insn *raw, const cs_arm64 *a, struct insn *insn)
{
    insn->destination = number_of(a->operands[0].reg);
    if (a->op_count > 1 && a->operands[1].type == ARM64_OP_REG)
        insn->source = number_of(a->operands[1].reg);
    switch (raw->id) {
    case ARM64_INS_MOV:
    case ARM64_INS_SXTW:
    case ARM64_INS_UXTW:
        if (insn->source != REG_NONE)
            insn->properties |= INSN_MOVES;
        break;
    case ARM64_INS_ADR:
    case ARM64_INS_ADRP:
        if (is_immediate(a, 1)) {
            insn->properties |= INSN_HAS_VALUE;
            insn->value = (uint64_t)a->operands[1].imm;
        }
        break;
    case ARM64_INS_ADD:
    case ARM64_INS_SUB:
        if (is_immediate(a, 2)) {
            uint64_t value = (uint64_t)a->operands[2].imm << (a->operands[2].shift.value & 63);

            insn->properties |= INSN_COUNTS | INSN_ADDS;
            insn->value = raw->id == ARM64_INS_ADD ? value : -value;
        } else if (raw->id == ARM64_INS_SUB) {
            insn->properties |= INSN_COMPARES;
        }
        break;
    default:
        break;
    }
}

static void describe_system(const cs_arm64 *a, struct insn *insn)
{
    add_register(&insn->writes, a->operands[0].reg);
    insn->destination = number_of(a->operands[0].reg);
    if (a->op_count > 1 && (unsigned)a->operands[1].reg == TPIDR_EL0)
        insn->properties |= INSN_READS_TP;
}

static void describe_branch(enum form form, const cs_insn *raw, const cs_arm64 *a, struct insn *insn)
{
    for (uint8_t i = 0; i < a->op_count; i++)
        if (a->operands[i].type == ARM64_OP_IMM)
            insn->target = (uint64_t)a->operands[i].imm; /* the last one: tbz has its bit number before */
    read_operands(a, 0, insn);
    switch (form) {
    case FORM_CALL:
        insn->flow = FLOW_CALL;
        regs_add(&insn->writes, LINK);
        break;
    case FORM_TEST:
        insn->flow = FLOW_BRANCH;
        if (raw->id == ARM64_INS_CBZ || raw->id == ARM64_INS_CBNZ) {
            insn->properties |= INSN_IF_EQUAL;
            insn->source = number_of(a->operands[0].reg);
        }
        break;
    default:
        if (a->cc == ARM64_CC_INVALID || a->cc == ARM64_CC_AL || a->cc == ARM64_CC_NV)
            insn->flow = FLOW_JUMP;
        else {
            insn->flow = FLOW_BRANCH;
            regs_add(&insn->reads, REG_FLAGS);
            if (a->cc == ARM64_CC_EQ || a->cc == ARM64_CC_NE)
                insn->properties |= INSN_IF_EQUAL;
        }
        break;
    }
}

/* Pointer authentication in the space of hints: signs or checks the link register (x30). */
static bool changes_link(uint32_t word)
{
    enum { PACIAZ = 24, AUTIBSP = 31, XPACLRI = 7 };
    unsigned hint = word >> 5 & 0x7f;

    return (word & 0xfffff01f) == 0xd503201f && ((hint >= PACIAZ && hint <= AUTIBSP) || hint == XPACLRI);
}

/* Exclusive, compare-and-swap and atomic read-modify-write instructions. */
static bool is_atomic(uint32_t word)
{
    bool exclusive = (word & 0x3f800000) == 0x08000000;    /* ldxr, stxr, their pairs; casp */
    bool compare_swap = (word & 0x3fa00000) == 0x08a00000; /* cas */
    bool modify = (word & 0x3f200c00) == 0x38200000;       /* ldadd ... swp */
    bool acquire = (word & 0x3ffffc00) == 0x38bfc000;      /* ldapr: a load */

    return exclusive || compare_swap || (modify && !acquire);
}

static void describe_atomic(uint32_t word, struct insn *insn)
{
    insn->properties |= INSN_EXCHANGES | INSN_LOADS | INSN_STORES;
    insn->memory.base = (int)(word >> 5 & 31);
    regs_add(&insn->reads, insn->memory.base);
    /* which of the two data registers is written differs: both */
    regs_add(&insn->writes, (int)(word & 31));
    regs_add(&insn->writes, (int)(word >> 16 & 31));
    insn->writes.general &= ~(UINT64_C(1) << SP); /* number 31 is the zero register here */
}

static void describe_data(enum form form, const cs_insn *raw, const cs_arm64 *a, struct insn *insn)
{
    read_operands(a, form == FORM_WRITES ? 1 : 0, insn);
    if (form == FORM_READS) {
        regs_add(&insn->writes, REG_FLAGS);
        if (a->op_count >= 2 && a->operands[1].type == ARM64_OP_REG && raw->id != ARM64_INS_TST)
            insn->properties |= INSN_COMPARES;
    } else {
        add_register(&insn->writes, a->operands[0].reg);
        describe_value(raw, a, insn);
        if (a->update_flags)
            regs_add(&insn->writes, REG_FLAGS);
    }
    /* conditional selects and compares, and sums with carry */
    if ((a->cc != ARM64_CC_INVALID && a->cc != ARM64_CC_AL) || raw->id == ARM64_INS_ADC ||
        raw->id == ARM64_INS_SBC || raw->id == ARM64_INS_NGC)
        regs_add(&insn->reads, REG_FLAGS);
}

static void describe(const cs_insn *raw, csh handle, struct insn *insn)
{
    const cs_arm64 *a = &raw->detail->arm64;
    enum form form = raw->id < ARM64_INS_ENDING ? (enum form)forms[raw->id] : FORM_UNKNOWN;
    uint32_t word = image_word32(raw->bytes);

    if (is_atomic(word)) {
        describe_atomic(word, insn);
        return;
    }
    switch (form) {
    case FORM_UNKNOWN:
        insn_describe_unknown(raw, handle, add_register, insn);
        break;
    case FORM_LOAD:
    case FORM_STORE:
        describe_access(form, raw, a, insn);
        break;
    case FORM_HINT:
        if (changes_link(word))
            regs_add(&insn->writes, LINK);
        break;
    case FORM_PREFETCH:
        break;
    case FORM_SYSTEM:
        describe_system(a, insn);
        break;
    case FORM_JUMP:
    case FORM_TEST:
    case FORM_CALL:
        describe_branch(form, raw, a, insn);
        break;
    case FORM_INDIRECT:
        insn->flow = FLOW_INDIRECT;
        read_operands(a, 0, insn);
        break;
    case FORM_RETURN:
        insn->flow = FLOW_RETURN;
        break;
    case FORM_SYSCALL:
        insn->flow = FLOW_SYSCALL;
        break;
    case FORM_TRAP:
        insn->flow = FLOW_TRAP;
        break;
    default:
        describe_data(form, raw, a, insn);
        break;
    }
}

static void describe_bytes(const uint8_t *bytes, struct insn *insn)
{
    uint32_t word = image_word32(bytes);

    if (is_atomic(word))
        describe_atomic(word, insn);
    else if (word >> 16 == 0) /* udf */
        insn->flow = FLOW_TRAP;
    else
        insn->properties |= INSN_UNKNOWN;
}

const struct arch arch_aarch64 = {
    .name = "aarch64",
    .machine = EM_AARCH64,
    .signature = 0xd428bc00,
    .stack = SP,
    .result = 0,
    .callee_saved = {.general = 0x7ff80000, .vector = 0xff00}, /* x19 to x30; v8 to v15 */
    .call_clobbered = {.general = 0x4007ffff | UINT64_C(1) << REG_FLAGS, .vector = ~UINT64_C(0xff00)},
    .insn_align = 4,
    .capstone = CS_ARCH_ARM64,
    .mode = CS_MODE_LITTLE_ENDIAN,
    .describe = describe,
    .describe_bytes = describe_bytes,
    .names = names,
};
