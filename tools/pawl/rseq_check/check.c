/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

bool is_scratch(const struct check *check, uint64_t address)
{
    return check->mark_count > 0 &&
           bsearch(&address, check->marks, check->mark_count, sizeof address, by_value) != NULL;
}

bool is_instruction(struct check *check, uint64_t address)
{
    const struct image *image = check->image;
    const struct function *function = image_function(image, address);
    uint64_t at = 0;
    struct insn insn;

    if (!image_is_text(image, address))
        return false;
    if (check->decoder.arch->insn_align > 1)
        return true;
    if (function) {
        at = function->address;
    } else { /* between functions: count from where the last one ends, or the segment begins */
        for (size_t i = 0; i < image->segment_count; i++)
            if (address - image->segments[i].address < image->segments[i].size)
                at = image->segments[i].address;
        for (size_t i = 0; i < image->function_count && image->functions[i].address < address; i++)
            if (image_function_end(image, &image->functions[i]) > at &&
                image_function_end(image, &image->functions[i]) <= address)
                at = image_function_end(image, &image->functions[i]);
    }
    while (at < address)
        at += decode(&check->decoder, at, &insn) ? insn.size : 1;
    return at == address;
}

/* The marks: addresses of the stores that their author declares private. */
static bool read_marks(struct check *check)
{
    const struct spans *spans = &check->image->known[SECTION_SCRATCH];
    size_t most = 0;

    for (size_t i = 0; i < spans->count; i++)
        if (image_at(check->image, spans->span[i].address, spans->span[i].size))
            most += spans->span[i].size / 8;
    if (most == 0)
        return true;
    check->marks = malloc(most * sizeof *check->marks);
    if (!check->marks)
        return false;
    for (size_t i = 0; i < spans->count; i++) {
        const uint8_t *bytes = image_at(check->image, spans->span[i].address, spans->span[i].size);

        for (uint64_t at = 0; bytes && at + 8 <= spans->span[i].size; at += 8)
            if (image_word64(bytes + at) != 0) /* the linker writes 0 for discarded code */
                check->marks[check->mark_count++] = image_word64(bytes + at);
    }
    qsort(check->marks, check->mark_count, sizeof *check->marks, by_value);
    return true;
}

/* A mark that names no store was moved, or misplaced: the store that it was for is not declared. */
void check_scratch_marks(struct check *check)
{
    struct report *report = check->report;

    for (size_t i = 0; i < check->mark_count; i++) {
        struct sequence *owner = &report->general;
        struct insn insn;

        for (size_t s = 0; s < report->sequence_count; s++)
            if (check->marks[i] - report->sequences[s].start <
                report->sequences[s].end - report->sequences[s].start)
                owner = &report->sequences[s];
        if (!decode(&check->decoder, check->marks[i], &insn) || (insn.properties & INSN_STORES) == 0)
            report_add(report, owner, RULE_SCRATCH_MARK, check->marks[i],
                       "__rseq_scratch names 0x%" PRIx64 ", which is no store", check->marks[i]);
        else if (owner == &report->general)
            report_add_as(report, owner, RULE_SCRATCH_MARK, SEVERITY_WARNING, check->marks[i],
                          "__rseq_scratch names 0x%" PRIx64 ", a store outside of every section",
                          check->marks[i]);
    }
}

bool check_supports(const struct image *image)
{
    return image->machine == arch_x86_64.machine || image->machine == arch_aarch64.machine;
}

bool check_image(struct image *image, const struct options *options, struct report *report)
{
    struct check check = {.image = image, .options = options, .report = report};

    *report = (struct report){0};
    if (!decoder_open(&check.decoder, image) || !read_marks(&check)) {
        decoder_close(&check.decoder);
        return false;
    }
    find_descriptors(&check);
    if (!image->has_sections && report->sequence_count > 0)
        report_add(report, &report->general, RULE_NO_SECTIONS, 0,
                   "the file has no section headers: sequences were found by the code that arms them");
    for (size_t i = 0; i < report->sequence_count; i++) {
        if (!report->sequences[i].usable)
            continue;
        find_arming(&check, &report->sequences[i]);
        follow_handler(&check, &report->sequences[i]);
    }
    check_incoming(&check);
    for (size_t i = 0; i < report->sequence_count; i++) {
        if (!report->sequences[i].usable)
            continue;
        check_section(&check, &report->sequences[i]);
        check_function(&check, &report->sequences[i]);
    }
    check_scratch_marks(&check);
    free(check.marks);
    decoder_close(&check.decoder);
    return !report->out_of_memory;
}
