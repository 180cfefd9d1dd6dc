/* SPDX-License-Identifier: MIT */
/* The head of a list is loaded before the section: stale after the restart. */
#include "sequence.inc"

        function bad
        movq    (%rsi), %rdx
        arm     bad
bad_start:
        slice
        movq    %rdx, (%rax)
        close   bad, handler=return
