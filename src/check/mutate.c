/* SPDX-License-Identifier: MIT */
/* How sharp is the test? Weaken one memory order, or drop one fence, at a time, and explore again: a mutant
 * that no execution fails says that the order is not needed, or that the test does not show why it is.
 *
 * Nothing is compiled again. The order is an argument of the compiler's call, and is replaced at the
 * places of the program that belong to one operation of one source line.
 */
#include "explore.h"
#include "options.h"
#include "parallel.h"
#include "result.h"
#include "visible.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SITES_MAX = 1024 };

/* An operation of the program; inlined code has several for one line. */
static struct site {
    uint64_t pc;
    uint8_t name, order;
    bool failure; /* the order of a compare-exchange that fails */
    int first;    /* the first site of the same line, operation and order */
} sites[SITES_MAX];
static int nsites;
static bool collecting;
struct mutation {
    int site, order;
    pid_t child;
};
static int mutant = -1, mutant_order; /* group of sites that has another order now */

static int site_at(uint64_t pc, int name, int order, bool failure)
{
    for (int i = 0; i < nsites; i++)
        if (sites[i].pc == pc && sites[i].order == order && sites[i].failure == failure)
            return i;
    if (!collecting || nsites == SITES_MAX)
        return -1;
    sites[nsites] = (struct site){pc, (uint8_t)name, (uint8_t)order, failure, nsites};
    return nsites++;
}

int mutated_order(uint64_t pc, int name, int order, bool failure)
{
    if (!collecting && mutant < 0)
        return order;
    int site = site_at(pc, name, order, failure);
    return mutant >= 0 && site >= 0 && sites[site].first == mutant ? mutant_order : order;
}

/* Collected by the exploration; grouped when names are known. */
static void group_sites(void)
{
    for (int i = 0; i < nsites; i++)
        for (int k = 0; k < i; k++)
            if (sites[k].name == sites[i].name && sites[k].order == sites[i].order &&
                sites[k].failure == sites[i].failure &&
                !strcmp(symbol_line(sites[k].pc), symbol_line(sites[i].pc))) {
                sites[i].first = sites[k].first;
                break;
            }
}

/* The orders one step weaker. */
static int weaker(const struct site *s, int to[2])
{
    bool load = s->name == NAME_LOAD || s->failure, store = s->name == NAME_STORE;
    switch (s->order) {
    case SEQ_CST:
        if (s->name == NAME_LIGHT) {
            to[0] = RELAXED;
            return 1;
        }
        to[0] = load ? ACQUIRE : store ? RELEASE : ACQ_REL;
        return 1;
    case ACQ_REL:
        to[0] = ACQUIRE;
        to[1] = RELEASE;
        return 2;
    case ACQUIRE:
    case CONSUME:
    case RELEASE:
        to[0] = RELAXED;
        return 1;
    default:
        return 0;
    }
}

static void explore_mutant(explore_fn *explore)
{
    result_restart();
    bool everything = explore(INT32_MAX);
    _exit(result_has_bug() ? STATUS_BUG : everything ? STATUS_PASS : STATUS_PARTIAL);
}

/* A process that explores with this order. */
static pid_t start_mutant(explore_fn *explore, const struct mutation *m)
{
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        fatal("cannot start a process: %s", strerror(errno));
    if (child == 0) {
        mutant = m->site;
        mutant_order = m->order;
        explore_mutant(explore);
    }
    return child;
}

static int status_of(pid_t child, const struct site *s)
{
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_FATAL;
    if (result == STATUS_USAGE || result > STATUS_PARTIAL)
        fatal("the mutant at %s ended with status %d", symbol_line(s->pc), result);
    return result;
}

static const char *describe(const struct site *s, int order)
{
    static char text[128];
    if (s->name == NAME_LIGHT || (s->name == NAME_PWFENCE && order == RELAXED))
        snprintf(text, sizeof text, "%s dropped", s->name == NAME_LIGHT ? "light fence" : "pwfence");
    else if (s->name == NAME_FENCE && order == RELAXED)
        snprintf(text, sizeof text, "%s fence dropped", report_order(s->order));
    else if (s->name == NAME_HEAVY)
        snprintf(text, sizeof text, "heavy fence -> %s fence", report_order(order));
    else
        snprintf(text, sizeof text, "%s%s: %s -> %s", report_operation(s->name),
                 s->failure ? " that fails" : "", report_order(s->order), report_order(order));
    return text;
}

static int find_mutations(struct mutation found[])
{
    int n = 0;
    for (int i = 0; i < nsites; i++) {
        int order[2], orders = sites[i].first == i ? weaker(&sites[i], order) : 0;
        for (int k = 0; k < orders; k++)
            found[n++] = (struct mutation){.site = i, .order = order[k]};
    }
    return n;
}

int mutate(explore_fn *explore)
{
    static const char *const verdict[] = {[STATUS_PASS] = "SURVIVED",
                                          [STATUS_BUG] = "killed",
                                          [STATUS_PARTIAL] = "survived (not everything explored)"};
    static struct mutation mutation[2 * SITES_MAX];
    collecting = true;
    bool everything = explore(INT32_MAX);
    collecting = false;
    if (result_has_bug())
        return result_end(everything);
    group_sites();
    int mutants = find_mutations(mutation), killed = 0, started = 0;
    for (int i = 0; i < mutants; i++) {
        for (; started < mutants && started < i + options.jobs; started++)
            mutation[started].child = start_mutant(explore, &mutation[started]);
        const struct site *s = &sites[mutation[i].site];
        int status = status_of(mutation[i].child, s);
        killed += status == STATUS_BUG;
        printf("%-9s %-36s %s\n", verdict[status], describe(s, mutation[i].order), symbol_line(s->pc));
    }
    printf("%d mutants, %d killed, %d survived\n", mutants, killed, mutants - killed);
    return killed == mutants ? STATUS_PASS : STATUS_PARTIAL;
}
