/* SPDX-License-Identifier: Apache-2.0 */
/* nightshiftd: options, and what the process may not do. */

#include "config.h"
#include "daemon.h"
#include "generation.h"
#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum exit_status { EXIT_FINE = 0, EXIT_WRONG = 1, EXIT_MISUSE = 2 };

static const char usage[] =
    "usage: nightshiftd [--config FILE] [--check | --example]\n"
    "\n"
    "  --config FILE  configuration; default " NS_CONFIG_DIR "/nightshift.conf\n"
    "  --check        show all mistakes of configuration, inventory, traps and policies; exit 1 "
    "when\n"
    "                 there are any\n"
    "  --example      print a configuration with every key at its default\n"
    "  --version, --help\n"
    "\n"
    "SIGHUP reads everything anew and keeps what it has when the new is wrong; SIGTERM ends "
    "cleanly.\n";

static int print(const struct textbuf *out, int fd)
{
    return out->at == NULL || write(fd, out->at, out->count) == (ssize_t)out->count ? EXIT_FINE
                                                                                    : EXIT_WRONG;
}

static int check(const char *file)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    size_t errors = generation_check(file, isatty(STDOUT_FILENO) == 1, &out);
    int status = print(&out, STDOUT_FILENO);
    return errors > 0 ? EXIT_WRONG : status;
}

static int example(void)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    config_example(&out);
    return print(&out, STDOUT_FILENO);
}

/* No core file may carry secrets away, nothing started by us may gain privileges. A large process
 * of descriptors is wanted: one for each connection of a BMC. */
static void confine(void)
{
    struct rlimit none = {0, 0}, files;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (geteuid() == 0) {
        LOG(ROOT,
            {"text", nsh_text("runs as root: fine in a container or a test, nowhere else; the "
                              "unit file has a user of its own")});
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"example", no_argument, NULL, 'e'},      {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    const char *file = NS_CONFIG_DIR "/nightshift.conf";
    bool checking = false;
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            file = optarg;
            break;
        case 'k':
            checking = true;
            break;
        case 'e':
            return example();
        case 'V':
            puts("nightshiftd " NIGHTSHIFT_VERSION);
            return EXIT_FINE;
        case 'h':
            fputs(usage, stdout);
            return EXIT_FINE;
        default:
            fputs(usage, stderr);
            return EXIT_MISUSE;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return EXIT_MISUSE;
    }
    if (checking) {
        return check(file);
    }
    struct nsh_error err = {0};
    confine();
    return daemon_run(&(struct daemon_options){.config = file}, &err) < 0 ? EXIT_WRONG : EXIT_FINE;
}
