/* Users and groups by the container's own /etc/passwd and /etc/group, with Docker's rules and sentences. */
#include "agent.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `text` as a decimal id; false when it is none. */
static bool number(const char *text, uint32_t *value)
{
	if (*text == 0)
		return false;
	unsigned long long n = 0;
	for (const char *p = text; *p; p++) {
		if (!isdigit((unsigned char)*p))
			return false;
		n = n * 10 + (unsigned)(*p - '0');
		if (n > 0x7fffffff)
			return false;
	}
	*value = (uint32_t)n;
	return true;
}

/* Splits a line at colons into up to `max` fields. */
static int fields(char *line, char **out, int max)
{
	int count = 0;
	line[strcspn(line, "\r\n")] = 0;
	while (count < max) {
		out[count++] = line;
		line = strchr(line, ':');
		if (line == NULL)
			break;
		*line++ = 0;
	}
	return count;
}

static bool has_member(char *list, const char *name)
{
	for (char *save, *one = strtok_r(list, ",", &save); one != NULL; one = strtok_r(NULL, ",", &save))
		if (strcmp(one, name) == 0)
			return true;
	return false;
}

/* Finds a group by name or number; false when the file has none such. */
static bool group_find(const char *wanted, uint32_t *gid)
{
	FILE *file = fopen("/etc/group", "re");
	if (file == NULL)
		return false;
	uint32_t as_number;
	bool numeric = number(wanted, &as_number), found = false;
	char *line = NULL;
	size_t size = 0;
	while (!found && getline(&line, &size, file) > 0) {
		char *field[4];
		uint32_t id;
		if (fields(line, field, 4) < 3 || !number(field[2], &id))
			continue;
		if (strcmp(field[0], wanted) == 0 || (numeric && id == as_number)) {
			*gid = id;
			found = true;
		}
	}
	free(line);
	fclose(file);
	return found;
}

static void group_add(struct identity *out, uint32_t gid)
{
	for (int i = 0; i < out->group_count; i++)
		if (out->groups[i] == gid)
			return;
	if (out->group_count < (int)(sizeof out->groups / sizeof *out->groups))
		out->groups[out->group_count++] = gid;
}

/* Every group whose member list names the user. */
static void groups_of(const char *name, struct identity *out)
{
	FILE *file = fopen("/etc/group", "re");
	if (file == NULL)
		return;
	char *line = NULL;
	size_t size = 0;
	while (getline(&line, &size, file) > 0) {
		char *field[4];
		uint32_t id;
		if (fields(line, field, 4) == 4 && number(field[2], &id) && has_member(field[3], name))
			group_add(out, id);
	}
	free(line);
	fclose(file);
}

int user_resolve(const char *user, const struct strings *additional, struct identity *out, struct fault *fault)
{
	*out = (struct identity){.home = ""};
	char name[256];
	snprintf(name, sizeof name, "%s", user);
	char *group = strchr(name, ':');
	if (group != NULL)
		*group++ = 0;

	char login[256] = "";
	uint32_t as_number = 0;
	bool numeric = *name == 0 || number(name, &as_number), found = false;
	FILE *file = fopen("/etc/passwd", "re");
	if (file != NULL) {
		char *line = NULL;
		size_t size = 0;
		while (!found && getline(&line, &size, file) > 0) {
			char *field[7];
			uint32_t uid, gid;
			if (fields(line, field, 7) < 6 || !number(field[2], &uid) || !number(field[3], &gid))
				continue;
			if (strcmp(field[0], name) != 0 && !(numeric && uid == as_number))
				continue;
			found = true;
			out->uid = uid;
			out->gid = gid;
			snprintf(login, sizeof login, "%s", field[0]);
			snprintf(out->home, sizeof out->home, "%s", field[5]);
		}
		free(line);
		fclose(file);
	}
	if (!found) {
		if (!numeric)
			return fault_set(fault, "user-not-found", "unable to find user %s: no matching entries in passwd file", name);
		out->uid = as_number;
	}
	if (group != NULL && *group != 0) {
		uint32_t gid;
		if (!group_find(group, &gid) && !number(group, &gid))
			return fault_set(fault, "user-not-found", "unable to find group %s: no matching entries in group file", group);
		out->gid = gid;
	} else if (*login != 0) {
		/* As Docker: memberships count only when no group was named. */
		groups_of(login, out);
	}
	struct reader r = {additional->at, additional->end, false};
	for (uint32_t i = 0; i < additional->count; i++) {
		const char *wanted = read_string(&r);
		uint32_t gid;
		if (!group_find(wanted, &gid) && !number(wanted, &gid))
			return fault_set(fault, "user-not-found", "unable to find group %s: no matching entries in group file", wanted);
		group_add(out, gid);
	}
	group_add(out, out->gid);
	return 0;
}
