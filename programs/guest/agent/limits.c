/* The container's cgroup inside the guest: memory, CPU, processes, freezing, and whether memory ran out. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CGROUP "/sys/fs/cgroup/container"
/* Kept from a container without a limit: below this the kernel thrashes for minutes before it kills anybody. */
#define SYSTEM_SHARE (6ull << 20)

static int cgroup_fd = -1;
static uint64_t guest_memory;
static uint64_t memory_limit;

void read_limits(struct reader *r, struct limits *limits)
{
	limits->memory_bytes = read_u64(r);
	limits->swap_bytes = read_u64(r);
	limits->cpu_milli = read_u64(r);
	limits->pids = read_u64(r);
}

void limits_open(void)
{
	if (agent.host)
		return;
	file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory +cpu +pids +io");
	mkdir(CGROUP, 0755);
	cgroup_fd = open(CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char info[512];
	if (file_read("/proc/meminfo", info, sizeof info) > 0)
		guest_memory = strtoull(info + strcspn(info, "0123456789"), NULL, 10) * 1024;
}

void limits_renew(void)
{
	if (cgroup_fd < 0)
		return;
	close(cgroup_fd);
	/* Its last process may still be on its way out. */
	for (int tries = 0; tries < 200 && rmdir(CGROUP) < 0 && errno == EBUSY; tries++)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	memory_limit = 0;
	limits_open();
}

int limits_cgroup(void)
{
	return cgroup_fd;
}

static int set(const char *file, uint64_t value, struct fault *fault)
{
	char text[32];
	int length = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	if (file_write_at(cgroup_fd, file, text, (size_t)length) < 0)
		return fault_set(fault, "limit-invalid", "setting %s to %s: %s", file, text, error_text(errno));
	return 0;
}

ssize_t limits_read(const char *file, char *buffer, size_t size)
{
	if (cgroup_fd < 0)
		return -1;
	int fd = openat(cgroup_fd, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t got = read(fd, buffer, size - 1);
	close(fd);
	buffer[got < 0 ? 0 : got] = 0;
	return got;
}

/* What a container without a limit may have: all that is free, or would be without it, less the system's share. */
static uint64_t most_memory(void)
{
	char text[512];
	if (file_read("/proc/meminfo", text, sizeof text) <= 0)
		return 0;
	const char *line = strstr(text, "MemAvailable:");
	uint64_t available = line == NULL ? 0 : strtoull(line + 13, NULL, 10) * 1024;
	if (limits_read("memory.current", text, sizeof text) > 0)
		available += strtoull(text, NULL, 10);
	return available > 2 * SYSTEM_SHARE ? available - SYSTEM_SHARE : 0;
}

int limits_apply(const struct limits *limits, struct fault *fault)
{
	if (cgroup_fd < 0)
		return 0;
	memory_limit = limits->memory_bytes;
	uint64_t memory = limits->memory_bytes > 0 ? limits->memory_bytes : most_memory();
	if (memory > 0 && set("memory.max", memory, fault) < 0)
		return -1;
	if (limits->cpu_milli > 0) {
		char text[48];
		int length = snprintf(text, sizeof text, "%llu 100000", (unsigned long long)limits->cpu_milli * 100);
		if (file_write_at(cgroup_fd, "cpu.max", text, (size_t)length) < 0)
			return fault_set(fault, "limit-invalid", "setting cpu.max to %s: %s", text, error_text(errno));
	} else if (agent.phase == PHASE_RUNNING) {
		/* A fresh cgroup has no limit to take away. */
		file_write_at(cgroup_fd, "cpu.max", "max", 3);
	}
	if (limits->pids > 0)
		return set("pids.max", limits->pids, fault);
	if (agent.phase == PHASE_RUNNING)
		file_write_at(cgroup_fd, "pids.max", "max", 3);
	return 0;
}

int limits_freeze(bool frozen, struct fault *fault)
{
	if (cgroup_fd < 0)
		return fault_set(fault, "unsupported", "this agent cannot freeze processes");
	if (file_write_at(cgroup_fd, "cgroup.freeze", frozen ? "1" : "0", 1) < 0)
		return fault_set(fault, "internal", "cgroup.freeze: %s", error_text(errno));
	/* Freezing is asynchronous; the answer must not be. */
	for (int tries = 0; tries < 2000; tries++) {
		char events[128];
		const char *line = limits_read("cgroup.events", events, sizeof events) > 0 ? strstr(events, "frozen ") : NULL;
		if (line == NULL || (line[7] == '1') == frozen)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	return 0;
}

bool limits_oom_killed(void)
{
	char events[256];
	if (limits_read("memory.events", events, sizeof events) <= 0)
		return false;
	const char *line = strstr(events, "oom_kill ");
	return line != NULL && strtoull(line + 9, NULL, 10) > 0;
}

uint64_t limits_memory(void)
{
	return memory_limit > 0 ? memory_limit : guest_memory;
}
