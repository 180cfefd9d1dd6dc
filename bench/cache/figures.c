/* SPDX-License-Identifier: MIT */
#include "figures.h"

#include "bench.h"
#include "clock.h"
#include "load.h"
#include "stats.h"
#include "trace.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    VALUE = 100,
    SMALL_VALUE = 20,
    CONNECTIONS = 50,
    KEYS = 100000,
    RESIDENT_ITEMS = 1000000,
    RESIDENT_MEGABYTES = 1024,
    OPEN_LOOP_MEGABYTES = 256,
    BATCH = SPEECH_KEYS_MAX,
    HEARD_ROOM = 2 * SPEECH_ANSWER_MAX,
    ANSWER_OF_A_SET = 16, /* bytes, at most */
};

#define DISTURBED_SHARE 0.02

bool effort_wants(const struct effort *effort, const char *name)
{
    return effort->only == NULL || strstr(name, effort->only) != NULL;
}

static void note(struct figure *figure, enum server_program program, double value)
{
    figure->values[program][figure->reps[program]++] = value;
}

/* ---- latency ---- */

static const struct load_shape mixed = {.verb = SPEECH_GET, .sets_of_100 = 10, .depth = 1, .keys = 1};

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static double p99_us(uint64_t *latency, size_t count)
{
    const size_t place = count - count / 100;

    if (count == 0)
        return nan("");
    qsort(latency, count, sizeof(latency[0]), compare);
    return (double)latency[place - 1] / 1000;
}

/* Half of what memcached can do, in a closed loop of as many connections. */
static double rate_for(const struct effort *effort, struct load *memcached)
{
    const uint64_t began = bench_now_ns();
    uint64_t done;

    if (effort->peak > 0)
        return effort->peak / 2;
    done = load_closed(memcached, &mixed, effort->slice_ns);
    return (double)done * 1e9 / (double)(bench_now_ns() - began) / 2;
}

static void measure_latency(const struct effort *effort, struct figure *figure)
{
    struct server servers[SERVER_PROGRAMS] = {{.pid = 0}};
    struct load loads[SERVER_PROGRAMS];
    const uint64_t slice_ns = 5 * effort->slice_ns;
    uint64_t *latency;
    size_t room;
    double rate;

    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        if (effort->out[i])
            continue;
        server_start(&servers[i], (enum server_program)i, false, OPEN_LOOP_MEGABYTES, effort->cpu);
        load_fill(&servers[i], 0, KEYS, VALUE);
        load_open(&loads[i], &servers[i], CONNECTIONS, KEYS, VALUE);
    }
    rate = rate_for(effort, &loads[SERVER_MEMCACHED]);
    room = (size_t)(rate * (double)slice_ns / 1e9) + 1;
    latency = calloc(room, sizeof(*latency));
    if (latency == NULL)
        server_die("the client", strerror(errno));
    for (unsigned rep = 0; rep < effort->reps; rep++) {
        for (unsigned k = 0; k < SERVER_PROGRAMS; k++) {
            const enum server_program i = (k + rep) % SERVER_PROGRAMS;

            if (effort->out[i])
                continue;
            const struct server_time before = server_time(&servers[i]);
            const size_t count = load_open_loop(&loads[i], &mixed, rate, slice_ns, latency, room);
            const struct server_time after = server_time(&servers[i]);

            note(figure, i, p99_us(latency, count));
            if ((double)(after.waited_ns - before.waited_ns) > DISTURBED_SHARE * (double)slice_ns)
                figure->disturbed = true;
        }
    }
    free(latency);
    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        if (effort->out[i])
            continue;
        load_close(&loads[i]);
        server_end(&servers[i]);
    }
}

/* ---- starting, memory ---- */

static void measure_start(const struct effort *effort, struct figure *figure)
{
    for (unsigned rep = 0; rep < effort->reps; rep++) {
        for (unsigned k = 0; k < SERVER_PROGRAMS; k++) {
            const enum server_program i = (k + rep) % SERVER_PROGRAMS;
            struct server server;

            if (effort->out[i])
                continue;
            server_start(&server, i, false, RESIDENT_MEGABYTES, effort->cpu);
            note(figure, i, (double)server.start_ns / 1e6);
            server_end(&server);
        }
    }
}

static void measure_resident(const struct effort *effort, struct figure *figure, unsigned value_bytes)
{
    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        struct server server;
        uint64_t before;

        if (effort->out[i] || i == SERVER_PAWL_URING)
            continue;
        server_start(&server, (enum server_program)i, false, RESIDENT_MEGABYTES, effort->cpu);
        before = server_resident(&server);
        load_fill(&server, 0, RESIDENT_ITEMS, value_bytes);
        usleep(500000); /* tables that grew are given back */
        note(figure, (enum server_program)i, (double)(server_resident(&server) - before) / RESIDENT_ITEMS);
        server_end(&server);
    }
}

/* ---- misses ---- */

struct asker {
    const struct server *server;
    struct speech speech;
    int fd;
    char text[BATCH * SPEECH_REQUEST_MAX], heard[HEARD_ROOM];
};

static void say(const struct asker *asker, const char *end)
{
    for (const char *at = asker->text; at < end;) {
        const ssize_t n = send(asker->fd, at, (size_t)(end - at), MSG_NOSIGNAL);

        if (n <= 0)
            server_die(server_name(asker->server->program), "it takes no more requests");
        at += n;
    }
}

static size_t hear_more(struct asker *asker, size_t heard)
{
    const ssize_t n = recv(asker->fd, asker->heard + heard, sizeof(asker->heard) - heard, 0);

    if (n <= 0)
        server_die(server_name(asker->server->program), "it closed a connection");
    return heard + (size_t)n;
}

/* Which of these keys are there? */
static void look_up(struct asker *asker, const uint32_t *keys, bool *there)
{
    size_t heard = 0;
    long result = SPEECH_INCOMPLETE;

    say(asker, speech_request(&asker->speech, SPEECH_GET, keys, BATCH, asker->text));
    while (result == SPEECH_INCOMPLETE) {
        heard = hear_more(asker, heard);
        result = speech_listen(&asker->speech, keys, BATCH, asker->heard, heard, there);
    }
    if (result != (long)heard)
        server_die(server_name(asker->server->program), "a wrong answer");
}

/* Those that were not there. Returns how many. */
static unsigned store_missing(struct asker *asker, const uint32_t *keys, const bool *there)
{
    char wanted[BATCH * ANSWER_OF_A_SET], *request = asker->text, *answer = wanted;
    unsigned count = 0;
    size_t heard = 0;

    for (int i = 0; i < BATCH; i++) {
        if (there[i])
            continue;
        request = speech_request(&asker->speech, SPEECH_SET, &keys[i], 1, request);
        answer = speech_answer(&asker->speech, SPEECH_SET, &keys[i], 1, answer);
        count++;
    }
    say(asker, request);
    while (heard < (size_t)(answer - wanted))
        heard = hear_more(asker, heard);
    if (memcmp(asker->heard, wanted, heard) != 0)
        server_die(server_name(asker->server->program), "a set was not stored");
    return count;
}

/* The second half of the requests counts. */
static double miss_ratio(const struct server *server, enum trace_kind kind, uint32_t key_count,
                         uint64_t requests)
{
    static struct asker asker;
    struct trace trace;
    uint64_t asked = 0, missed = 0;

    asker.server = server;
    asker.speech = (struct speech){server_dialect(server->program), VALUE};
    asker.fd = server_connect(server);
    trace_begin(&trace, kind, key_count, 1);
    for (uint64_t i = 0; i < requests; i += BATCH) {
        uint32_t keys[BATCH];
        bool there[BATCH];
        unsigned missing;

        for (int k = 0; k < BATCH; k++)
            keys[k] = trace_next(&trace);
        look_up(&asker, keys, there);
        missing = store_missing(&asker, keys, there);
        if (i < requests / 2)
            continue;
        asked += BATCH;
        missed += missing;
    }
    close(asker.fd);
    return (double)missed / (double)asked;
}

static void measure_misses(const struct effort *effort, struct figure *figure, enum trace_kind kind)
{
    const unsigned megabytes = effort->full ? 64 : 8;
    const uint32_t keys = megabytes * (kind == TRACE_LOOP ? 8000 : 20000);
    const uint64_t requests = (uint64_t)keys * (effort->full ? 6 : 3);

    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        struct server server;

        if (effort->out[i] || i == SERVER_PAWL_URING)
            continue;
        server_start(&server, (enum server_program)i, false, megabytes, effort->cpu);
        note(figure, (enum server_program)i, miss_ratio(&server, kind, keys, requests));
        server_end(&server);
    }
}

/* ---- all of them ---- */

enum { LATENCY, START, RESIDENT, RESIDENT_SMALL, MISS_ZIPF, MISS_SCANS, MISS_LOOP, FIGURES };

static const struct {
    const char *name, *unit;
} table[FIGURES] = {
    [LATENCY] = {"p99: open loop, half of memcached's peak, 50 connections", "us"},
    [START] = {"start: to the first answer", "ms"},
    [RESIDENT] = {"resident: an item of 10 + 100 bytes, a million of them", "bytes"},
    [RESIDENT_SMALL] = {"resident: an item of 10 + 20 bytes, a million of them", "bytes"},
    [MISS_ZIPF] = {"misses: zipf 0.99", "of 1"},
    [MISS_SCANS] = {"misses: zipf 0.99 and scans", "of 1"},
    [MISS_LOOP] = {"misses: a loop", "of 1"},
};

static void measure(const struct effort *effort, struct figure *figure, int which)
{
    switch (which) {
    case LATENCY:
        measure_latency(effort, figure);
        break;
    case START:
        measure_start(effort, figure);
        break;
    case RESIDENT:
        measure_resident(effort, figure, VALUE);
        break;
    case RESIDENT_SMALL:
        measure_resident(effort, figure, SMALL_VALUE);
        break;
    default:
        measure_misses(effort, figure, (enum trace_kind)(which - MISS_ZIPF));
    }
}

void figures_list(FILE *out)
{
    for (int i = 0; i < FIGURES; i++)
        fprintf(out, "%s\n", table[i].name);
}

unsigned figures_measure(struct effort *effort, struct figure **figures)
{
    unsigned count = 0;

    *figures = calloc(FIGURES, sizeof(**figures));
    if (*figures == NULL)
        server_die("the client", strerror(errno));
    for (int i = 0; i < FIGURES; i++) {
        struct figure *figure = &(*figures)[count];

        if (!effort_wants(effort, table[i].name) || (i == LATENCY && effort->out[SERVER_MEMCACHED]))
            continue;
        figure->name = table[i].name;
        figure->unit = table[i].unit;
        measure(effort, figure, i);
        count++;
    }
    return count;
}

static struct bench_summary ratio_of(const struct figure *figure, int program)
{
    double ratios[FIGURE_REPS_MAX];

    bench_ratios(figure->values[program], figure->values[SERVER_MEMCACHED], figure->reps[program], ratios);
    return bench_summarise(ratios, figure->reps[program]);
}

void figures_print(const struct figure *figures, unsigned count, FILE *out)
{
    for (unsigned k = 0; k < count; k++) {
        const struct figure *figure = &figures[k];

        fprintf(out, "\n%s%s\n  %-20s  %8s  %8s  %8s\n", figure->name,
                figure->disturbed ? " (disturbed !)" : "", "", figure->unit, "p10-p90", "x first");
        for (int i = 0; i < SERVER_PROGRAMS; i++) {
            const struct bench_summary values = bench_summarise(figure->values[i], figure->reps[i]);

            if (figure->reps[i] == 0)
                continue;
            fprintf(out, "  %-20s  %8.4g  %.4g-%.4g", server_name((enum server_program)i), values.median,
                    values.low, values.high);
            if (figure->reps[SERVER_MEMCACHED] != 0)
                fprintf(out, "  %.3fx", ratio_of(figure, i).median);
            fputc('\n', out);
        }
    }
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *summary(const struct bench_summary *values)
{
    return json_pack("{s:o, s:o, s:o}", "median", number(values->median), "p10", number(values->low), "p90",
                     number(values->high));
}

json_t *figures_json(const struct figure *figures, unsigned count)
{
    json_t *all = json_array();

    for (unsigned k = 0; k < count; k++) {
        const struct figure *figure = &figures[k];
        json_t *servers = json_array();

        for (int i = 0; i < SERVER_PROGRAMS; i++) {
            const struct bench_summary values = bench_summarise(figure->values[i], figure->reps[i]);
            const struct bench_summary ratio = figure->reps[SERVER_MEMCACHED] != 0
                                                   ? ratio_of(figure, i)
                                                   : (struct bench_summary){nan(""), nan(""), nan("")};

            if (figure->reps[i] != 0)
                json_array_append_new(servers, json_pack("{s:s, s:o, s:o}", "name",
                                                         server_name((enum server_program)i), "value",
                                                         summary(&values), "ratio", summary(&ratio)));
        }
        json_array_append_new(all,
                              json_pack("{s:s, s:s, s:b, s:o}", "name", figure->name, "unit", figure->unit,
                                        "disturbed", figure->disturbed, "contenders", servers));
    }
    return all;
}
