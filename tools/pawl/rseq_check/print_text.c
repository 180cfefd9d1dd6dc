/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <inttypes.h>
#include <stdio.h>

struct page {
    const struct image *image;
    struct lines *lines;
    struct decoder decoder; /* without an arch when there is none: instructions are left out */
    enum verbosity verbosity;
};

static void print_place(const struct page *page, uint64_t address)
{
    char function[PLACE_MAX];
    char line[PLACE_MAX];

    place_in_function(page->image, address, function);
    lines_find(page->lines, address, line);
    printf("0x%" PRIx64, address);
    if (function[0])
        printf(" <%s>", function);
    if (line[0])
        printf(" %s", line);
}

static void print_finding(struct page *page, const struct finding *finding)
{
    char text[INSN_TEXT_MAX] = "";

    printf("  %s [%s] %s\n", severity_name(finding->severity), rule_texts[finding->rule].name,
           finding->detail);
    if (finding->address != 0) {
        fputs("      at ", stdout);
        print_place(page, finding->address);
        if (page->decoder.arch)
            decode_text(&page->decoder, finding->address, text);
        printf("%s%s\n", text[0] ? ": " : "", text);
    }
    if (rule_texts[finding->rule].mend && finding->severity != SEVERITY_NOTE)
        printf("      mend: %s\n", rule_texts[finding->rule].mend);
}

static bool is_shown(const struct page *page, enum severity severity)
{
    return severity == SEVERITY_REJECTED || (severity == SEVERITY_WARNING && page->verbosity >= NORMAL) ||
           page->verbosity == VERBOSE;
}

static void print_findings(struct page *page, const struct sequence *sequence)
{
    for (size_t i = 0; i < sequence->finding_count; i++)
        if (is_shown(page, sequence->findings[i].severity))
            print_finding(page, &sequence->findings[i]);
}

static void print_sequence(struct page *page, const struct sequence *sequence)
{
    bool rejected = sequence_findings(sequence, SEVERITY_REJECTED) > 0;
    bool warned = sequence_findings(sequence, SEVERITY_WARNING) > 0;

    if (!rejected && !(warned && page->verbosity >= NORMAL) && page->verbosity != VERBOSE)
        return;
    printf("%s: %s: sequence ", page->image->path, rejected ? "rejected" : "accepted");
    print_place(page, sequence->start);
    printf(" (descriptor 0x%" PRIx64 ")\n", sequence->descriptor);
    if (page->verbosity == VERBOSE && sequence->usable)
        printf("  %u instruction%s in %" PRIu64
               " bytes, %u loop%s, %u private store%s, %s, abort handler %s\n",
               sequence->instructions, sequence->instructions == 1 ? "" : "s",
               sequence->end - sequence->start, sequence->loops, sequence->loops == 1 ? "" : "s",
               sequence->scratch_stores, sequence->scratch_stores == 1 ? "" : "s",
               sequence->commit != 0 ? "one commit" : (sequence->reads_only ? "reads only" : "no commit"),
               handler_name(sequence->handler));
    print_findings(page, sequence);
}

static void print_summary(const struct page *page, const struct report *report)
{
    size_t rejected = 0;
    size_t warned = 0;

    for (size_t i = 0; i < report->sequence_count; i++) {
        rejected += sequence_findings(&report->sequences[i], SEVERITY_REJECTED) > 0;
        warned += sequence_findings(&report->sequences[i], SEVERITY_WARNING) > 0;
    }
    if (report->sequence_count == 0) {
        printf("%s: no restartable sequences\n", page->image->path);
        return;
    }
    printf("%s: %zu sequence%s, %zu accepted, %zu rejected", page->image->path, report->sequence_count,
           report->sequence_count == 1 ? "" : "s", report->sequence_count - rejected, rejected);
    if (warned > 0)
        printf(", %zu with warnings", warned);
    putchar('\n');
}

void print_text(const struct report *report, const struct image *image, struct lines *lines,
                enum verbosity verbosity)
{
    struct page page = {.image = image, .lines = lines, .verbosity = verbosity};

    if (!decoder_open(&page.decoder, image))
        page.decoder = (struct decoder){0};
    if (sequence_findings(&report->general, SEVERITY_REJECTED) > 0 ||
        (report->general.finding_count > 0 && verbosity >= NORMAL))
        printf("%s: beside its sequences:\n", image->path);
    print_findings(&page, &report->general);
    for (size_t i = 0; i < report->sequence_count; i++)
        print_sequence(&page, &report->sequences[i]);
    if (verbosity != QUIET)
        print_summary(&page, report);
    decoder_close(&page.decoder);
}
