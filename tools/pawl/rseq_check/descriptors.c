/* SPDX-License-Identifier: MIT */
/* Where the descriptors are. Three witnesses: the section __rseq_cs, the array of pointers, and code that
 * arms: the last is the only one left when section headers are stripped or were never used. */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>

enum { DESCRIPTOR_BYTES = 32, ARMING_LONGEST = 64, SEQUENCES_MAX = 1 << 20 };

static struct sequence *find(struct report *report, uint64_t descriptor)
{
    for (size_t i = 0; i < report->sequence_count; i++)
        if (report->sequences[i].descriptor == descriptor)
            return &report->sequences[i];
    return NULL;
}

static void add(struct check *check, uint64_t descriptor, bool listed)
{
    struct report *report = check->report;
    const uint8_t *bytes = image_at(check->image, descriptor, DESCRIPTOR_BYTES);
    size_t count = report->sequence_count;
    struct sequence *sequence;

    if (count >= SEQUENCES_MAX || !bytes)
        return;
    if ((count & (count - 1)) == 0) { /* full at every power of two */
        struct sequence *grown = realloc(report->sequences, (count ? 2 * count : 1) * sizeof *grown);

        if (!grown) {
            report->out_of_memory = true;
            return;
        }
        report->sequences = grown;
    }
    sequence = &report->sequences[report->sequence_count++];
    *sequence = (struct sequence){
        .descriptor = descriptor,
        .version = image_word32(bytes),
        .flags = image_word32(bytes + 4),
        .start = image_word64(bytes + 8),
        .end = image_word64(bytes + 8) + image_word64(bytes + 16),
        .abort = image_word64(bytes + 24),
        .listed = listed,
    };
}

static void read_section(struct check *check)
{
    const struct spans *spans = &check->image->known[SECTION_DESCRIPTORS];

    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->span[i];

        if (span->size == 0)
            continue;
        if (!image_at(check->image, span->address, span->size)) {
            report_add(check->report, &check->report->general, RULE_LENGTH, span->address,
                       "the section __rseq_cs lies outside of what is loaded");
            continue;
        }
        if (span->size % DESCRIPTOR_BYTES != 0) { /* where one begins is not known: the pointers tell */
            report_add(check->report, &check->report->general, RULE_DESCRIPTOR_ALIGNMENT, span->address,
                       "the section __rseq_cs has %" PRIu64 " bytes, no whole number of descriptors",
                       span->size);
            continue;
        }
        for (uint64_t at = 0; at + DESCRIPTOR_BYTES <= span->size; at += DESCRIPTOR_BYTES)
            add(check, span->address + at, false);
    }
}

/* Descriptors are few hundreds: the section gives them in ascending order, so search from there. */
static struct sequence *find_sorted(struct report *report, uint64_t descriptor, size_t sorted)
{
    size_t low = 0;
    size_t high = sorted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (report->sequences[middle].descriptor < descriptor)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sorted && report->sequences[low].descriptor == descriptor ? &report->sequences[low] : NULL;
}

static void read_array(struct check *check)
{
    const struct spans *spans = &check->image->known[SECTION_POINTERS];
    size_t sorted = check->report->sequence_count;

    for (size_t i = 0; i < spans->count; i++) {
        for (uint64_t at = 0; at + 8 <= spans->span[i].size; at += 8) {
            const uint8_t *word = image_at(check->image, spans->span[i].address + at, 8);
            uint64_t descriptor;
            struct sequence *known;

            if (!word)
                break;
            descriptor = image_word64(word);
            known = find_sorted(check->report, descriptor, sorted);
            if (known)
                known->listed = true;
            else if (image_at(check->image, descriptor, DESCRIPTOR_BYTES))
                add(check, descriptor, true);
            else
                report_add(check->report, &check->report->general, RULE_POINTER, spans->span[i].address + at,
                           "__rseq_cs_ptr_array holds 0x%" PRIx64 ", where nothing is loaded", descriptor);
        }
    }
}

/* Does a descriptor of the code just behind `first` lie at `at`? Chance hits fail the last test. */
static bool looks_armed(struct check *check, uint64_t first, uint64_t at)
{
    const uint8_t *bytes = image_at(check->image, at, DESCRIPTOR_BYTES);
    struct arming arming;
    uint64_t start;

    if (!bytes || image_is_code(check->image, at) || image_word64(bytes) != 0)
        return false;
    start = image_word64(bytes + 8);
    return start > first && start - first <= ARMING_LONGEST && trace_arming(check, first, start, &arming) &&
           arming.value == at;
}

/* leaq descriptor(%rip), %reg */
static uint64_t address_loaded_x86_64(const uint8_t *bytes, uint64_t address)
{
    enum { LENGTH = 7 };

    if ((bytes[0] & 0xfb) != 0x48 || bytes[1] != 0x8d || (bytes[2] & 0xc7) != 0x05)
        return 0;
    return address + LENGTH + (uint64_t)(int64_t)(int32_t)image_word32(bytes + 3);
}

/* adrp xN, page; add xN, xN, low */
static uint64_t address_loaded_aarch64(const uint8_t *bytes, uint64_t address)
{
    uint32_t page = image_word32(bytes);
    uint32_t low = image_word32(bytes + 4);
    int64_t pages;

    if ((page & 0x9f000000) != 0x90000000 || (low & 0xffc00000) != 0x91000000 ||
        (page & 31) != (low >> 5 & 31))
        return 0;
    pages = (int64_t)((uint64_t)((page >> 5 & 0x7ffff) << 2 | (page >> 29 & 3)) << 43) >> 43;
    return (address & ~UINT64_C(0xfff)) + (uint64_t)pages * 4096 + (low >> 10 & 0xfff);
}

static void search_code(struct check *check, const struct segment *segment)
{
    bool x86 = check->decoder.arch == &arch_x86_64;
    unsigned step = check->decoder.arch->insn_align;

    for (uint64_t at = 0; at + 8 <= segment->size; at += step) {
        uint64_t address = segment->address + at;
        uint64_t loaded = x86 ? address_loaded_x86_64(segment->bytes + at, address)
                              : address_loaded_aarch64(segment->bytes + at, address);

        if (loaded != 0 && looks_armed(check, address, loaded) && !find(check->report, loaded))
            add(check, loaded, false);
    }
}

static void check_form(struct check *check, struct sequence *sequence)
{
    struct report *report = check->report;
    const struct image *image = check->image;
    const struct function *first = image_function(image, sequence->start);
    size_t before;

    if (sequence->version != 0 || sequence->flags != 0)
        report_add(report, sequence, RULE_VERSION, 0, "version %" PRIu32 ", flags 0x%" PRIx32,
                   sequence->version, sequence->flags);
    if (sequence->descriptor % DESCRIPTOR_BYTES != 0)
        report_add(report, sequence, RULE_DESCRIPTOR_ALIGNMENT, 0, "the descriptor is not aligned");
    before = sequence_findings(sequence, SEVERITY_REJECTED);
    if (sequence->end <= sequence->start)
        report_add(report, sequence, RULE_LENGTH, 0,
                   "the section from 0x%" PRIx64 " to 0x%" PRIx64 " is empty", sequence->start,
                   sequence->end);
    else if (sequence->end - sequence->start > SECTION_LONGEST)
        report_add(report, sequence, RULE_LENGTH, 0, "the section is %" PRIu64 " bytes long",
                   sequence->end - sequence->start);
    else if (!image_is_code(image, sequence->start) || !image_is_code(image, sequence->end - 1))
        report_add(report, sequence, RULE_RANGE, 0,
                   "the section from 0x%" PRIx64 " to 0x%" PRIx64 " does not lie in code", sequence->start,
                   sequence->end);
    else if (first && sequence->end > image_function_end(image, first))
        report_add(report, sequence, RULE_RANGE, sequence->start,
                   "the section reaches beyond the function it starts in");
    else if (sequence->abort - sequence->start < sequence->end - sequence->start)
        report_add(report, sequence, RULE_ABORT_INSIDE, sequence->abort,
                   "the abort handler lies in the section");
    sequence->usable = sequence_findings(sequence, SEVERITY_REJECTED) == before;
}

static void check_signature(struct check *check, struct sequence *sequence)
{
    const uint8_t *bytes = image_at(check->image, sequence->abort - 4, 4);
    uint32_t signature;

    if (!image_is_code(check->image, sequence->abort)) {
        report_add(check->report, sequence, RULE_RANGE, 0,
                   "the abort handler 0x%" PRIx64 " does not lie in code", sequence->abort);
        return;
    }
    signature = bytes ? image_word32(bytes) : 0;
    if (signature == check->decoder.arch->signature)
        return;
    for (size_t i = 0; i < check->options->signature_count; i++)
        if (signature == check->options->signatures[i])
            return;
    report_add(check->report, sequence, RULE_SIGNATURE, sequence->abort,
               "0x%08" PRIx32 " stands before the abort handler, 0x%08" PRIx32 " is expected", signature,
               check->decoder.arch->signature);
}

static int by_start(const void *a, const void *b)
{
    const struct sequence *first = a;
    const struct sequence *second = b;

    if (first->start != second->start)
        return first->start < second->start ? -1 : 1;
    return (first->descriptor > second->descriptor) - (first->descriptor < second->descriptor);
}

void find_descriptors(struct check *check)
{
    struct report *report = check->report;
    bool said = check->image->has_sections;

    read_section(check);
    read_array(check);
    for (size_t i = 0; i < check->image->segment_count; i++)
        if (check->image->segments[i].executable)
            search_code(check, &check->image->segments[i]);
    if (report->sequence_count > 1)
        qsort(report->sequences, report->sequence_count, sizeof *report->sequences, by_start);
    for (size_t i = 0; i < report->sequence_count; i++) {
        struct sequence *sequence = &report->sequences[i];

        check_form(check, sequence);
        check_signature(check, sequence);
        if (said && !sequence->listed)
            report_add(report, sequence, RULE_REGISTERED, 0, "the descriptor is not in __rseq_cs_ptr_array");
    }
}
