/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SHELL_SCRAPE_H
#define DAEMON_SHELL_SCRAPE_H

/* The exporters that are scraped, in the daemon. On the loop thread. */

#include "shell_private.h"

void shell_scrape_begin(struct shell *shell); /* With the generation's jobs; old ones end. */
void shell_scrape_stop(struct shell *shell);
void shell_scrape_metrics(struct shell *shell, struct textbuf *out);
void shell_scrapes(struct shell *shell, struct shell_request *request);

#endif
