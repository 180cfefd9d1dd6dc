/* SPDX-License-Identifier: MIT */
/* A program of a user, in C and (compiled again) in C++: asks the library what it found, from two
 * translation units, and expects one answer. */
#include "consumer.h"
#include <stdio.h>
#include <string.h>

int main(void)
{
    const struct pawl_rseq_info *info = pawl_rseq_get_info();
    const char *mode = pawl_rseq_mode_name(info->mode);

    if (mode == NULL || info->reason == NULL || *info->reason == '\0') {
        fprintf(stderr, "the library does not say why sequences run or not\n");
        return 1;
    }
    if (strcmp(mode, second_unit_sees()) != 0) {
        fprintf(stderr, "two units of one program got two answers: %s and %s\n", mode, second_unit_sees());
        return 1;
    }
    if (pawl_rseq_available() != (info->mode == PAWL_RSEQ_LIBC || info->mode == PAWL_RSEQ_OWN)) {
        fprintf(stderr, "pawl_rseq_available() contradicts mode %s\n", mode);
        return 1;
    }
    printf("%s: %s\n", mode, info->reason);
    return 0;
}
