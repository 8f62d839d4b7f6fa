/* SPDX-License-Identifier: Apache-2.0 */
/* nightshift-lab: start everything, run the loop, end cleanly on SIGTERM, SIGINT or `ctl quit`. */

#include "lab_kube.h"
#include "lab_service.h"

#include "base/arena.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define FILES_SPARE 128 /* The ledger, the control socket, its clients, informs. */

static void main_signalled(uv_signal_t *handle, int number)
{
    uv_stop(handle->loop);
}

/*
 * Every BMC has a socket, every client's connection another: take all descriptors that the system
 * lets us have, and more than that when we are privileged.
 */
static int main_raise_limits(const struct lab *lab, struct nsh_error *err)
{
    rlim_t needed = lab->bmcs_count + FILES_SPARE;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    rlim_t wanted = 2 * lab->bmcs_count + FILES_SPARE;
    struct rlimit more = {wanted, wanted};
    if (limit.rlim_max >= wanted || setrlimit(RLIMIT_NOFILE, &more) != 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < needed) {
            return nsh_fail(err, NSH_LIMIT,
                            "%zu BMCs need %llu file descriptors, the limit is %llu: raise it "
                            "(ulimit -Hn %llu as root), or start fewer hosts",
                            lab->bmcs_count, (unsigned long long)needed,
                            (unsigned long long)limit.rlim_cur, (unsigned long long)wanted);
        }
    }
    return 0;
}

static int main_listen(struct lab *lab, struct nsh_error *err)
{
    for (size_t i = 0; i < lab->bmcs_count; i++) {
        struct lab_bmc *bmc = &lab->bmcs[i];
        int result = bmc->kind == LAB_IPMI ? lab_ipmi_listen(bmc, err) : lab_https_listen(bmc, err);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int main_open(struct lab *lab, struct nsh_error *err)
{
    struct lab_options *options = &lab->options;
    CLEANUP(textbuf_donep) struct textbuf control = {0};
    int result = 0;

    if (options->state != NULL && mkdir(options->state, 0700) != 0 && errno != EEXIST) {
        return nsh_fail(err, NSH_IO, "%s: %s", options->state, strerror(errno));
    }
    if (options->control == NULL && options->state != NULL) {
        textbuf_addf(&control, "%s/ctl", options->state);
    } else if (options->control != NULL) {
        textbuf_add_chars(&control, options->control);
    }
    result = lab_world_build(lab, err);
    result = result < 0 ? result : main_raise_limits(lab, err);
    result = result < 0 ? result : lab_ledger_open(lab, options->ledger, err);
    result = result < 0 ? result : lab_trap_start(lab, err);
    result = result < 0 ? result : lab_https_open(lab, err);
    result = result < 0 ? result : main_listen(lab, err);
    result = result < 0 ? result : lab_kube_open(lab, err);
    result = result < 0 ? result : lab_maas_open(lab, err);
    result = result < 0 ? result : lab_netbox_open(lab, err);
    if (result == 0 && control.count > 0) {
        result = lab_control_open(lab, control.at, err);
    }
    if (result == 0 && options->script != NULL) {
        result = lab_script_load(lab, options->script, err);
    }
    if (result == 0 && options->write_inventory != NULL) {
        result = lab_world_write_inventory(lab, options->write_inventory, err);
    }
    return result;
}

static void main_close_handle(uv_handle_t *handle, void *arg)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void main_close(struct lab *lab)
{
    lab->stopping = true;
    lab_https_close(lab);
    uv_walk(&lab->loop, main_close_handle, NULL);
    uv_run(&lab->loop, UV_RUN_DEFAULT);
    lab_control_close(lab);
    lab_trap_stop(lab);
    lab_kube_close(lab);
    lab_maas_close(lab);
    lab_netbox_close(lab);
    for (size_t i = 0; i < lab->bmcs_count; i++) {
        closep(&lab->bmcs[i].fd);
        lab_ipmi_forget(&lab->bmcs[i]);
        lab_redfish_forget(&lab->bmcs[i]);
        free(lab->bmcs[i].sse);
    }
    lab_tls_close(lab);
    lab_script_free(lab);
    lab_ledger_close(lab);
    lab_world_free(lab);
    uv_loop_close(&lab->loop);
}

static int main_run(struct lab *lab)
{
    static const int signals[2] = {SIGTERM, SIGINT};
    struct nsh_error err = {0};

    lab->spare_fd = -1;
    uv_loop_init(&lab->loop);
    lab_clock_start(lab);
    lab->start_ms = lab_clock_now_ms(lab);
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&lab->loop, &lab->signals[i]);
        uv_signal_start(&lab->signals[i], main_signalled, signals[i]);
    }
    if (main_open(lab, &err) < 0) {
        fprintf(stderr, "nightshift-lab: %s\n", err.text);
        main_close(lab);
        return 1;
    }
    if (!lab->options.quiet) {
        printf("ready: %zu hosts, %zu BMCs\n", lab->hosts_count, lab->bmcs_count);
        fflush(stdout);
    }
    uv_run(&lab->loop, UV_RUN_DEFAULT);
    main_close(lab);
    return 0;
}

int main(int argc, char **argv)
{
    static struct lab lab;

    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "ctl") == 0) {
        return lab_ctl_main(argc - 2, argv + 2);
    }
    int code = lab_options_parse(argc, argv, &lab.options);
    if (code != 0) {
        return code;
    }
    if (lab.options.help) {
        lab_options_help();
        return 0;
    }
    if (lab.options.version) {
        printf("nightshift-lab %s\n", NIGHTSHIFT_VERSION);
        return 0;
    }
    return main_run(&lab);
}
