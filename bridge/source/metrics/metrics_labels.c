/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_labels.h"

/* Nearly all texts are plain: eight bytes at a time, each above 0 and below 128. */
static bool is_text(struct text text)
{
    uint64_t word, high = 0, low = 0;
    uint32_t left = text.count;
    const char *at = text.at;
    for (; left >= sizeof word; left -= (uint32_t)sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        high |= word;
        low |= word - UINT64_C(0x0101010101010101);
    }
    for (; left > 0; left--, at++) {
        uint8_t byte = (uint8_t)*at;
        high |= byte;
        low |= byte == 0 ? 0x80 : 0;
    }
    return ((high | low) & UINT64_C(0x8080808080808080)) == 0 || text_is_utf8(text.at, text.count);
}

static const char *label_mistake(const struct sample_label *label)
{
    if (label->name.count == 0 || label->name.count > SAMPLE_NAME_BYTES_MAX) {
        return "a label's name is empty or too long";
    }
    if (label->value.count > SAMPLE_VALUE_BYTES_MAX) {
        return "a label's value is too long";
    }
    if (!is_text(label->name) || !is_text(label->value)) {
        return "a label is no UTF-8";
    }
    return NULL;
}

static bool is_twice(const struct sample_label *labels, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (text_equal(labels[i].name, labels[at].name)) {
            return true;
        }
    }
    return false;
}

int metrics_labels_check(const struct sample_label *labels, size_t count, size_t number,
                         struct nsh_error *err)
{
    bool named = false, rising = true; /* Senders write them in order: then none is twice. */
    for (size_t i = 0; i < count; i++) {
        const char *mistake = label_mistake(&labels[i]);
        rising = rising && (i == 0 || text_compare(labels[i - 1].name, labels[i].name) < 0);
        if (mistake == NULL && !rising && is_twice(labels, i)) {
            mistake = "a label stands there twice";
        }
        if (mistake != NULL) {
            return nsh_fail(err, NSH_INVALID, "series %zu: %s", number, mistake);
        }
        named = named || (text_is(labels[i].name, SAMPLE_METRIC) && labels[i].value.count > 0);
    }
    return named ? 0 : nsh_fail(err, NSH_INVALID, "series %zu: no label %s", number, SAMPLE_METRIC);
}
