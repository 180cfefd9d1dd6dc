/* SPDX-License-Identifier: MIT */
/* The CPU number is read, and the commit goes elsewhere. */
#include "sequence.inc"

        open    bad
        addq    %rsi, 256(%rdi)
        close   bad
