/* SPDX-License-Identifier: MIT */
#include "insn.h"

#include <stdio.h>
#include <string.h>

static const struct arch *const archs[] = {&arch_x86_64, &arch_aarch64};

bool decoder_open(struct decoder *decoder, const struct image *image)
{
    *decoder = (struct decoder){.image = image};
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++)
        if (archs[i]->machine == image->machine)
            decoder->arch = archs[i];
    if (!decoder->arch ||
        cs_open(decoder->arch->capstone, decoder->arch->mode, &decoder->handle) != CS_ERR_OK)
        return false;
    cs_option(decoder->handle, CS_OPT_DETAIL, CS_OPT_ON);
    decoder->raw = cs_malloc(decoder->handle);
    if (!decoder->raw)
        decoder_close(decoder);
    return decoder->raw != NULL;
}

void decoder_close(struct decoder *decoder)
{
    if (decoder->raw)
        cs_free(decoder->raw, 1);
    if (decoder->handle)
        cs_close(&decoder->handle);
    *decoder = (struct decoder){0};
}

static bool decode_raw(struct decoder *decoder, uint64_t address)
{
    enum { LONGEST = 16 };
    uint64_t available;
    const uint8_t *bytes = image_from(decoder->image, address, &available);
    size_t size;

    if (!bytes || !image_is_code(decoder->image, address) || address % decoder->arch->insn_align != 0)
        return false;
    size = available < LONGEST ? (size_t)available : LONGEST;
    return cs_disasm_iter(decoder->handle, &bytes, &size, &address, decoder->raw);
}

bool decode(struct decoder *decoder, uint64_t address, struct insn *insn)
{
    const struct arch *arch = decoder->arch;
    const uint8_t *bytes;

    *insn = (struct insn){
        .address = address,
        .size = arch->insn_align,
        .destination = REG_NONE,
        .source = REG_NONE,
        .memory = {.base = REG_NONE, .index = REG_NONE},
    };
    if (decode_raw(decoder, address)) {
        insn->size = decoder->raw->size;
        arch->describe(decoder->raw, decoder->handle, insn);
        return true;
    }
    bytes = image_at(decoder->image, address, arch->insn_align);
    if (!arch->describe_bytes || !bytes || !image_is_code(decoder->image, address) ||
        address % arch->insn_align != 0)
        return false;
    arch->describe_bytes(bytes, insn);
    return true;
}

void decode_text(struct decoder *decoder, uint64_t address, char text[INSN_TEXT_MAX])
{
    /* capstone turns the operands around, too: so for text only */
    bool turns = decoder->arch->capstone == CS_ARCH_X86;
    const uint8_t *bytes = image_at(decoder->image, address, 4);

    text[0] = '\0';
    if (turns)
        cs_option(decoder->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
    if (decode_raw(decoder, address))
        snprintf(text, INSN_TEXT_MAX, "%s%s%s", decoder->raw->mnemonic, decoder->raw->op_str[0] ? " " : "",
                 decoder->raw->op_str);
    else if (bytes && decoder->arch->describe_bytes && image_is_code(decoder->image, address))
        snprintf(text, INSN_TEXT_MAX, ".inst 0x%08x", image_word32(bytes));
    if (turns)
        cs_option(decoder->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_INTEL);
}

void insn_describe_unknown(const cs_insn *raw, csh handle, void (*add)(struct regs *set, unsigned id),
                           struct insn *insn)
{
    cs_regs read;
    cs_regs written;
    uint8_t reads;
    uint8_t writes;

    insn->properties |= INSN_UNKNOWN;
    if (cs_regs_access(handle, raw, read, &reads, written, &writes) != CS_ERR_OK)
        return;
    for (uint8_t i = 0; i < reads; i++)
        add(&insn->reads, read[i]);
    for (uint8_t i = 0; i < writes; i++)
        add(&insn->writes, written[i]);
}

const char *register_name(const struct arch *arch, int number)
{
    switch (number) {
    case REG_FLAGS:
        return "flags";
    case REG_DIRECTION:
        return "direction flag";
    case REG_X87:
        return "x87 state";
    default:
        return number >= 0 && number < 32 ? arch->names[number] : "?";
    }
}
