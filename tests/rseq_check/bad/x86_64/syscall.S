/* SPDX-License-Identifier: MIT */
/* A system call inside: the kernel kills the thread. */
#include "sequence.inc"

        open    bad
        syscall
        addq    %rsi, (%rax)
        close   bad, handler=return
