/* SPDX-License-Identifier: MIT */
/* Edges from outside. A thread that jumps into the middle of a section runs code that the kernel believes
 * to be armed, and that is not (or worse, is armed still from before).
 *
 * Every direct branch shows as its bytes, so a scan for bytes that would branch into a section finds all of
 * them, and chance hits too; those that are no instruction, counted from the function's start, are dropped.
 */
#include "check.h"

#include <inttypes.h>

/* What a branch at bytes[0] would lead to. False: these are no branch. */
static bool branch_x86_64(const uint8_t *bytes, uint64_t available, uint64_t address, uint64_t *target)
{
    bool near_jump = bytes[0] == 0xe8 || bytes[0] == 0xe9;
    bool near_branch = bytes[0] == 0x0f && available > 1 && (bytes[1] & 0xf0) == 0x80;
    bool close = bytes[0] == 0xeb || (bytes[0] & 0xf0) == 0x70 || (bytes[0] & 0xfc) == 0xe0;
    unsigned operation = near_branch ? 2 : 1;
    unsigned length = operation + (close ? 1 : 4);

    if ((!near_jump && !near_branch && !close) || available < length)
        return false;
    *target = address + length +
              (close ? (uint64_t)(int64_t)(int8_t)bytes[1]
                     : (uint64_t)(int64_t)(int32_t)image_word32(bytes + operation));
    return true;
}

static uint64_t signed_field(uint32_t word, unsigned low, unsigned width)
{
    return (uint64_t)((int64_t)((uint64_t)word << (64 - low - width)) >> (64 - width)) * 4;
}

static bool branch_aarch64(const uint8_t *bytes, uint64_t available, uint64_t address, uint64_t *target)
{
    uint32_t word;

    if (available < 4)
        return false;
    word = image_word32(bytes);
    if ((word & 0x7c000000) == 0x14000000) /* b, bl */
        *target = address + signed_field(word, 0, 26);
    else if ((word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000) /* b.cond, cbz */
        *target = address + signed_field(word, 5, 19);
    else if ((word & 0x7e000000) == 0x36000000) /* tbz */
        *target = address + signed_field(word, 5, 14);
    else
        return false;
    return true;
}

/* The last sequence whose arming code begins at or before the address. */
static struct sequence *sequence_at(struct report *report, uint64_t address)
{
    size_t low = 0;
    size_t high = report->sequence_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct sequence *sequence = &report->sequences[middle];

        if ((sequence->armed ? sequence->arm_first : sequence->start) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &report->sequences[low - 1] : NULL;
}

static void judge(struct check *check, uint64_t source, uint64_t target)
{
    struct sequence *sequence = sequence_at(check->report, target);

    if (!sequence || !sequence->usable || target >= sequence->end ||
        source - sequence->start < sequence->end - sequence->start)
        return;
    if (sequence->armed && target == sequence->arm_first) /* where a restart begins */
        return;
    if (!is_instruction(check, source))
        return;
    if (target < sequence->start)
        report_add(check->report, sequence, RULE_JUMP_INTO, source,
                   "leads to 0x%" PRIx64 ", into the arming code behind the load of the descriptor", target);
    else if (target == sequence->start)
        report_add(check->report, sequence, RULE_JUMP_INTO, source,
                   "leads to the start 0x%" PRIx64 " past the arming store", target);
    else
        report_add(check->report, sequence, RULE_JUMP_INTO, source,
                   "leads from outside to 0x%" PRIx64 " in the section", target);
}

static void scan(struct check *check, const struct segment *segment)
{
    bool x86 = check->decoder.arch == &arch_x86_64;

    for (uint64_t at = 0; at < segment->size; at += check->decoder.arch->insn_align) {
        uint64_t address = segment->address + at;
        uint64_t left = segment->size - at;
        uint64_t target;

        if (x86 ? branch_x86_64(segment->bytes + at, left, address, &target)
                : branch_aarch64(segment->bytes + at, left, address, &target))
            judge(check, address, target);
    }
}

/* Addresses inside a section that data holds: jump tables and computed gotos. */
static void check_pointers(struct check *check)
{
    for (size_t i = 0; i < check->image->pointer_count; i++) {
        const struct pointer *pointer = &check->image->pointers[i];
        struct sequence *sequence = sequence_at(check->report, pointer->target);
        bool ours = false;

        for (enum known_section known = 0; known < KNOWN_SECTIONS; known++)
            ours |= image_in_section(check->image, known, pointer->where);
        if (!ours && sequence && sequence->usable && pointer->target > sequence->start &&
            pointer->target < sequence->end && pointer->where - sequence->descriptor >= 32)
            report_add(check->report, sequence, RULE_ADDRESS_TAKEN, pointer->target,
                       "the word at 0x%" PRIx64 " points to this place in the section", pointer->where);
    }
}

void check_incoming(struct check *check)
{
    if (check->report->sequence_count == 0)
        return;
    for (size_t i = 0; i < check->image->segment_count; i++)
        if (check->image->segments[i].executable)
            scan(check, &check->image->segments[i]);
    if (check->image->has_sections) /* else our own tables cannot be told from others */
        check_pointers(check);
}
