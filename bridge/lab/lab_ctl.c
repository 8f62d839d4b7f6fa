/* SPDX-License-Identifier: Apache-2.0 */
/* nightshift-lab ctl SOCKET COMMAND...: send one line, print the answer; exit 1 when it is an
 * error. */

#include "lab.h"

#include "base/arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int ctl_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof address.sun_path) {
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return -1;
    }
    int connected = fd;
    fd = -1;
    return connected;
}

int lab_ctl_main(int argc, char **argv)
{
    CLEANUP(textbuf_donep) struct textbuf line = {0};
    char bytes[8192];
    bool first = true, failed = false;
    ssize_t count;

    if (argc < 2) {
        fprintf(stderr, "Usage: nightshift-lab ctl SOCKET COMMAND...\n");
        lab_command_help(&line);
        fputs(line.at, stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        textbuf_addf(&line, "%s%s", i == 1 ? "" : " ", argv[i]);
    }
    textbuf_add_char(&line, '\n');
    CLEANUP(closep) int fd = ctl_connect(argv[0]);
    if (fd < 0) {
        fprintf(stderr, "nightshift-lab: cannot connect to %s: %s\n", argv[0], strerror(errno));
        return 69;
    }
    if (write(fd, line.at, line.count) != (ssize_t)line.count) {
        fprintf(stderr, "nightshift-lab: %s: %s\n", argv[0], strerror(errno));
        return 69;
    }
    while ((count = read(fd, bytes, sizeof bytes)) > 0) {
        failed = failed || (first && count > 8 && memcmp(bytes, "{\"error\"", 8) == 0);
        first = false;
        fwrite(bytes, 1, (size_t)count, failed ? stderr : stdout);
    }
    return failed ? 1 : 0;
}
