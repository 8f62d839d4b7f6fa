/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The audit trail: rows that each carry the hash of everything before them. A row that was changed,
 * taken out or put in breaks the chain at its place; a trail that was cut at its end no longer
 * reaches a head that was noted elsewhere.
 */

#include "store/sqlite/database.h"

#include "base/assert.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct audit_hasher {
    EVP_MD *digest;
    EVP_MD_CTX *context;
};

struct audit_hasher *audit_hasher_new(void)
{
    struct audit_hasher *hasher = calloc(1, sizeof *hasher);
    if (hasher == NULL) {
        return NULL;
    }
    hasher->digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    if (hasher->digest == NULL || hasher->context == NULL) {
        audit_hasher_free(hasher);
        return NULL;
    }
    return hasher;
}

void audit_hasher_free(struct audit_hasher *hasher)
{
    if (hasher != NULL) {
        EVP_MD_CTX_free(hasher->context);
        EVP_MD_free(hasher->digest);
        free(hasher);
    }
}

void audit_hasher_freep(struct audit_hasher **hasher)
{
    audit_hasher_free(*hasher);
}

static void hash_number(EVP_MD_CTX *context, uint64_t number)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
    NSH_ASSERT(EVP_DigestUpdate(context, bytes, sizeof bytes) == 1);
}

static void hash_text(EVP_MD_CTX *context, struct text text)
{
    hash_number(context, text.count);
    NSH_ASSERT(EVP_DigestUpdate(context, text.at, text.count) == 1);
}

void audit_hash(struct audit_hasher *hasher, const uint8_t *previous, const struct audit_row *row,
                uint8_t *ret_hash)
{
    EVP_MD_CTX *context = hasher->context;
    NSH_ASSERT(EVP_DigestInit_ex2(context, hasher->digest, NULL) == 1);
    NSH_ASSERT(EVP_DigestUpdate(context, previous, DATABASE_HASH_BYTES) == 1);
    hash_number(context, (uint64_t)row->n);
    hash_number(context, (uint64_t)row->time_ms);
    hash_text(context, row->kind);
    hash_text(context, row->id);
    hash_text(context, row->body);
    unsigned count = 0;
    NSH_ASSERT(EVP_DigestFinal_ex(context, ret_hash, &count) == 1);
    NSH_ASSERT(count == DATABASE_HASH_BYTES);
}

int audit_head_read(sqlite3 *db, struct audit_head *ret_head)
{
    int code = SQLITE_OK;
    CLEANUP(statement_donep)
    sqlite3_stmt *statement =
        database_prepare(db, "SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1", &code);
    if (statement == NULL) {
        return code;
    }
    code = sqlite3_step(statement);
    if (code == SQLITE_DONE) {
        *ret_head = (struct audit_head){.n = 0};
        return SQLITE_OK;
    }
    if (code != SQLITE_ROW) {
        return code;
    }
    const void *hash = sqlite3_column_blob(statement, 1);
    if (hash == NULL || sqlite3_column_bytes(statement, 1) != DATABASE_HASH_BYTES) {
        return SQLITE_CORRUPT;
    }
    ret_head->n = sqlite3_column_int64(statement, 0);
    memcpy(ret_head->hash, hash, DATABASE_HASH_BYTES);
    return SQLITE_OK;
}
