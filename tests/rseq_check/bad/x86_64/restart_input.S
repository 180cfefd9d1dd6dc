/* SPDX-License-Identifier: MIT */
/* The section overwrites its own input: the second try starts from a wrong one. */
#include "sequence.h"

        open    bad
        addq    (%rax), %rsi
        movq    %rsi, (%rax)
        close   bad
