/*
 * The format of the device's state.  Used by transfer.c.
 */
#include <endian.h>
#include <string.h>

#include "vhost/device/device_state.h"

#define FORMAT_VERSION 1

/* The format of version 1; integers are little-endian. */
struct format {
	char magic[8];
	uint32_t version;
	uint32_t size; /* bytes of it all */
	uint32_t status;
	uint32_t reserved; /* 0 */
};

static const char magic[8] = { 'v', 'r', 'n', 'g', 'd', '-', 'd', 's' };

_Static_assert(sizeof(struct format) <= DEVICE_STATE_MAX, "the limit");

size_t
device_state_write(const struct device_state *s,
    uint8_t bytes[DEVICE_STATE_MAX])
{
	struct format f = {
		.version = htole32(FORMAT_VERSION),
		.size = htole32(sizeof(f)),
		.status = htole32(s->status),
	};

	memcpy(f.magic, magic, sizeof(magic));
	memcpy(bytes, &f, sizeof(f));
	return sizeof(f);
}

const char *
device_state_read(struct device_state *s, const uint8_t *bytes, size_t n)
{
	struct format f;

	if (n > DEVICE_STATE_MAX)
		return "device state is longer than 4096 bytes";
	if (n < offsetof(struct format, size))
		return "device state is too short";
	memset(&f, 0, sizeof(f));
	memcpy(&f, bytes, n < sizeof(f) ? n : sizeof(f));
	if (memcmp(f.magic, magic, sizeof(magic)) != 0)
		return "not a device state of vrngd";
	if (le32toh(f.version) != FORMAT_VERSION)
		return "device state of an unknown version";
	if (n != sizeof(f) || le32toh(f.size) != n)
		return "device state has the wrong size";
	if (le32toh(f.status) > UINT8_MAX || f.reserved != 0)
		return "device state has invalid fields";
	s->status = (uint8_t)le32toh(f.status);
	return NULL;
}
