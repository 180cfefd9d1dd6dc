/* SPDX-License-Identifier: MIT */
/* A call inside: its return address is a second store, and the callee is not restarted. */
#include "sequence.inc"

        open    bad
        call    bad
        addq    %rsi, (%rax)
        close   bad, handler=return
