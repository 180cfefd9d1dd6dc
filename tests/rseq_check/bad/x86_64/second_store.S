/* SPDX-License-Identifier: MIT */
/* Two words are published: an abort between them leaves one. */
#include "sequence.inc"

        open    bad
        movq    %rsi, 8(%rax)
        addq    %rsi, (%rax)
        close   bad
