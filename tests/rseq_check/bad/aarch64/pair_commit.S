/* SPDX-License-Identifier: MIT */
/* A commit of two words may be seen half done. */
#include "sequence.inc"

        open    bad
        stp     x1, x2, [x9]
        close   bad
