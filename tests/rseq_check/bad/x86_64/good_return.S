/* SPDX-License-Identifier: MIT */
/* No mistake: the frame of a sequence in C, accepted. */
#include "sequence.h"

        open    good
        addq    %rsi, (%rax)
        close   good, handler=return
