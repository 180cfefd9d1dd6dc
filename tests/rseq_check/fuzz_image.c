/* SPDX-License-Identifier: MIT */
/* For libFuzzer: any bytes as a file. Start it on the fixtures:
 *     fuzz_rseq_check -max_len=65536 CORPUS-DIRECTORY */
#include "rseq_check/check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct options options = {.allow_scratch = true};
    struct image image;
    struct report report;
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (image_open_memory(&image, "input", copy, size) && check_supports(&image)) {
        check_image(&image, &options, &report);
        report_free(&report);
    }
    image_close(&image);
    return 0;
}
