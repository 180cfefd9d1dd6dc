/* SPDX-License-Identifier: MIT */
/* The descriptor is stored where the kernel does not look. */
#include "sequence.inc"

        function bad
bad_arm:
        leaq    bad_descriptor(%rip), %rax
        movq    (%rdi), %rcx
        movq    %rax, %fs:16(%rcx)
bad_start:
        slice
        addq    %rsi, (%rax)
        close   bad
