/* What runs in the container, and what it uses: from /proc, the cgroup and the links. */
#include "container.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct row {
	pid_t pid;
	pid_t parent;
	/* Numbers inside the container. */
	uint32_t inner, group, session;
	uint32_t uid, euid, gid;
	uint32_t tty, flags, threads, processor, policy;
	int32_t nice, priority;
	bool foreground;
	uint64_t ticks, start_ticks;
	uint64_t rss_pages, virtual_bytes;
	uint64_t minor_faults, major_faults;
	char state;
	char name[16];
};

/* The last number of a line of /proc/PID/status: the one in the innermost process namespace. */
static uint32_t innermost(const char *status, const char *word)
{
	const char *line = strstr(status, word);
	if (line == NULL)
		return 0;
	const char *end = line + 1 + strcspn(line + 1, "\n"), *at = end;
	while (at > line && at[-1] >= '0' && at[-1] <= '9')
		at--;
	return at == end ? 0 : (uint32_t)strtoul(at, NULL, 10);
}

/* The real and the effective one of a line of ids. */
static void two_ids(const char *status, const char *word, uint32_t *real, uint32_t *effective)
{
	const char *line = strstr(status, word);
	if (line != NULL)
		sscanf(line + strlen(word), "%u %u", real, effective);
}

/* Fills a row from /proc; false when the process has gone meanwhile. */
static bool read_row(pid_t pid, struct row *row)
{
	char path[48], text[2048];
	*row = (struct row){.pid = pid};
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (file_read(path, text, sizeof text) <= 0)
		return false;
	/* The name may hold anything, so count from its last parenthesis. */
	char *at = strrchr(text, ')');
	if (at == NULL)
		return false;
	unsigned long long minor, major, user, system, start, size, rss;
	int parent, group, tty, owner;
	if (sscanf(at + 2,
	           "%c %d %d %*d %d %d %u %llu %*u %llu %*u %llu %llu %*d %*d %d %d %u %*d %llu %llu %llu %*u %*u %*u %*u %*u %*u %*u %*u "
	           "%*u %*u %*u %*u %*u %*u %*d %u %*u %u",
	           &row->state, &parent, &group, &tty, &owner, &row->flags, &minor, &major, &user, &system, &row->priority, &row->nice,
	           &row->threads, &start, &size, &rss, &row->processor, &row->policy) != 18)
		return false;
	row->parent = parent;
	row->tty = (uint32_t)tty;
	row->foreground = owner == group;
	row->ticks = user + system;
	row->start_ticks = start;
	row->virtual_bytes = size;
	row->rss_pages = rss;
	row->minor_faults = minor;
	row->major_faults = major;
	const char *name = strchr(text, '(') + 1;
	snprintf(row->name, sizeof row->name, "%.*s", (int)(at - name), name);
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (file_read(path, text, sizeof text) <= 0)
		return false;
	uint32_t real_group;
	two_ids(text, "\nUid:", &row->uid, &row->euid);
	two_ids(text, "\nGid:", &real_group, &row->gid);
	row->inner = innermost(text, "\nNSpid:");
	row->group = innermost(text, "\nNSpgid:");
	row->session = innermost(text, "\nNSsid:");
	return true;
}

/* Calls back for every process of the container. In a VM its cgroup knows them; on the host, its process namespace. */
static size_t list_rows(struct row *rows, size_t most)
{
	size_t count = 0;
	if (limits_cgroup() >= 0) {
		int fd = openat(limits_cgroup(), "cgroup.procs", O_RDONLY | O_CLOEXEC);
		FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
		int pid;
		while (file != NULL && count < most && fscanf(file, "%d", &pid) == 1)
			count += read_row(pid, &rows[count]);
		if (file != NULL)
			fclose(file);
		return count;
	}
	char path[48], own[64], other[64];
	struct process *p = process_find(0);
	if (p == NULL)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)p->pid);
	ssize_t length = readlink(path, own, sizeof own);
	DIR *directory = opendir("/proc");
	for (struct dirent *entry; directory != NULL && count < most && (entry = readdir(directory)) != NULL;) {
		int pid = atoi(entry->d_name);
		snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
		if (pid > 0 && length > 0 && readlink(path, other, sizeof other) == length && memcmp(own, other, (size_t)length) == 0)
			count += read_row(pid, &rows[count]);
	}
	if (directory != NULL)
		closedir(directory);
	return count;
}

static void write_command(struct writer *w, pid_t pid)
{
	char path[48], text[4096];
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	ssize_t length = file_read(path, text, sizeof text);
	if (length <= 0) {
		/* A zombie, or one that has wiped its arguments: its name, as ps has it. */
		snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
		length = file_read(path, text + 1, sizeof text - 2);
		if (length <= 0) {
			write_string(w, "");
			return;
		}
		text[0] = '[';
		size_t end = 1 + strcspn(text + 1, "\n");
		text[end] = ']';
		text[end + 1] = 0;
		write_string(w, text);
		return;
	}
	while (length > 0 && text[length - 1] == 0)
		length--;
	for (ssize_t i = 0; i < length; i++)
		if (text[i] == 0)
			text[i] = ' ';
	text[length] = 0;
	write_string(w, text);
}

void report_processes(struct writer *w)
{
	const size_t most = 4096;
	struct row *rows = calloc(most, sizeof *rows);
	size_t count = rows == NULL ? 0 : list_rows(rows, most);
	struct timespec uptime;
	clock_gettime(CLOCK_BOOTTIME, &uptime);
	uint64_t boot_ms = now_ms() - ((uint64_t)uptime.tv_sec * 1000 + (uint64_t)uptime.tv_nsec / 1000000);
	uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);
	write_u32(w, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];
		uint32_t parent = 0;
		for (size_t j = 0; j < count; j++)
			if (rows[j].pid == row->parent)
				parent = rows[j].inner;
		char tty[24] = "?";
		if (row->tty >> 8 == 136)
			snprintf(tty, sizeof tty, "pts/%u", row->tty & 0xff);
		char state[2] = {row->state, 0};
		const uint32_t small[] = {row->uid,        row->euid,    row->gid,       row->inner, parent,
		                          row->group,      row->session, row->foreground, row->flags, (uint32_t)row->nice,
		                          (uint32_t)row->priority, row->policy, row->threads, row->processor};
		const uint64_t large[] = {boot_ms + row->start_ticks * tick_ms, row->ticks * tick_ms, row->rss_pages * page,
		                          row->virtual_bytes, row->minor_faults, row->major_faults};
		for (size_t j = 0; j < sizeof small / sizeof *small; j++)
			write_u32(w, small[j]);
		for (size_t j = 0; j < sizeof large / sizeof *large; j++)
			write_u64(w, large[j]);
		write_string(w, tty);
		write_string(w, state);
		write_string(w, row->name);
		write_command(w, row->pid);
	}
	free(rows);
}

/* The number after a word at the start of a line; 0 when the word is not there (or the value is "max"). */
static uint64_t field(const char *text, const char *word)
{
	size_t length = strlen(word);
	for (const char *line = text; line != NULL && *line != 0;) {
		if (strncmp(line, word, length) == 0 && line[length] == ' ')
			return strtoull(line + length + 1, NULL, 10);
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return 0;
}

/* Adds up one key of io.stat over all devices. */
static uint64_t io_sum(const char *text, const char *key)
{
	uint64_t sum = 0;
	for (const char *at = text; (at = strstr(at, key)) != NULL; at += strlen(key))
		sum += strtoull(at + strlen(key), NULL, 10);
	return sum;
}

static void write_networks(struct writer *w)
{
	char text[4096];
	uint32_t count = 0;
	struct writer rows = {0};
	if (file_read("/proc/net/dev", text, sizeof text) > 0) {
		for (char *save, *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
			char name[32];
			unsigned long long n[12];
			if (sscanf(line, " %31[^:]: %llu %llu %llu %llu %*u %*u %*u %*u %llu %llu %llu %llu", name, &n[0], &n[1], &n[2], &n[3],
			           &n[4], &n[5], &n[6], &n[7]) != 9 ||
			    strcmp(name, "lo") == 0 || strncmp(name, "spare", 5) == 0)
				continue;
			write_string(&rows, name);
			for (int i = 0; i < 8; i++)
				write_u64(&rows, n[i]);
			count++;
		}
	}
	write_u32(w, count);
	write_raw(w, rows.data, rows.used);
	w->failed |= rows.failed;
	writer_free(&rows);
}

void report_statistics(struct writer *w)
{
	char text[4096];
	uint64_t usage = 0, user = 0, system = 0, machine = 0, memory = 0, cache = 0, pids = 0, limit = 0, reads = 0, writes = 0;
	if (limits_read("cpu.stat", text, sizeof text) > 0) {
		usage = field(text, "usage_usec") * 1000;
		user = field(text, "user_usec") * 1000;
		system = field(text, "system_usec") * 1000;
	}
	if (limits_read("memory.current", text, sizeof text) > 0)
		memory = strtoull(text, NULL, 10);
	if (limits_read("memory.stat", text, sizeof text) > 0)
		cache = field(text, "inactive_file");
	if (limits_read("pids.current", text, sizeof text) > 0)
		pids = strtoull(text, NULL, 10);
	if (limits_read("pids.max", text, sizeof text) > 0)
		limit = strtoull(text, NULL, 10);
	if (limits_read("io.stat", text, sizeof text) > 0) {
		reads = io_sum(text, "rbytes=");
		writes = io_sum(text, "wbytes=");
	}
	if (file_read("/proc/stat", text, sizeof text) > 0) {
		unsigned long long n[8] = {0};
		sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]);
		for (int i = 0; i < 8; i++)
			machine += n[i];
		machine *= 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
	}
	const uint64_t values[] = {now_ms(), usage, user,   system, machine, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN),
	                           memory,   cache, limits_memory(), pids, reads, writes, limit};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		write_u64(w, values[i]);
	write_networks(w);
}
