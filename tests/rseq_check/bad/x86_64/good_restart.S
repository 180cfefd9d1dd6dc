/* SPDX-License-Identifier: MIT */
/* No mistake: the frame itself, accepted. */
#include "sequence.h"

        open    good
        addq    %rsi, (%rax)
        close   good
