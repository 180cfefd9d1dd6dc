/* SPDX-License-Identifier: MIT */
#include "json.h"

#include "pawl.h"

#include <stdio.h>

json_t *json_set(hwloc_const_bitmap_t set)
{
    json_t *array;

    if (!set)
        return json_null();
    array = json_array();
    for (int member = hwloc_bitmap_first(set); array && member >= 0;
         member = hwloc_bitmap_next(set, member)) {
        if (json_array_append_new(array, json_integer(member)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

json_t *json_text(const char *text)
{
    json_t *string;

    if (!text || text[0] == '\0')
        return json_null();
    string = json_string(text);
    /* A path or a name that is not UTF-8 cannot stand in JSON as it is. */
    return string ? string : json_string("(not UTF-8)");
}

json_t *json_flags(const struct flag_name *names, uint64_t flags)
{
    json_t *array = json_array();
    int failed = 0;

    for (; names->name; names++) {
        if (flags & names->flag)
            failed |= json_array_append_new(array, json_string(names->name));
        flags &= ~names->flag;
    }
    for (unsigned bit = 0; bit < 64; bit++)
        if (flags >> bit & 1)
            failed |= json_array_append_new(array, json_sprintf("bit-%u", bit));
    if (failed) {
        json_decref(array);
        return NULL;
    }
    return array;
}

json_t *json_rseq(const struct pawl_rseq_info *rseq)
{
    return json_pack("{s:s, s:b, s:s, s:I, s:b, s:b, s:b, s:b, s:I}", "mode", pawl_rseq_mode_name(rseq->mode),
                     "runs", (int)(rseq->mode == PAWL_RSEQ_LIBC || rseq->mode == PAWL_RSEQ_OWN), "reason",
                     rseq->reason, "feature_size", (json_int_t)rseq->feature_size, "node_id",
                     (int)rseq->has_node, "mm_cid", (int)rseq->has_cid, "fence", (int)rseq->has_fence,
                     "fence_cpu", (int)rseq->has_fence_cpu, "cpu_limit", (json_int_t)rseq->limit);
}

int json_print(json_t *root, const struct command *command)
{
    int result;

    if (!root)
        return command_failed(command, "out of memory");
    result = json_dumpf(root, stdout, JSON_INDENT(2));
    json_decref(root);
    putchar('\n');
    /* A failed write leaves its mark on stdout, and main() reports it. */
    if (result < 0 && !ferror(stdout))
        return command_failed(command, "out of memory");
    return STATUS_OK;
}
