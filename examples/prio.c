/* SPDX-License-Identifier: MIT */
/* Three classes of work: what is urgent goes first, and with relief nothing waits for ever. */
#include <pawl/prio.h>

#include <stdio.h>

enum { URGENT, NORMAL, BACKGROUND, CLASSES };

int main(void)
{
    static const char *const names[CLASSES] = {"urgent", "normal", "background"};
    struct pawl_prio *queue = pawl_prio_open(CLASSES, 8, sizeof(int), 0);
    int job, jobs = 0;
    unsigned class, last = URGENT;

    if (queue == NULL)
        return 1;
    for (job = 0; job < 9; job++)
        if (pawl_prio_push(queue, (unsigned)(CLASSES - 1 - job % CLASSES), &job) != 0)
            return 1;
    pawl_prio_close(queue); /* what is inside is still served */
    while (pawl_prio_pop(queue, &job, &class) == 0) {
        printf("%s job %d\n", names[class], job);
        if (class < last)
            return 1;
        last = class;
        jobs++;
    }
    pawl_prio_free(queue);
    return jobs == 9 ? 0 : 1;
}
