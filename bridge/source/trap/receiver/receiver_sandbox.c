/* SPDX-License-Identifier: Apache-2.0 */
#include "receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define MEMORY_BYTES_MAX (512u << 20)

/* All a receiver needs once it runs. Whatever is not here is refused with EPERM: it cannot harm,
 * and it can be seen. */
static const int allowed[] = {
    SCMP_SYS(read),           SCMP_SYS(write),         SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),       SCMP_SYS(sendmsg),       SCMP_SYS(poll),
    SCMP_SYS(ppoll),          SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(futex),          SCMP_SYS(brk),           SCMP_SYS(munmap),
    SCMP_SYS(mremap),         SCMP_SYS(madvise),       SCMP_SYS(getrandom),
    SCMP_SYS(exit),           SCMP_SYS(exit_group),    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),  SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid),         SCMP_SYS(gettid),        SCMP_SYS(sigaltstack),
    SCMP_SYS(sched_yield),
};

static int filter_load(struct nsh_error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) {
        return nsh_fail(err, NSH_FAILED, "no seccomp filter");
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof allowed / sizeof allowed[0]; i++) {
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    /* Memory, but none to run code from; abort(), but no signal to another process. */
    const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp ours = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
    if (r == 0) {
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_code);
    }
    if (r == 0) {
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &no_code);
    }
    if (r == 0) {
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &ours);
    }
    if (r == 0) {
        r = seccomp_load(filter);
    }
    seccomp_release(filter);
    return r == 0 ? 0 : nsh_fail(err, NSH_FAILED, "seccomp filter refused: %s", strerror(-r));
}

static int limits_set(struct nsh_error *err)
{
    const struct {
        __rlimit_resource_t what;
        rlim_t most;
    } limits[] = {
        {RLIMIT_CORE, 0},
        {RLIMIT_NPROC, 0},
        {RLIMIT_NOFILE,
         PIPE_SOCKETS_FD + TRAP_SOCKETS_MAX}, /* What is open stays; the filter opens nothing. */
#ifndef NS_SANITIZED
        {RLIMIT_AS, MEMORY_BYTES_MAX},
#endif
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit limit = {limits[i].most, limits[i].most};
        if (setrlimit(limits[i].what, &limit) < 0) {
            return nsh_fail(err, NSH_FAILED, "limit %d: %s", (int)limits[i].what, strerror(errno));
        }
    }
    return 0;
}

int receiver_sandbox_enter(struct nsh_error *err)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) < 0)) {
        return nsh_fail(err, NSH_FAILED, "cannot give up root: %s", strerror(errno));
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return nsh_fail(err, NSH_FAILED, "prctl: %s", strerror(errno));
    }
    int r = limits_set(err);
    return r < 0 ? r : filter_load(err);
}

static int failures;

static void expect_refused(const char *what, long result)
{
    bool refused = result < 0 && (errno == EPERM || errno == EACCES);
    failures += !refused;
    printf("%-12s %s%s%s\n", what, refused ? "refused" : "NOT REFUSED", result < 0 ? ": " : "",
           result < 0 ? strerror(errno) : "");
}

int receiver_sandbox_test(void)
{
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x7f000001)};
    char *const nothing[] = {NULL};
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    int open_socket = PIPE_SOCKETS_FD;
    expect_refused("open", open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    expect_refused("create",
                   open("/tmp/nightshift-sandbox-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    expect_refused("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    expect_refused("connect", connect(open_socket, (const struct sockaddr *)&peer, sizeof peer));
    expect_refused("bind", bind(open_socket, (const struct sockaddr *)&peer, sizeof peer));
    expect_refused("exec", execve("/bin/true", nothing, nothing));
    expect_refused("fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    expect_refused("kill", kill(getppid(), 0));
    expect_refused("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    expect_refused("mkdir", mkdir("/tmp/nightshift-sandbox-test", 0700));
    expect_refused("unlink", unlink("/tmp/nightshift-sandbox-test"));
    expect_refused("rename",
                   rename("/tmp/nightshift-sandbox-test", "/tmp/nightshift-sandbox-test2"));
    expect_refused("stat", syscall(SYS_newfstatat, AT_FDCWD, "/etc", NULL, 0));
    expect_refused("readlink", syscall(SYS_readlink, "/proc/self/exe", NULL, 0));
    expect_refused("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
    expect_refused("setuid", setuid(0));
    expect_refused("setrlimit", setrlimit(RLIMIT_CORE, &more));
    expect_refused("unshare", unshare(CLONE_NEWUSER));
    /* cppcheck-suppress [invalidFunctionArg, leakReturnValNotUsed] ; it must be refused */
    expect_refused("code", mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                                0) == MAP_FAILED
                               ? -1
                               : 0);
    expect_refused("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    expect_refused("bpf", syscall(SYS_bpf, 0, NULL, 0));
    printf("%s\n", failures == 0 ? "sandbox holds" : "SANDBOX DOES NOT HOLD");
    fflush(stdout);
    return failures;
}
