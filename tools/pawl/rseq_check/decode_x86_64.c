/* SPDX-License-Identifier: MIT */
/* x86-64. The decoder library says which instruction it is and what its operands are; what the
 * instruction does to them stands in the table here, because the rules must not rest on access flags that
 * are wrong for some instructions. What is not in the table is unknown, and rejected inside a section. */
#include "insn.h"

#include <elf.h>

enum form {
    FORM_UNKNOWN,
    FORM_WRITES,   /* first operand = f(others) */
    FORM_MODIFIES, /* first operand = f(first, others) */
    FORM_READS,    /* operands to flags */
    FORM_HINT,     /* accesses nothing */
    FORM_IMPLICIT, /* reads its operands, writes fixed registers */
    FORM_ADDRESS,  /* lea: computes an address and does not access it */
    FORM_EXCHANGE,
    FORM_SWAP, /* xchg */
    FORM_STRING,
    FORM_PUSH,
    FORM_POP,
    FORM_LEAVE,
    FORM_JUMP,
    FORM_BRANCH,
    FORM_EQUAL, /* a branch on equality */
    FORM_COUNT, /* a branch on rcx */
    FORM_CALL,
    FORM_RETURN,
    FORM_SYSCALL,
    FORM_TRAP,
    FORM_DIRECTION,
    FORM_X87,
};

/* clang-format off */
#define I(name) [X86_INS_##name]
#if CS_API_MAJOR < 5
#define X86_INS_UD1 X86_INS_UD2B /* its older name */
#endif
static const uint8_t forms[X86_INS_ENDING] = {
    I(MOV) = FORM_WRITES, I(MOVABS) = FORM_WRITES, I(MOVZX) = FORM_WRITES, I(MOVSX) = FORM_WRITES,
    I(MOVSXD) = FORM_WRITES, I(MOVBE) = FORM_WRITES, I(MOVAPS) = FORM_WRITES, I(MOVUPS) = FORM_WRITES,
    I(MOVAPD) = FORM_WRITES, I(MOVUPD) = FORM_WRITES, I(MOVDQA) = FORM_WRITES, I(MOVDQU) = FORM_WRITES,
    I(MOVD) = FORM_WRITES, I(MOVQ) = FORM_WRITES, I(VMOVAPS) = FORM_WRITES, I(VMOVUPS) = FORM_WRITES,
    I(VMOVAPD) = FORM_WRITES, I(VMOVUPD) = FORM_WRITES, I(VMOVDQA) = FORM_WRITES, I(VMOVDQU) = FORM_WRITES,
    I(VMOVD) = FORM_WRITES, I(VMOVQ) = FORM_WRITES, I(POPCNT) = FORM_WRITES, I(LZCNT) = FORM_WRITES,
    I(TZCNT) = FORM_WRITES, I(BSF) = FORM_MODIFIES, I(BSR) = FORM_MODIFIES, I(ANDN) = FORM_WRITES,
    I(BLSR) = FORM_WRITES, I(BLSI) = FORM_WRITES, I(BLSMSK) = FORM_WRITES, I(BZHI) = FORM_WRITES,
    I(BEXTR) = FORM_WRITES, I(SHLX) = FORM_WRITES, I(SHRX) = FORM_WRITES, I(SARX) = FORM_WRITES,
    I(RORX) = FORM_WRITES, I(PEXT) = FORM_WRITES, I(PDEP) = FORM_WRITES, I(PMOVMSKB) = FORM_WRITES,
    I(PSHUFD) = FORM_WRITES, I(MOVMSKPS) = FORM_WRITES, I(MOVMSKPD) = FORM_WRITES,
    I(VPXOR) = FORM_WRITES, I(VPADDQ) = FORM_WRITES, I(VPADDD) = FORM_WRITES, I(VPAND) = FORM_WRITES,
    I(VPOR) = FORM_WRITES, I(VPSHUFD) = FORM_WRITES, I(VPUNPCKLQDQ) = FORM_WRITES, I(VPINSRQ) = FORM_WRITES,
    I(SETA) = FORM_WRITES, I(SETAE) = FORM_WRITES, I(SETB) = FORM_WRITES, I(SETBE) = FORM_WRITES,
    I(SETE) = FORM_WRITES, I(SETNE) = FORM_WRITES, I(SETG) = FORM_WRITES, I(SETGE) = FORM_WRITES,
    I(SETL) = FORM_WRITES, I(SETLE) = FORM_WRITES, I(SETO) = FORM_WRITES, I(SETNO) = FORM_WRITES,
    I(SETP) = FORM_WRITES, I(SETNP) = FORM_WRITES, I(SETS) = FORM_WRITES, I(SETNS) = FORM_WRITES,

    I(ADD) = FORM_MODIFIES, I(SUB) = FORM_MODIFIES, I(AND) = FORM_MODIFIES, I(OR) = FORM_MODIFIES,
    I(XOR) = FORM_MODIFIES, I(ADC) = FORM_MODIFIES, I(SBB) = FORM_MODIFIES, I(INC) = FORM_MODIFIES,
    I(DEC) = FORM_MODIFIES, I(NEG) = FORM_MODIFIES, I(NOT) = FORM_MODIFIES, I(SHL) = FORM_MODIFIES,
    I(SAL) = FORM_MODIFIES, I(SHR) = FORM_MODIFIES, I(SAR) = FORM_MODIFIES, I(ROL) = FORM_MODIFIES,
    I(ROR) = FORM_MODIFIES, I(RCL) = FORM_MODIFIES, I(RCR) = FORM_MODIFIES, I(SHLD) = FORM_MODIFIES,
    I(SHRD) = FORM_MODIFIES, I(BTS) = FORM_MODIFIES, I(BTR) = FORM_MODIFIES, I(BTC) = FORM_MODIFIES,
    I(BSWAP) = FORM_MODIFIES, I(ADCX) = FORM_MODIFIES, I(ADOX) = FORM_MODIFIES,
    I(CMOVA) = FORM_MODIFIES, I(CMOVAE) = FORM_MODIFIES, I(CMOVB) = FORM_MODIFIES, I(CMOVBE) = FORM_MODIFIES,
    I(CMOVE) = FORM_MODIFIES, I(CMOVNE) = FORM_MODIFIES, I(CMOVG) = FORM_MODIFIES, I(CMOVGE) = FORM_MODIFIES,
    I(CMOVL) = FORM_MODIFIES, I(CMOVLE) = FORM_MODIFIES, I(CMOVO) = FORM_MODIFIES, I(CMOVNO) = FORM_MODIFIES,
    I(CMOVP) = FORM_MODIFIES, I(CMOVNP) = FORM_MODIFIES, I(CMOVS) = FORM_MODIFIES, I(CMOVNS) = FORM_MODIFIES,
    I(PXOR) = FORM_MODIFIES, I(POR) = FORM_MODIFIES, I(PAND) = FORM_MODIFIES, I(PANDN) = FORM_MODIFIES,
    I(PADDQ) = FORM_MODIFIES, I(PADDD) = FORM_MODIFIES, I(PSUBQ) = FORM_MODIFIES, I(PSUBD) = FORM_MODIFIES,
    I(PCMPEQB) = FORM_MODIFIES, I(PCMPEQD) = FORM_MODIFIES, I(PUNPCKLQDQ) = FORM_MODIFIES,
    I(PUNPCKHQDQ) = FORM_MODIFIES, I(PUNPCKLDQ) = FORM_MODIFIES, I(PSRLDQ) = FORM_MODIFIES,
    I(PSLLDQ) = FORM_MODIFIES, I(PSRLQ) = FORM_MODIFIES, I(PSLLQ) = FORM_MODIFIES, I(PINSRQ) = FORM_MODIFIES,
    I(XORPS) = FORM_MODIFIES, I(XORPD) = FORM_MODIFIES, I(ANDPS) = FORM_MODIFIES, I(ORPS) = FORM_MODIFIES,
    I(MOVHPS) = FORM_MODIFIES, I(MOVLPS) = FORM_MODIFIES, I(MOVHPD) = FORM_MODIFIES,
    I(MOVLPD) = FORM_MODIFIES, I(MOVSS) = FORM_MODIFIES, I(MOVSD) = FORM_MODIFIES, I(MOVLHPS) = FORM_MODIFIES,
    I(MOVHLPS) = FORM_MODIFIES, I(SHUFPS) = FORM_MODIFIES, I(SHUFPD) = FORM_MODIFIES,
    I(ADDSD) = FORM_MODIFIES, I(SUBSD) = FORM_MODIFIES, I(MULSD) = FORM_MODIFIES, I(DIVSD) = FORM_MODIFIES,
    I(ADDSS) = FORM_MODIFIES, I(SUBSS) = FORM_MODIFIES, I(MULSS) = FORM_MODIFIES, I(DIVSS) = FORM_MODIFIES,
    I(CVTSI2SD) = FORM_MODIFIES, I(CVTSI2SS) = FORM_MODIFIES, I(CVTTSD2SI) = FORM_WRITES,
    I(CVTSD2SI) = FORM_WRITES,

    I(CMP) = FORM_READS, I(TEST) = FORM_READS, I(BT) = FORM_READS, I(UCOMISD) = FORM_READS,
    I(UCOMISS) = FORM_READS, I(COMISD) = FORM_READS, I(COMISS) = FORM_READS, I(PTEST) = FORM_READS,

    I(NOP) = FORM_HINT, I(ENDBR64) = FORM_HINT, I(PREFETCH) = FORM_HINT, I(PREFETCHW) = FORM_HINT,
    I(PREFETCHT0) = FORM_HINT, I(PREFETCHT1) = FORM_HINT, I(PREFETCHT2) = FORM_HINT,
    I(PREFETCHNTA) = FORM_HINT, I(LFENCE) = FORM_HINT, I(SFENCE) = FORM_HINT, I(MFENCE) = FORM_HINT,
    I(PAUSE) = FORM_HINT,

    I(MUL) = FORM_IMPLICIT, I(IMUL) = FORM_IMPLICIT, I(DIV) = FORM_IMPLICIT, I(IDIV) = FORM_IMPLICIT,
    I(CQO) = FORM_IMPLICIT, I(CDQ) = FORM_IMPLICIT, I(CDQE) = FORM_IMPLICIT, I(CWDE) = FORM_IMPLICIT,
    I(CBW) = FORM_IMPLICIT, I(CWD) = FORM_IMPLICIT, I(CLC) = FORM_IMPLICIT, I(STC) = FORM_IMPLICIT,
    I(CMC) = FORM_IMPLICIT, I(RDTSC) = FORM_IMPLICIT,

    I(LEA) = FORM_ADDRESS,
    I(XCHG) = FORM_SWAP,
    I(XADD) = FORM_EXCHANGE, I(CMPXCHG) = FORM_EXCHANGE, I(CMPXCHG8B) = FORM_EXCHANGE,
    I(CMPXCHG16B) = FORM_EXCHANGE,

    I(MOVSB) = FORM_STRING, I(MOVSW) = FORM_STRING, I(MOVSQ) = FORM_STRING, I(STOSB) = FORM_STRING,
    I(STOSW) = FORM_STRING, I(STOSD) = FORM_STRING, I(STOSQ) = FORM_STRING, I(LODSB) = FORM_STRING,
    I(LODSW) = FORM_STRING, I(LODSD) = FORM_STRING, I(LODSQ) = FORM_STRING, I(SCASB) = FORM_STRING,
    I(SCASW) = FORM_STRING, I(SCASD) = FORM_STRING, I(SCASQ) = FORM_STRING, I(CMPSB) = FORM_STRING,
    I(CMPSW) = FORM_STRING, I(CMPSQ) = FORM_STRING, I(INSB) = FORM_STRING, I(INSW) = FORM_STRING,
    I(INSD) = FORM_STRING, I(OUTSB) = FORM_STRING, I(OUTSW) = FORM_STRING, I(OUTSD) = FORM_STRING,

    I(PUSH) = FORM_PUSH, I(PUSHFQ) = FORM_PUSH, I(POP) = FORM_POP, I(POPFQ) = FORM_POP,
    I(LEAVE) = FORM_LEAVE, I(ENTER) = FORM_LEAVE,

    I(JMP) = FORM_JUMP, I(LJMP) = FORM_JUMP,
    I(JA) = FORM_BRANCH, I(JAE) = FORM_BRANCH, I(JB) = FORM_BRANCH, I(JBE) = FORM_BRANCH,
    I(JE) = FORM_EQUAL, I(JNE) = FORM_EQUAL, I(JG) = FORM_BRANCH, I(JGE) = FORM_BRANCH, I(JL) = FORM_BRANCH,
    I(JLE) = FORM_BRANCH, I(JO) = FORM_BRANCH, I(JNO) = FORM_BRANCH, I(JP) = FORM_BRANCH,
    I(JNP) = FORM_BRANCH, I(JS) = FORM_BRANCH, I(JNS) = FORM_BRANCH, I(JRCXZ) = FORM_COUNT,
    I(JECXZ) = FORM_COUNT, I(LOOP) = FORM_COUNT, I(LOOPE) = FORM_COUNT, I(LOOPNE) = FORM_COUNT,
    I(CALL) = FORM_CALL, I(LCALL) = FORM_CALL, I(RET) = FORM_RETURN, I(RETF) = FORM_RETURN,
    I(RETFQ) = FORM_RETURN, I(IRETQ) = FORM_RETURN,
    I(SYSCALL) = FORM_SYSCALL, I(SYSENTER) = FORM_SYSCALL, I(INT) = FORM_SYSCALL,
    I(INT3) = FORM_TRAP, I(INT1) = FORM_TRAP, I(INTO) = FORM_TRAP, I(UD0) = FORM_TRAP, I(UD2) = FORM_TRAP,
    I(UD1) = FORM_TRAP, I(HLT) = FORM_TRAP,
    I(STD) = FORM_DIRECTION, I(CLD) = FORM_DIRECTION,
    I(EMMS) = FORM_X87, I(FEMMS) = FORM_X87, I(FNINIT) = FORM_X87, I(FLDCW) = FORM_X87, I(WAIT) = FORM_X87,
};
#undef I
/* clang-format on */

static const uint16_t general[16][5] = {
    {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH},
    {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH},
    {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH},
    {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH},
    {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, 0},
    {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, 0},
    {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, 0},
    {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, 0},
    {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B, 0},
    {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B, 0},
    {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B, 0},
    {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B, 0},
    {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, 0},
    {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, 0},
    {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, 0},
    {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, 0},
};

static const char *const names[32] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

enum { RAX = 0, RCX = 1, RSP = 4, RBP = 5 };

static int number_of(unsigned id)
{
    for (int number = 0; number < 16; number++)
        for (size_t part = 0; part < 5; part++)
            if (general[number][part] == id && id != 0)
                return number;
    return id == X86_REG_EFLAGS ? REG_FLAGS : REG_NONE;
}

static void add_register(struct regs *set, unsigned id)
{
    int number = number_of(id);

    if (number != REG_NONE)
        regs_add(set, number);
    else if (id >= X86_REG_XMM0 && id <= X86_REG_XMM31)
        set->vector |= UINT64_C(1) << (id - X86_REG_XMM0);
    else if (id >= X86_REG_YMM0 && id <= X86_REG_YMM31)
        set->vector |= UINT64_C(1) << (id - X86_REG_YMM0);
    else if (id >= X86_REG_ZMM0 && id <= X86_REG_ZMM31)
        set->vector |= UINT64_C(1) << (id - X86_REG_ZMM0);
    else if (id >= X86_REG_K0 && id <= X86_REG_K7)
        set->vector |= UINT64_C(1) << (32 + id - X86_REG_K0);
    else if ((id >= X86_REG_MM0 && id <= X86_REG_MM7) || (id >= X86_REG_ST0 && id <= X86_REG_ST7) ||
             (id >= X86_REG_FP0 && id <= X86_REG_FP7) || id == X86_REG_FPSW)
        regs_add(set, REG_X87);
}

static void add_implicit(const cs_detail *detail, struct insn *insn)
{
    for (uint8_t i = 0; i < detail->regs_read_count; i++)
        add_register(&insn->reads, detail->regs_read[i]);
    for (uint8_t i = 0; i < detail->regs_write_count; i++)
        add_register(&insn->writes, detail->regs_write[i]);
}

static void set_memory(struct insn *insn, const cs_x86_op *operand)
{
    const x86_op_mem *mem = &operand->mem;
    bool relative = mem->base == X86_REG_RIP || mem->base == X86_REG_EIP;

    insn->memory = (struct operand){
        .base = number_of(mem->base),
        .index = number_of(mem->index),
        .scale = (unsigned)mem->scale,
        .displacement = mem->disp,
        .thread = mem->segment == X86_REG_FS,
        .size = operand->size,
    };
    insn->memory.fixed = insn->memory.base == REG_NONE && insn->memory.index == REG_NONE &&
                         !insn->memory.thread;
    insn->memory.address = (uint64_t)mem->disp + (relative ? insn->address + insn->size : 0);
    regs_add(&insn->reads, insn->memory.base);
    regs_add(&insn->reads, insn->memory.index);
}

static void read_operand(struct insn *insn, const cs_x86_op *operand)
{
    if (operand->type == X86_OP_REG)
        add_register(&insn->reads, operand->reg);
    else if (operand->type == X86_OP_MEM) {
        set_memory(insn, operand);
        insn->properties |= INSN_LOADS;
    }
}

static void write_operand(struct insn *insn, const cs_x86_op *operand)
{
    if (operand->type == X86_OP_REG) {
        add_register(&insn->writes, operand->reg);
        insn->destination = number_of(operand->reg);
    } else if (operand->type == X86_OP_MEM) {
        set_memory(insn, operand);
        insn->properties |= INSN_STORES;
    }
}

static void set_value(struct insn *insn, uint64_t value)
{
    insn->properties |= INSN_HAS_VALUE;
    insn->value = value;
}

/* Moves, immediate loads and additions of constants, for following values and counters. */
static void describe_value(const cs_insn *raw, const cs_x86 *x, struct insn *insn)
{
    const cs_x86_op *last = &x->operands[x->op_count - 1];
    bool whole = x->op_count == 2 && x->operands[0].size >= 4;

    if (raw->id == X86_INS_MOV || raw->id == X86_INS_MOVABS || raw->id == X86_INS_MOVSXD) {
        insn->source = last->type == X86_OP_REG ? number_of(last->reg) : REG_NONE;
        if (insn->source != REG_NONE && insn->destination != REG_NONE && whole)
            insn->properties |= INSN_MOVES;
        if (last->type == X86_OP_IMM && whole)
            set_value(insn, x->operands[0].size == 4 ? (uint32_t)last->imm : (uint64_t)last->imm);
    }
    if (insn->destination == REG_NONE)
        return;
    if (raw->id == X86_INS_INC || raw->id == X86_INS_DEC) {
        insn->source = insn->destination;
        insn->properties |= INSN_COUNTS;
    }
    if ((raw->id == X86_INS_ADD || raw->id == X86_INS_SUB) && last->type == X86_OP_IMM) {
        insn->source = insn->destination;
        insn->properties |= INSN_COUNTS;
    }
}

static void describe_lea(const cs_x86 *x, struct insn *insn)
{
    set_memory(insn, &x->operands[1]);
    write_operand(insn, &x->operands[0]);
    if (insn->memory.fixed)
        set_value(insn, insn->memory.address);
    else if (insn->memory.base != REG_NONE && insn->memory.index == REG_NONE) {
        insn->source = insn->memory.base;
        insn->properties |= INSN_COUNTS;
    }
}

/* xor and sub of a register with itself give 0 whatever it held. */
static bool clears(const cs_insn *raw, const cs_x86 *x)
{
    return (raw->id == X86_INS_XOR || raw->id == X86_INS_SUB || raw->id == X86_INS_PXOR ||
            raw->id == X86_INS_XORPS) &&
           x->op_count == 2 && x->operands[0].type == X86_OP_REG && x->operands[1].type == X86_OP_REG &&
           x->operands[0].reg == x->operands[1].reg;
}

static bool is_memory(const cs_x86 *x, uint8_t number)
{
    return number < x->op_count && x->operands[number].type == X86_OP_MEM;
}

static void describe_data(enum form form, const cs_insn *raw, const cs_x86 *x, struct insn *insn)
{
    bool first_read = form != FORM_WRITES && !clears(raw, x);

    for (uint8_t i = first_read ? 0 : 1; i < x->op_count && !clears(raw, x); i++)
        read_operand(insn, &x->operands[i]);
    if (form == FORM_READS) {
        if (x->op_count == 2 && x->operands[1].type != X86_OP_IMM &&
            !(x->operands[0].type == X86_OP_REG && x->operands[1].type == X86_OP_REG &&
              x->operands[0].reg == x->operands[1].reg))
            insn->properties |= INSN_COMPARES;
        return;
    }
    if (form == FORM_WRITES || form == FORM_MODIFIES) {
        if (x->op_count > 0)
            write_operand(insn, &x->operands[0]);
        if (x->op_count > 0)
            describe_value(raw, x, insn);
    }
    /* movsd and the like store their low half without reading it */
    if (is_memory(x, 0) && x->op_count == 2 && x->operands[1].type == X86_OP_REG &&
        (raw->id == X86_INS_MOVSS || raw->id == X86_INS_MOVSD || raw->id == X86_INS_MOVHPS ||
         raw->id == X86_INS_MOVLPS || raw->id == X86_INS_MOVHPD || raw->id == X86_INS_MOVLPD))
        insn->properties &= ~(unsigned)INSN_LOADS;
    /* the bit number in a register reaches any word of memory */
    if ((raw->id == X86_INS_BTS || raw->id == X86_INS_BTR || raw->id == X86_INS_BTC) && is_memory(x, 0) &&
        x->operands[1].type == X86_OP_REG)
        insn->properties |= INSN_UNKNOWN;
}

static void describe_multiply(const cs_x86 *x, struct insn *insn)
{
    for (uint8_t i = x->op_count == 3 ? 1 : 0; i < x->op_count; i++)
        read_operand(insn, &x->operands[i]);
    if (x->op_count > 1)
        write_operand(insn, &x->operands[0]);
}

static void describe_stack(enum form form, const cs_x86 *x, struct insn *insn)
{
    insn->properties |= INSN_PUSHES | (form == FORM_PUSH ? INSN_STORES : INSN_LOADS);
    regs_add(&insn->reads, RSP);
    regs_add(&insn->writes, RSP);
    if (form == FORM_LEAVE) {
        regs_add(&insn->reads, RBP);
        regs_add(&insn->writes, RBP);
    }
    if (x->op_count == 1 && form == FORM_PUSH)
        read_operand(insn, &x->operands[0]);
    if (x->op_count == 1 && form == FORM_POP)
        write_operand(insn, &x->operands[0]);
    if (!is_memory(x, 0))
        insn->memory = (struct operand){.base = RSP, .index = REG_NONE, .size = 8};
}

static void describe_jump(enum form form, const cs_x86 *x, struct insn *insn)
{
    bool direct = x->op_count == 1 && x->operands[0].type == X86_OP_IMM;

    insn->target = direct ? (uint64_t)x->operands[0].imm : 0;
    if (x->op_count == 1 && !direct)
        read_operand(insn, &x->operands[0]);
    switch (form) {
    case FORM_CALL:
        insn->flow = FLOW_CALL;
        break;
    case FORM_JUMP:
        insn->flow = direct ? FLOW_JUMP : FLOW_INDIRECT;
        break;
    default:
        insn->flow = FLOW_BRANCH;
        if (form == FORM_EQUAL)
            insn->properties |= INSN_IF_EQUAL;
        break;
    }
}

static void describe_rest(enum form form, const cs_x86 *x, struct insn *insn)
{
    switch (form) {
    case FORM_EXCHANGE:
    case FORM_SWAP:
        for (uint8_t i = 0; i < x->op_count; i++) {
            read_operand(insn, &x->operands[i]);
            write_operand(insn, &x->operands[i]);
        }
        insn->destination = REG_NONE;
        if ((insn->properties & INSN_STORES) != 0)
            insn->properties |= INSN_EXCHANGES;
        break;
    case FORM_STRING:
        insn->properties |= INSN_STRING;
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
    case FORM_DIRECTION:
        regs_add(&insn->writes, REG_DIRECTION);
        break;
    case FORM_X87:
        regs_add(&insn->writes, REG_X87);
        break;
    default:
        insn->properties |= INSN_UNKNOWN;
        break;
    }
}

static enum form form_of(const cs_insn *raw, const cs_x86 *x)
{
    /* one name for a string operation and for a scalar move */
    if ((raw->id == X86_INS_MOVSD || raw->id == X86_INS_CMPSD) && is_memory(x, 0) && is_memory(x, 1))
        return FORM_STRING;
    return raw->id < X86_INS_ENDING ? (enum form)forms[raw->id] : FORM_UNKNOWN;
}

static void describe(const cs_insn *raw, csh handle, struct insn *insn)
{
    const cs_x86 *x = &raw->detail->x86;
    enum form form = form_of(raw, x);

    add_implicit(raw->detail, insn);
    if (x->prefix[0] == X86_PREFIX_LOCK)
        insn->properties |= INSN_LOCKED;
    switch (form) {
    case FORM_UNKNOWN:
        insn_describe_unknown(raw, handle, add_register, insn);
        break;
    case FORM_WRITES:
    case FORM_MODIFIES:
    case FORM_READS:
        describe_data(form, raw, x, insn);
        break;
    case FORM_IMPLICIT:
        describe_multiply(x, insn);
        break;
    case FORM_HINT:
        insn->reads = insn->writes = (struct regs){0};
        break;
    case FORM_ADDRESS:
        describe_lea(x, insn);
        break;
    case FORM_PUSH:
    case FORM_POP:
    case FORM_LEAVE:
        describe_stack(form, x, insn);
        break;
    case FORM_JUMP:
    case FORM_BRANCH:
    case FORM_EQUAL:
    case FORM_COUNT:
    case FORM_CALL:
        describe_jump(form, x, insn);
        break;
    default:
        describe_rest(form, x, insn);
        break;
    }
}

const struct arch arch_x86_64 = {
    .name = "x86-64",
    .machine = EM_X86_64,
    .signature = 0x53053053,
    .red_zone = 128,
    .stack = RSP,
    .result = RAX,
    .callee_saved = {.general = 1 << 3 | 1 << 5 | 0xf000}, /* rbx, rbp, r12 to r15 */
    .call_clobbered = {.general = 0x0fc7 | UINT64_C(1) << REG_FLAGS, .vector = ~UINT64_C(0)},
    .insn_align = 1,
    .capstone = CS_ARCH_X86,
    .mode = CS_MODE_64,
    .describe = describe,
    .names = names,
};
