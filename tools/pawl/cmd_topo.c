/* SPDX-License-Identifier: MIT */
/* pawl topo: who shares which cache, and what the kernel offers. */
#include "machine.h"
#include "pawl.h"

#include <stdbool.h>
#include <stddef.h>

static int run(int argc, char **argv);

const struct command cmd_topo = {
    .name = "topo",
    .summary = "show CPUs, caches and memory, and what the kernel offers",
    .help = "Usage: pawl topo [--all] [--json] [--xml FILE | --synthetic DESCRIPTION]\n"
            "\n"
            "Show the machine as lock-free code meets it: which CPUs are threads of one core, which\n"
            "caches are shared by whom, which memory is near; then what the kernel offers this\n"
            "process: allowed CPUs and quota, page sizes, rseq, membarrier, io_uring, clocks.\n"
            "\n"
            "What stands on a core's own line belongs to that core alone; a cache with a line of its\n"
            "own is shared by what hangs below it. CPU and node numbers are the kernel's; cores,\n"
            "packages and dies are counted through from 0.\n"
            "\n"
            "Options:\n"
            "  -a, --all                    a line for every core, also on large machines\n"
            "  -j, --json                   the same for programs; the schema is in pawl-topo(1)\n"
            "  -x, --xml FILE               show the machine saved in FILE by 'lstopo FILE'\n"
            "  -s, --synthetic DESCRIPTION  show a machine described in hwloc's notation\n"
            "  -h, --help                   this text\n"
            "\n"
            "Of a machine that is not this one the kernel's part is left out.\n"
            "\n"
            "Examples:\n"
            "  pawl topo\n"
            "  taskset -c 0-3 pawl topo                       what a restricted program would see\n"
            "  pawl topo --json | jq '.caches[] | select(.level == 3) | .cpus'\n"
            "  pawl topo --xml server.xml\n"
            "  pawl topo --synthetic 'pack:2 numa:2 l3:1 core:16 pu:2'\n",
    .run = run,
};

static const struct option options[] = {
    {"all", no_argument, NULL, 'a'},       {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, 'j'},      {"synthetic", required_argument, NULL, 's'},
    {"xml", required_argument, NULL, 'x'}, {NULL, 0, NULL, 0},
};

struct request {
    bool help;
    bool all;
    bool json;
    const char *xml;
    const char *synthetic;
};

static int parse(struct request *request, int argc, char **argv)
{
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":ahjs:x:", options, NULL)) != -1) {
        switch (option) {
        case 'a':
            request->all = true;
            break;
        case 'h':
            request->help = true;
            return STATUS_OK;
        case 'j':
            request->json = true;
            break;
        case 's':
            request->synthetic = optarg;
            break;
        case 'x':
            request->xml = optarg;
            break;
        default:
            return command_option_refused(&cmd_topo, argv, options, option);
        }
    }
    if (optind < argc)
        return command_misused(&cmd_topo, "takes no arguments beside options, got '%s'", argv[optind]);
    if (request->xml && request->synthetic)
        return command_misused(&cmd_topo, "--xml and --synthetic exclude each other: one machine at a time");
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    struct request request = {0};
    enum machine_source source = MACHINE_HERE;
    struct machine machine;
    int status = parse(&request, argc, argv);

    if (status != STATUS_OK)
        return status;
    if (request.help)
        return command_help(&cmd_topo);
    if (request.xml)
        source = MACHINE_XML;
    else if (request.synthetic)
        source = MACHINE_SYNTHETIC;
    status = machine_open(&machine, source, request.xml ? request.xml : request.synthetic, &cmd_topo);
    if (status != STATUS_OK)
        return status;
    if (request.json)
        status = topo_print_json(&machine, &cmd_topo);
    else
        topo_print_text(&machine, request.all);
    machine_close(&machine);
    return status;
}
