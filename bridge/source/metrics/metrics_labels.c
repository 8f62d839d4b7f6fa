/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_labels.h"

static const char *label_mistake(const struct sample_label *label)
{
    if (label->name.count == 0 || label->name.count > SAMPLE_NAME_BYTES_MAX) {
        return "a label's name is empty or too long";
    }
    if (label->value.count > SAMPLE_VALUE_BYTES_MAX) {
        return "a label's value is too long";
    }
    if (!text_is_utf8(label->name.at, label->name.count) ||
        !text_is_utf8(label->value.at, label->value.count)) {
        return "a label is no UTF-8";
    }
    return NULL;
}

/* Senders write them in order: then one look at the one before is enough. */
static bool is_twice(const struct sample_label *labels, size_t at)
{
    if (at == 0 || text_compare(labels[at - 1].name, labels[at].name) == 0) {
        return at > 0;
    }
    for (size_t i = 0; i + 1 < at; i++) {
        if (text_equal(labels[i].name, labels[at].name)) {
            return true;
        }
    }
    return false;
}

int metrics_labels_check(const struct sample_label *labels, size_t count, size_t number,
                         struct nsh_error *err)
{
    bool named = false;
    for (size_t i = 0; i < count; i++) {
        const char *mistake = label_mistake(&labels[i]);
        if (mistake == NULL && is_twice(labels, i)) {
            mistake = "a label stands there twice";
        }
        if (mistake != NULL) {
            return nsh_fail(err, NSH_INVALID, "series %zu: %s", number, mistake);
        }
        named = named || (text_is(labels[i].name, SAMPLE_METRIC) && labels[i].value.count > 0);
    }
    return named ? 0 : nsh_fail(err, NSH_INVALID, "series %zu: no label %s", number, SAMPLE_METRIC);
}
