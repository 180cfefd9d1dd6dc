/* SPDX-License-Identifier: MIT */
/* The array of pointers leads nowhere. */
#include "sequence.inc"

        open    good
        addq    %rsi, (%rax)
        close   good
        .section __rseq_cs_ptr_array, "aw", @progbits
        .quad   0x7fff0000
