/* SPDX-License-Identifier: MIT */
/* An instruction that the verifier has no rule for. */
#include "sequence.inc"

        open    bad
        cpuid
        addq    %rsi, (%rax)
        close   bad
