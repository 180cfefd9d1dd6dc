/* SPDX-License-Identifier: MIT */
/* Bars through gnuplot: a cluster for each scenario, a colour for each contender. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WIDTH_MIN = 900,
    WIDTH_BAR = 46,
    WIDTH_KEY = 280,
    HEIGHT = 560,
    LOG_SCALE_FROM = 50, /* slowest over fastest: beyond it the fast ones vanish on a linear scale */
    ROTATE_FROM = 4,     /* scenarios whose names no longer fit side by side */
};

/* Told apart by colour-blind readers too (Okabe and Ito), then by shades of grey. */
static const char *const colours[] = {
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9",
    "#cc79a7", "#f0e442", "#000000", "#777777", "#bbbbbb",
};

/* The contenders by name, in order of appearance: the same name is the same colour everywhere. */
struct legend {
    const char **names;
    unsigned count;
};

static bool drawable(const struct bench_result *result)
{
    return result->unavailable == NULL && !result->contender->overhead && result->net.median > 0;
}

static unsigned find_name(const struct legend *legend, const char *name)
{
    unsigned i = 0;

    while (i < legend->count && strcmp(legend->names[i], name) != 0)
        ++i;
    return i;
}

static int collect_legend(const struct bench_run *run, struct legend *legend)
{
    size_t most = 0;

    *legend = (struct legend){0};
    for (unsigned i = 0; i < run->count; ++i)
        most += run->scenarios[i].count;
    legend->names = calloc(most, sizeof(*legend->names));
    if (legend->names == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < run->count; ++i) {
        for (unsigned k = 0; k < run->scenarios[i].count; ++k) {
            const struct bench_result *result = &run->scenarios[i].results[k];

            if (drawable(result) && find_name(legend, result->contender->name) == legend->count)
                legend->names[legend->count++] = result->contender->name;
        }
    }
    return 0;
}

/* A gnuplot string in double quotes. */
static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; ++text) {
        if (*text == '\n') {
            fputs("\\n", out);
            continue;
        }
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* Smallest and largest value that is drawn. */
static void find_range(const struct bench_run *run, double *least, double *most)
{
    *least = HUGE_VAL;
    *most = 0;
    for (unsigned i = 0; i < run->count; ++i) {
        for (unsigned k = 0; k < run->scenarios[i].count; ++k) {
            const struct bench_result *result = &run->scenarios[i].results[k];

            if (drawable(result)) {
                *least = fmin(*least, result->net.low > 0 ? result->net.low : result->net.median);
                *most = fmax(*most, result->net.high);
            }
        }
    }
}

static void print_axes(FILE *out, const struct bench_run *run)
{
    double least, most;

    find_range(run, &least, &most);
    if (most / least >= LOG_SCALE_FROM)
        fprintf(out, "set logscale y\nset yrange [%.6g:%.6g]\n", least / 2, most * 2);
    else
        fprintf(out, "set yrange [0:%.6g]\n", most * 1.12);
    fprintf(out, "set ylabel 'ns/op: median and middle 80 %%'\n"
                 "set grid ytics lt 1 lc rgb '#dddddd'\nset border 3\nset tics nomirror\n"
                 "set style fill solid 0.9 noborder\nset errorbars 0.8 front lw 1.3 lc rgb '#222222'\n"
                 "set key outside right top vertical Left reverse samplen 1.5\n");
}

/* Bars of a scenario stand one apart, scenarios two; only bars that exist take room. */
static unsigned drawn_in(const struct bench_scenario *scenario)
{
    unsigned n = 0;

    for (unsigned k = 0; k < scenario->count; ++k)
        n += drawable(&scenario->results[k]);
    return n;
}

static void print_tics(FILE *out, const struct bench_run *run)
{
    double left = 0;
    const char *separator = "";

    fprintf(out, "set xtics %s(", run->count >= ROTATE_FROM ? "rotate by -25 " : "");
    for (unsigned i = 0; i < run->count; ++i) {
        const struct bench_scenario *scenario = &run->scenarios[i];
        const unsigned bars = drawn_in(scenario);
        char label[256];

        snprintf(label, sizeof(label), "%s, %u thread%s", scenario->group->name, scenario->threads,
                 scenario->threads == 1 ? "" : "s");
        fputs(separator, out);
        print_quoted(out, label);
        fprintf(out, " %g", left + ((double)bars - 1) / 2);
        left += bars + 1;
        separator = ", ";
    }
    fprintf(out, ")\nset xrange [-1:%g]\n", left - 1);
}

/* The bars of one contender as a gnuplot data block: x median low high half-width. */
static void print_data(FILE *out, const struct bench_run *run, const struct legend *legend, unsigned index)
{
    unsigned x = 0;

    fprintf(out, "$c%u << END\n", index);
    for (unsigned i = 0; i < run->count; ++i) {
        for (unsigned k = 0; k < run->scenarios[i].count; ++k) {
            const struct bench_result *result = &run->scenarios[i].results[k];

            if (!drawable(result))
                continue;
            if (find_name(legend, result->contender->name) == index)
                fprintf(out, "%u %.6g %.6g %.6g 0.8\n", x, result->net.median,
                        result->net.low > 0 ? result->net.low : result->net.median, result->net.high);
            ++x;
        }
        ++x;
    }
    fprintf(out, "END\n");
}

static void print_script(FILE *out, const struct bench_run *run, const struct bench_machine *machine,
                         const struct legend *legend, const char *path)
{
    char title[512];
    unsigned bars = 0;

    for (unsigned i = 0; i < run->count; ++i)
        bars += drawn_in(&run->scenarios[i]) + 1;
    const unsigned width = bars * WIDTH_BAR + WIDTH_KEY;

    snprintf(title, sizeof(title), "%s\n%s, %u CPUs, %s%s", run->program->about, machine->cpu,
             run->cpus.count, machine->compiler,
             bench_run_lost_share(run) >= BENCH_DISTURBED_SHARE ? "; the machine was disturbed" : "");
    fprintf(out,
            "set terminal svg size %u,%u noenhanced font 'Helvetica,13' background rgb 'white'\nset output ",
            width > WIDTH_MIN ? width : WIDTH_MIN, HEIGHT);
    print_quoted(out, path);
    fprintf(out, "\nset title ");
    print_quoted(out, title);
    fprintf(out, "\n");
    print_axes(out, run);
    print_tics(out, run);
    for (unsigned i = 0; i < legend->count; ++i)
        print_data(out, run, legend, i);
    fprintf(out, "plot");
    for (unsigned i = 0; i < legend->count; ++i) {
        fprintf(out, "%s $c%u using 1:2:3:4:5 with boxerrorbars lc rgb '%s' title ", i > 0 ? "," : "", i,
                colours[i % (sizeof(colours) / sizeof(colours[0]))]);
        print_quoted(out, legend->names[i]);
        fprintf(out, ", $c%u using 1:4:(sprintf('%%.3g', $2)) with labels offset 0,0.6 font ',10' notitle",
                i);
    }
    fprintf(out, "\n");
}

/* gnuplot with a pipe to its standard input. Returns 0 or a negative errno; ENOENT: not installed. */
static int start_gnuplot(pid_t *pid, FILE **script)
{
    char *const arguments[] = {(char[]){"gnuplot"}, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    int error;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    error = -posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = -posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
        if (error == 0)
            error = -posix_spawnp(pid, arguments[0], &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[0]);
    *script = error == 0 ? fdopen(ends[1], "w") : NULL;
    if (*script == NULL)
        close(ends[1]);
    return error;
}

/* Feeds gnuplot and waits for it. Returns 0 or a negative errno. */
static int draw(const struct bench_run *run, const struct bench_machine *machine, const struct legend *legend,
                const char *path)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction previous;
    FILE *script = NULL;
    pid_t pid = 0;
    int status = 0;
    int error = start_gnuplot(&pid, &script);

    if (error != 0)
        return error;
    /* If gnuplot dies early its exit status says so; writing to it must not kill us. */
    sigaction(SIGPIPE, &ignore, &previous);
    if (script != NULL) {
        print_script(script, run, machine, legend, path);
        fclose(script);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGPIPE, &previous, NULL);
    return script != NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

/* Whether the file can be written is ours to say: gnuplot's message would be about its script. */
static int check_writable(const char *path)
{
    FILE *file = fopen(path, "we");

    if (file == NULL)
        return -errno;
    fclose(file);
    return 0;
}

int bench_plot_write(const struct bench_run *run, const struct bench_machine *machine, const char *path)
{
    struct legend legend;
    const char *reason = NULL;
    int error = collect_legend(run, &legend);

    if (error == 0 && legend.count == 0) {
        error = -ENODATA;
        reason = "no contender has a figure to draw";
    }
    if (error == 0)
        error = check_writable(path);
    if (error == 0) {
        error = draw(run, machine, &legend, path);
        if (error == -ENOENT)
            reason = "gnuplot is not installed (Debian: apt install gnuplot-nox)";
        else if (error == -EPROTO)
            reason = "gnuplot failed; its message is above";
        if (error != 0)
            unlink(path);
    }
    free(legend.names);
    if (error != 0)
        fprintf(stderr, "bench-%s: cannot draw %s: %s\n", run->program->name, path,
                reason != NULL ? reason : strerror(-error));
    return error;
}
