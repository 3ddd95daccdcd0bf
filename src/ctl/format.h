/*
 * Numbers and text, made for people.
 */
#ifndef VRNGCTL_FORMAT_H
#define VRNGCTL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "common/control_proto.h"

#define FORMAT_SIZE 48 /* for any number, with the NUL */

/*
 * A number of bytes, in at most 5 characters, with K, M, G, T, P or E for
 * powers of 1024: "0", "512", "1.5M", "1023K".  Rounded down.
 */
const char *format_bytes(char text[FORMAT_SIZE], uint64_t bytes);

/*
 * Bytes a second of a rate: as format_bytes(); or, if that is less than one,
 * "8/65s"; "-" for none.
 */
const char *format_rate(char text[FORMAT_SIZE], const struct control_rate *);

/* Bytes a second, rounded down. */
uint64_t format_per_second(const struct control_rate *);

/* A count, in at most 6 characters, with k, M, G for powers of 1000. */
const char *format_count(char text[FORMAT_SIZE], uint64_t n);

/* A time: "0", "15ms", "3.2s", "12m", "5h", "3d". */
const char *format_time(char text[FORMAT_SIZE], uint64_t ns);

/*
 * Copies text, with a question mark for what a terminal might take as a
 * command.  Returns `to`.
 */
const char *format_text(char *to, size_t size, const char *text);

/* Words for what the daemon says by number; never NULL. */
const char *format_guest_state(uint32_t state);
const char *format_outlet_kind(uint32_t kind);
const char *format_outlet_state(uint32_t state);
const char *format_transport(uint32_t transport);
const char *format_source_kind(uint32_t kind);
const char *format_source_state(uint32_t status);
const char *format_noise(uint32_t noise);
const char *format_test(uint32_t test);
const char *format_combine(uint32_t combine);
const char *format_delivery(uint32_t mode);

#endif
