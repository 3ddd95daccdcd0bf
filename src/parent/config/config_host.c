#include <sys/socket.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "parent/config/config_build.h"

#define ID_MAX	 UINT32_C(4294967294) /* the one after is "no id" */
#define MODE_MAX 0777

bool
config_has_control(const char *text)
{
	while (*text != '\0')
		if (iscntrl((unsigned char)*text++))
			return true;
	return false;
}

bool
config_value_path(struct config_reader *r, struct config_block *block,
    enum config_key key, size_t max, char **path)
{
	const char *value;

	if (block->set[key] == NULL)
		return false;
	value = block->set[key]->value;
	if (value[0] == '\0')
		config_value_bad(r, block, key,
		    "is empty: name an absolute path");
	else if (value[0] != '/')
		config_value_bad(r, block, key,
		    "is not an absolute path: begin it with a /");
	else if (config_has_control(value))
		config_value_bad(r, block, key,
		    "has a control character in it: remove that");
	else if (strnlen(value, max + 1) > max)
		config_value_bad(r, block, key,
		    "is longer than %zu bytes: shorten the path", max);
	else {
		*path = config_strdup(value);
		return true;
	}
	return false;
}

bool
config_value_address(struct config_reader *r, struct config_block *block,
    enum config_key key, char **address)
{
	uint8_t parsed[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	const char *value;
	int family;

	if (block->set[key] == NULL)
		return false;
	value = block->set[key]->value;
	family = strchr(value, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(family, value, parsed) != 1 ||
	    inet_ntop(family, parsed, text, sizeof(text)) == NULL) {
		config_value_bad(r, block, key,
		    "is not a numeric address: write it like 127.0.0.1 or ::1, "
		    "and the port as port = N");
		return false;
	}
	*address = config_strdup(text);
	return true;
}

bool
config_value_passed(const struct config_block *block, enum config_key key)
{
	return (block->kind & CONFIG_LEAVES) != 0 && block->set[key] != NULL &&
	    strcmp(block->set[key]->value, "systemd") == 0;
}

/* A numeric id, as users and groups may be given. */
static bool
is_id(const char *value, uint32_t *id)
{
	const char *rest;
	uint64_t n;

	rest = config_digits(value, &n);
	if (rest == NULL || rest[0] != '\0' || n > ID_MAX)
		return false;
	*id = (uint32_t)n;
	return true;
}

void
config_value_owner(struct config_reader *r, struct config_block *block,
    uid_t *owner)
{
	const struct config_setting *s = block->set[KEY_OWNER];
	const struct passwd *pw;

	if (s == NULL || is_id(s->value, owner))
		return;
	if ((pw = getpwnam(s->value)) != NULL)
		*owner = pw->pw_uid;
	else
		config_value_bad(r, block, KEY_OWNER,
		    "is no user of this host: name one, or give a uid");
}

void
config_value_group(struct config_reader *r, struct config_block *block,
    gid_t *group)
{
	const struct config_setting *s = block->set[KEY_GROUP];
	const struct group *gr;

	if (s == NULL || is_id(s->value, group))
		return;
	if ((gr = getgrnam(s->value)) != NULL)
		*group = gr->gr_gid;
	else
		config_value_bad(r, block, KEY_GROUP,
		    "is no group of this host: name one, or give a gid");
}

void
config_value_mode(struct config_reader *r, struct config_block *block,
    mode_t *mode)
{
	const struct config_setting *s = block->set[KEY_MODE];
	unsigned long n;

	if (s == NULL)
		return;
	n = strtoul(s->value, NULL, 8);
	if (s->value[0] == '\0' ||
	    s->value[strspn(s->value, "01234567")] != '\0' || n < 1 ||
	    n > MODE_MAX)
		config_value_bad(r, block, KEY_MODE,
		    "is not an octal mode from 0001 to 0777, such as 0660");
	else
		*mode = (mode_t)n;
}
