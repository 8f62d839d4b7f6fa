/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every file of a corpus folder through a fuzz target once: the corpora are tests in every
 * build. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_count);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    uint8_t *bytes = malloc(INPUT_BYTES_MAX);
    size_t count = bytes == NULL ? 0 : fread(bytes, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    /* An exact-size copy, so that the sanitizer sees a read past the end. */
    uint8_t *exact = malloc(count == 0 ? 1 : count);
    if (exact == NULL || bytes == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        exact[i] = bytes[i];
    }
    free(bytes);
    (void)LLVMFuzzerTestOneInput(exact, count);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        perror(argv[1]);
        return 1;
    }
    unsigned files = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name) >= (int)sizeof path) {
            continue;
        }
        if (run_file(path) < 0) {
            return 1;
        }
        files++;
    }
    closedir(folder);
    printf("%u inputs\n", files);
    return files == 0 ? 1 : 0; /* An empty corpus proves nothing. */
}
