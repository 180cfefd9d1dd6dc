/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "print.h"

#include <inttypes.h>

/* Addresses are texts: JSON's numbers lose bits above 2^53 in many readers. */
static json_t *hex(uint64_t address)
{
    return json_sprintf("0x%" PRIx64, address);
}

static json_t *known_hex(uint64_t address, bool known)
{
    return known ? hex(address) : json_null();
}

static json_t *in_function(const struct image *image, uint64_t address)
{
    char place[PLACE_MAX];

    place_in_function(image, address, place);
    return json_text(place);
}

static json_t *in_source(struct lines *lines, uint64_t address)
{
    char place[PLACE_MAX];

    lines_find(lines, address, place);
    return json_text(place);
}

static json_t *json_finding(const struct finding *finding, const struct image *image, struct lines *lines,
                            struct decoder *decoder)
{
    char text[INSN_TEXT_MAX] = "";
    const struct rule_text *rule = &rule_texts[finding->rule];

    if (finding->address != 0 && decoder->arch)
        decode_text(decoder, finding->address, text);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "rule", rule->name, "severity",
                     severity_name(finding->severity), "detail", json_text(finding->detail), "address",
                     known_hex(finding->address, finding->address != 0), "function",
                     in_function(image, finding->address), "source", in_source(lines, finding->address),
                     "instruction", json_text(text), "mend", json_text(rule->mend));
}

static json_t *json_findings(const struct sequence *sequence, const struct image *image, struct lines *lines,
                             struct decoder *decoder)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < sequence->finding_count; i++) {
        if (json_array_append_new(array, json_finding(&sequence->findings[i], image, lines, decoder)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *json_sequence(const struct sequence *sequence, const struct image *image, struct lines *lines,
                             struct decoder *decoder)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:I, s:I, s:s, s:b, s:o}",
                     "accepted", sequence_findings(sequence, SEVERITY_REJECTED) == 0, "descriptor",
                     hex(sequence->descriptor), "start", hex(sequence->start), "end", hex(sequence->end),
                     "commit", known_hex(sequence->commit, sequence->commit != 0), "abort",
                     hex(sequence->abort), "function", in_function(image, sequence->start), "source",
                     in_source(lines, sequence->start), "registered", (int)sequence->listed, "instructions",
                     (json_int_t)sequence->instructions, "loops", (json_int_t)sequence->loops,
                     "private_stores", (json_int_t)sequence->scratch_stores, "abort_handler",
                     handler_name(sequence->handler), "reads_only", (int)sequence->reads_only, "findings",
                     json_findings(sequence, image, lines, decoder));
}

json_t *print_json(const struct report *report, const struct image *image, struct lines *lines)
{
    struct decoder decoder;
    json_t *sequences = json_array();
    json_t *file;

    if (!decoder_open(&decoder, image))
        decoder = (struct decoder){0};
    for (size_t i = 0; sequences && i < report->sequence_count; i++) {
        if (json_array_append_new(sequences, json_sequence(&report->sequences[i], image, lines, &decoder)) <
            0) {
            json_decref(sequences);
            sequences = NULL;
        }
    }
    file = json_pack("{s:o, s:s, s:b, s:o, s:o}", "file", json_text(image->path), "architecture",
                     decoder.arch ? decoder.arch->name : "unknown", "accepted", (int)report_accepted(report),
                     "sequences", sequences, "findings",
                     json_findings(&report->general, image, lines, &decoder));
    decoder_close(&decoder);
    return file;
}
