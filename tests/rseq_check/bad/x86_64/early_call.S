/* SPDX-License-Identifier: MIT */
/* A call before the section of a function whose abort handler returns. */
#include "sequence.inc"

        function bad
        call    bad
        arm     bad
bad_start:
        slice
        movq    %rsi, (%rax)
        close   bad, handler=return
