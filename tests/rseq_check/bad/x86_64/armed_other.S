/* SPDX-License-Identifier: MIT */
/* The descriptor of another sequence is armed. */
#include "sequence.inc"

        open    good
        addq    %rsi, (%rax)
        close   good
        function bad
        arm     bad, good
bad_start:
        slice
        subq    %rsi, (%rax)
        close   bad
