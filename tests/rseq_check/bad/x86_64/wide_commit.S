/* SPDX-License-Identifier: MIT */
/* A commit of 16 bytes may be seen half done. */
#include "sequence.inc"

        open    bad
        movups  %xmm0, (%rax)
        close   bad
