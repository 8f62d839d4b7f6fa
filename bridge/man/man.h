/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAN_MAN_H
#define MAN_MAN_H

/* The manual pages: a row each, with the function that writes what follows NAME. */

#include "loop/drivers.h"

#include <stdio.h>

struct man_page {
    const char *name, *volume, *summary;
    void (*write)(FILE *page, const struct drivers *drivers);
};

extern const struct man_page man_pages[]; /* Ends with a row without a name. */

/* Building blocks; texts are plain, what mdoc would take for its own is escaped. */
void man_section(FILE *page, const char *title,
                 const char *text); /* text: NULL when a list follows. */
void man_paragraph(FILE *page, const char *text);
void man_list(FILE *page);
void man_item(FILE *page, const char *term, const char *rest, const char *help);
void man_list_end(FILE *page);
void man_argument(FILE *page, const char *text);

#endif
