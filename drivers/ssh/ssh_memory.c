/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of malloc() in a list, each with its head before it. */

#include "ssh_memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ssh_piece {
    alignas(max_align_t) struct ssh_piece *next;
    struct ssh_piece **before; /* What points here. */
    size_t bytes;
};

static struct ssh_piece *piece_of(void *at)
{
    return (struct ssh_piece *)at - 1;
}

void *ssh_memory_take(struct ssh_memory *memory, size_t bytes)
{
    if (bytes > SSH_MEMORY_BYTES_MAX - memory->bytes) {
        memory->full = true;
        return NULL;
    }
    struct ssh_piece *piece = malloc(sizeof *piece + bytes);
    if (piece == NULL) {
        return NULL;
    }
    *piece = (struct ssh_piece){.next = memory->first, .before = &memory->first, .bytes = bytes};
    if (piece->next != NULL) {
        piece->next->before = &piece->next;
    }
    memory->first = piece;
    memory->bytes += bytes;
    return piece + 1;
}

void ssh_memory_give(struct ssh_memory *memory, void *at)
{
    if (at == NULL) {
        return;
    }
    struct ssh_piece *piece = piece_of(at);
    *piece->before = piece->next;
    if (piece->next != NULL) {
        piece->next->before = piece->before;
    }
    memory->bytes -= piece->bytes;
    explicit_bzero(at, piece->bytes);
    free(piece);
}

void *ssh_memory_resize(struct ssh_memory *memory, void *at, size_t bytes)
{
    void *moved = ssh_memory_take(memory, bytes);
    if (moved != NULL && at != NULL) {
        size_t kept = piece_of(at)->bytes;
        memcpy(moved, at, kept < bytes ? kept : bytes);
        ssh_memory_give(memory, at);
    }
    return moved;
}

void ssh_memory_clear(struct ssh_memory *memory)
{
    struct ssh_piece *piece = memory->first;
    *memory = (struct ssh_memory){0};
    while (piece != NULL) {
        struct ssh_piece *next = piece->next;
        explicit_bzero(piece + 1, piece->bytes);
        free(piece);
        piece = next;
    }
}
