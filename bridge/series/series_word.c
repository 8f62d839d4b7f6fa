/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that many series share, each once. */

#include "series/series_private.h"

#include "base/assert.h"

#include <stdlib.h>

struct series_word *series_word_get(struct series *series, struct text text)
{
    struct series_word *word = map_get(&series->words, text);
    if (word != NULL) {
        word->uses++;
        return word;
    }
    word = malloc(sizeof *word + text.count + 1);
    if (word == NULL) {
        return NULL;
    }
    *word = (struct series_word){.hash = text_hash(text), .uses = 1, .count = text.count};
    if (text.count > 0) {
        memcpy(word->chars, text.at, text.count);
    }
    word->chars[text.count] = '\0';
    if (map_set(&series->words, series_word_text(word), word) < 0) {
        free(word);
        return NULL;
    }
    return word;
}

void series_word_drop(struct series *series, struct series_word *word)
{
    if (word == NULL) {
        return;
    }
    NSH_ASSERT(word->uses > 0);
    if (--word->uses == 0) {
        map_remove(&series->words, series_word_text(word));
        free(word);
    }
}

void series_words_free(struct series *series)
{
    MAP_EACH (&series->words, entry) {
        free(entry->value);
    }
    map_done(&series->words);
}
