/* SPDX-License-Identifier: MIT */
/* Not the signature that rseq was registered with: the kernel kills the thread. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, signature=0x12345678
