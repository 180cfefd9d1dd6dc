/* SPDX-License-Identifier: MIT */
/* What was found: counts, outcomes, the first bug. */
#include "result.h"
#include "explore.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *program;
    struct timespec start;
    struct result_counts n;
    uint64_t *shared; /* of all processes together */
    bool bug;
    bool terminal;
} result;

/* ---- outcomes ---- */

struct outcome {
    struct outcome *next;
    uint64_t count;
    char text[];
};
static struct outcome *outcomes;

static void add_outcome(const char *text, uint64_t count)
{
    struct outcome **at = &outcomes;
    while (*at && strcmp((*at)->text, text) < 0)
        at = &(*at)->next;
    if (!*at || strcmp((*at)->text, text) != 0) {
        size_t bytes = strlen(text) + 1;
        struct outcome *new = malloc(sizeof *new + bytes);
        if (!new)
            fatal("out of memory for the table of outcomes");
        new->count = 0;
        new->next = *at;
        memcpy(new->text, text, bytes);
        *at = new;
    }
    (*at)->count += count;
}

static void forget_outcomes(void)
{
    for (struct outcome *o = outcomes; o; o = outcomes) {
        outcomes = o->next;
        free(o);
    }
}

static void print_outcomes(void)
{
    for (const struct outcome *o = outcomes; o; o = o->next) {
        size_t n = strlen(o->text);
        printf("%10lu  %s%s", (unsigned long)o->count, o->text, n && o->text[n - 1] == '\n' ? "" : "\n");
    }
}

/* ---- distinct executions: a set of hashes ---- */

static struct {
    uint64_t (*slot)[2];
    size_t size, used;
} seen;

static bool insert(uint64_t (*slots)[2], size_t size, const uint64_t hash[2])
{
    size_t at = hash[0] & (size - 1);
    for (; slots[at][0] || slots[at][1]; at = (at + 1) & (size - 1))
        if (slots[at][0] == hash[0] && slots[at][1] == hash[1])
            return false;
    slots[at][0] = hash[0];
    slots[at][1] = hash[1];
    return true;
}

static void add_hash(const uint64_t hash[2])
{
    if (seen.used * 2 >= seen.size) {
        size_t size = seen.size ? seen.size * 2 : 1 << 12;
        uint64_t(*slots)[2] = calloc(size, sizeof *slots);
        if (!slots)
            fatal("out of memory for the set of distinct executions");
        for (size_t i = 0; i < seen.size; i++)
            if (seen.slot[i][0] || seen.slot[i][1])
                insert(slots, size, seen.slot[i]);
        free(seen.slot);
        seen.slot = slots;
        seen.size = size;
    }
    if (insert(seen.slot, seen.size, hash))
        seen.used++;
    else
        result.n.duplicates++;
}

static void count_distinct(void)
{
    uint64_t hash[2];
    graph_hash(run.g, hash);
    add_hash(hash);
}

static void forget_hashes(void)
{
    free(seen.slot);
    memset(&seen, 0, sizeof seen);
}

/* ---- the run ---- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - result.start.tv_sec) + (double)(now.tv_nsec - result.start.tv_nsec) * 1e-9;
}

void result_begin(const char *program)
{
    result.program = program;
    result.terminal = isatty(STDERR_FILENO) && !options.quiet;
    clock_gettime(CLOCK_MONOTONIC, &result.start);
}

void result_share(uint64_t *executions)
{
    result.shared = executions;
}

uint64_t result_executions(void)
{
    if (result.shared)
        return __atomic_load_n(result.shared, __ATOMIC_RELAXED);
    return result.n.complete + result.n.blocked + result.n.moot;
}

bool result_add(enum run_end end)
{
    switch (end) {
    case END_COMPLETE:
        result.n.complete++;
        if (options.outcomes)
            add_outcome(run.output_used ? run.output : "", 1);
        if (options.count_graphs)
            count_distinct();
        break;
    case END_BLOCKED:
        result.n.blocked++;
        break;
    case END_MOOT:
        result.n.moot++;
        break;
    case END_STUCK:
    case END_ERROR:
        result.bug = true;
        return false;
    }
    if (result.shared)
        __atomic_fetch_add(result.shared, 1, __ATOMIC_RELAXED);
    bool enough = (options.max_executions && result_executions() >= options.max_executions) ||
                  (options.max_seconds > 0 && seconds() > options.max_seconds);
    return !enough;
}

void result_tick(void)
{
    char line[160];
    if (!result.terminal)
        return;
    int n = snprintf(line, sizeof line, "\r%lu executions, %d queued, %.0f s ",
                     (unsigned long)result_executions(), explore_pending(), seconds());
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        result.terminal = false;
}

static const char *model_name(void)
{
    return options.model == MODEL_RC11 ? "rc11" : options.model == MODEL_SC ? "sc" : "tso";
}

static void print_json_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < 32)
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void print_json(const char *verdict, double time)
{
    printf("{\"program\": ");
    print_json_string(result.program);
    printf(", \"model\": \"%s\", \"verdict\": \"%s\", \"complete\": %lu, \"blocked\": %lu, \"moot\": %lu, "
           "\"seconds\": %.6f",
           model_name(), verdict, (unsigned long)result.n.complete, (unsigned long)result.n.blocked,
           (unsigned long)result.n.moot, time);
    if (options.count_graphs)
        printf(", \"distinct\": %zu, \"duplicates\": %lu", seen.used, (unsigned long)result.n.duplicates);
    if (result.bug) {
        printf(", \"bug\": \"%s\", \"message\": ", report_title(run.bug));
        print_json_string(run.bug_text);
    }
    if (options.outcomes) {
        printf(", \"outcomes\": [");
        for (const struct outcome *o = outcomes; o; o = o->next) {
            printf("%s{\"count\": %lu, \"text\": ", o == outcomes ? "" : ", ", (unsigned long)o->count);
            print_json_string(o->text);
            printf("}");
        }
        printf("]");
    }
    printf("}\n");
}

static void write_failure(void)
{
    char path[4096];
    if (options.trace_file)
        snprintf(path, sizeof path, "%s", options.trace_file);
    else
        snprintf(path, sizeof path, "%s.trace", result.program);
    replay_save(path);
    if (options.dot_file)
        report_dot(options.dot_file);
    fprintf(stderr, "\nto run this execution again: %s --replay=%s\n\n", result.program, path);
}

void result_restart(void)
{
    result.n = (struct result_counts){0};
    result.bug = false;
    result.terminal = false;
    forget_outcomes();
    forget_hashes();
}

bool result_write(FILE *to)
{
    fwrite(&result.n, sizeof result.n, 1, to);
    for (size_t i = 0; i < seen.size; i++)
        if (seen.slot[i][0] || seen.slot[i][1])
            fwrite(seen.slot[i], sizeof seen.slot[i], 1, to);
    fwrite((uint64_t[2]){0, 0}, sizeof seen.slot[0], 1, to);
    for (const struct outcome *o = outcomes; o; o = o->next) {
        fwrite(&o->count, sizeof o->count, 1, to);
        fwrite(o->text, strlen(o->text) + 1, 1, to);
    }
    return !fflush(to) && !ferror(to);
}

static bool read_text(FILE *from, char *text, size_t room)
{
    for (size_t i = 0; i < room; i++) {
        int c = getc(from);
        if (c == EOF)
            return false;
        text[i] = (char)c;
        if (c == 0)
            return true;
    }
    return false;
}

bool result_merge(FILE *from)
{
    struct result_counts n;
    uint64_t hash[2], count;
    char text[sizeof run.output];
    if (fread(&n, sizeof n, 1, from) != 1)
        return false;
    result.n.complete += n.complete;
    result.n.blocked += n.blocked;
    result.n.moot += n.moot;
    result.n.duplicates += n.duplicates;
    do {
        if (fread(hash, sizeof hash, 1, from) != 1)
            return false;
        if (hash[0] || hash[1])
            add_hash(hash);
    } while (hash[0] || hash[1]);
    while (fread(&count, sizeof count, 1, from) == 1) {
        if (!read_text(from, text, sizeof text))
            return false;
        add_outcome(text, count);
    }
    return !ferror(from);
}

bool result_has_bug(void)
{
    return result.bug;
}

void result_print_bug(void)
{
    report_bug(stderr);
    write_failure();
}

static void print_line(const char *verdict, double time)
{
    printf("%s: %s, %lu executions (%s), %lu blocked, %lu moot, %.3f s, %.0f executions/s\n", result.program,
           verdict, (unsigned long)result.n.complete, model_name(), (unsigned long)result.n.blocked,
           (unsigned long)result.n.moot, time, (double)result_executions() / (time > 0 ? time : 1));
    if (options.count_graphs)
        printf("%s: %zu distinct, %lu duplicates\n", result.program, seen.used,
               (unsigned long)result.n.duplicates);
}

int result_end_merged(bool everything, bool bug)
{
    double time = seconds();
    everything &= options.bound < 0;
    if (everything && !bug && result.n.complete == 0 && result.n.blocked > 0) {
        everything = false; /* a hang that nobody recognised is no pass */
        fprintf(stderr, "%s: no execution came to its end: in each, some thread waits for ever\n",
                result.program);
    }
    const char *verdict = bug ? "FAIL" : everything ? "PASS" : "PARTIAL";
    if (options.json) {
        print_json(verdict, time);
    } else {
        if (options.outcomes)
            print_outcomes();
        if (!options.quiet || bug)
            print_line(verdict, time);
    }
    return bug ? STATUS_BUG : everything ? STATUS_PASS : STATUS_PARTIAL;
}

int result_end(bool everything)
{
    if (result.terminal)
        fprintf(stderr, "\r\033[K");
    if (result.bug)
        result_print_bug();
    return result_end_merged(everything, result.bug);
}
