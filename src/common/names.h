/*
 * Names: the words for enumerated values, the same in configuration, status
 * and journal; and what may be the name of a guest, a class, a pool.
 */
#ifndef VRNGD_NAMES_H
#define VRNGD_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By value; each list ends with NULL. */
typedef const char *const names[];
extern names names_source_kind;	  /* enum proto_source_kind */
extern names names_source_status; /* enum proto_source_status */
extern names names_test;	  /* enum proto_test */
extern names names_noise;	  /* enum proto_noise */
extern names names_instruction;	  /* enum proto_instruction */
extern names names_combine;	  /* enum proto_combine */
extern names names_delivery;	  /* enum proto_delivery_mode */
extern names names_transport;	  /* unix, tcp, udp, vsock */
extern names names_confidential;  /* tls, wireguard, none */
extern names names_log_level;	  /* enum log_level */
extern names names_fault;	  /* enum fault, */
extern names names_fault_text;	  /* and what to do about it */

/* The name of a value, or "unknown". */
const char *names_text(const char *const list[], uint32_t value);

/* Whether text is made of ASCII letters, digits, `.`, `_` and `-`, or empty. */
bool names_valid(const char *text);

/* Makes a name valid: what is not becomes `_`. */
void names_make_valid(char *name);

/*
 * Sets `*found` to the candidate if it is more similar to `word` than `*found`,
 * which is NULL at first.
 */
void names_near(const char *word, const char *candidate, const char **found);

#endif
