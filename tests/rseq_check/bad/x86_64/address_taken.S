/* SPDX-License-Identifier: MIT */
/* A table outside leads into the section. */
#include "sequence.inc"

        open    bad
bad_inside:
        addq    %rsi, (%rax)
        close   bad
        .section .data.rel.ro, "aw", @progbits
        .balign 8
        .quad   bad_inside
