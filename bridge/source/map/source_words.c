/* SPDX-License-Identifier: Apache-2.0 */
/* Words of monitoring systems: severities, and the host in "host:port". */

#include "source/map/source_map.h"

#include <ctype.h>

#define WORD_BYTES_MAX 24

static const struct {
    const char *word;
    enum severity severity;
} severity_words[] = {
#define SOURCE_WORD(word, severity) {word, SEVERITY_##severity},
#include "source/map/source_words.def"
#undef SOURCE_WORD
};

int source_severity(struct text word)
{
    char small[WORD_BYTES_MAX + 1];
    if (word.count == 0 || word.count > WORD_BYTES_MAX) {
        return -1;
    }
    for (uint32_t i = 0; i < word.count; i++) {
        small[i] = (char)tolower((unsigned char)word.at[i]);
    }
    struct text lower = {small, word.count};
    int own = severity_of(lower);
    for (size_t i = 0; own < 0 && i < sizeof severity_words / sizeof severity_words[0]; i++) {
        if (text_is(lower, severity_words[i].word)) {
            own = (int)severity_words[i].severity;
        }
    }
    return own;
}

static struct text text_behind(struct text text, const char *separator)
{
    size_t count = strlen(separator);
    const char *found = memmem(text.at, text.count, separator, count);
    if (found == NULL) {
        return text;
    }
    uint32_t skip = (uint32_t)(found - text.at + (ptrdiff_t)count);
    return (struct text){text.at + skip, text.count - skip};
}

static struct text text_before(struct text text, char separator)
{
    const char *found = text.count == 0 ? NULL : memchr(text.at, separator, text.count);
    return found == NULL ? text : (struct text){text.at, (uint32_t)(found - text.at)};
}

struct text source_host_of(struct text text)
{
    if (text.count == 0) {
        return text;
    }
    struct text host = text_before(text_behind(text, "://"), '/');
    const char *at_sign = host.count == 0 ? NULL : memchr(host.at, '@', host.count);
    if (at_sign != NULL) {
        host = text_behind(host, "@");
    }
    if (host.count > 0 && host.at[0] == '[') {
        return text_before((struct text){host.at + 1, host.count - 1}, ']');
    }
    struct text name = text_before(host, ':');
    bool more = name.count < host.count &&
                memchr(host.at + name.count + 1, ':', host.count - name.count - 1) != NULL;
    return more ? host : name; /* Several colons: an IPv6 address without a port. */
}

void source_kebab(const char *word, char *room, size_t room_bytes)
{
    size_t used = 0;
    for (size_t i = 0; word[i] != '\0' && used + 2 < room_bytes; i++) {
        unsigned char c = (unsigned char)word[i];
        unsigned char before = i == 0 ? '\0' : (unsigned char)word[i - 1];
        unsigned char after = (unsigned char)word[i + 1];
        bool begins = isupper(c) &&
                      (islower(before) || isdigit(before) || (isupper(before) && islower(after)));
        if (begins && used > 0) {
            room[used++] = '-';
        }
        room[used++] = (char)(isalnum(c) ? tolower(c) : '-');
    }
    room[used] = '\0';
}
