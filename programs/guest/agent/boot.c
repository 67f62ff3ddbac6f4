/* First steps as process 1 of a VM: kernel file systems, modules, and a root that can be pivoted away from. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int trace_fd = -1;

/* With `berth.trace` on the kernel's command line: one line a step on the kernel log, with the time since boot. */
void boot_trace(const char *what)
{
	if (trace_fd < 0)
		return;
	char line[160];
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	int length = snprintf(line, sizeof line, "<1>berth: %ld.%06ld %s\n", t.tv_sec, t.tv_nsec / 1000, what);
	if (write(trace_fd, line, (size_t)length) < 0)
		trace_fd = -1;
}

static void load_modules(const char *list_path)
{
	char list[4096];
	if (file_read(list_path, list, sizeof list) <= 0)
		return;
	for (char *save, *name = strtok_r(list, "\n", &save); name != NULL; name = strtok_r(NULL, "\n", &save)) {
		char path[96];
		snprintf(path, sizeof path, "/m/%s.ko", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		/* Requests are allocated per device and ahead: the 1024 that QEMU offers take megabytes each. */
		const char *options = strcmp(name, "virtio_blk") == 0 ? "queue_depth=64" : "";
		if (fd < 0 || syscall(SYS_finit_module, fd, options, 0) < 0) {
			if (errno != EEXIST) {
				char line[160];
				snprintf(line, sizeof line, "module %s: %s", name, error_text(errno));
				boot_trace(line);
			}
		}
		if (fd >= 0)
			close(fd);
		/* The file lies in memory. */
		unlink(path);
	}
}

void boot_system(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/r", 0755);
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
	char command_line[2048] = "";
	file_read("/proc/cmdline", command_line, sizeof command_line);
	if (strstr(command_line, "berth.trace") != NULL)
		trace_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	boot_trace("agent runs");

	load_modules("/m/first");
	boot_trace("first modules loaded");
	/* Block and network devices of a template are placeholders: a clone binds its own, later, by name. */
	file_write("/sys/bus/virtio/drivers_autoprobe", "0");
	load_modules("/m/second");
	boot_trace("second modules loaded");

	/* The initial root file system cannot be pivoted away from, so live on one that can. */
	mount("root", "/r", "tmpfs", MS_NOSUID, "mode=0755,size=4m");
	static const char *const moved[] = {"proc", "sys", "dev"};
	for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
		char from[16], to[16];
		snprintf(from, sizeof from, "/%s", moved[i]);
		snprintf(to, sizeof to, "/r/%s", moved[i]);
		mkdir(to, 0755);
		mount(from, to, NULL, MS_MOVE, NULL);
	}
	if (chdir("/r") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		boot_trace("no new root");
	static const char *const made[] = {"/l", "/s", "/c", "/f", "/etc", "/t"};
	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		mkdir(made[i], 0755);
	mount("cgroup", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	file_write("/proc/self/oom_score_adj", "-1000");
	/* Near the end of memory a guest without swap drops program pages and reads them again, for minutes; let it kill. */
	file_write("/sys/kernel/mm/lru_gen/enabled", "y");
	file_write("/sys/kernel/mm/lru_gen/min_ttl_ms", "1000");
	/* Housekeeping that wakes an idle guest twice a second, and every second, for nothing. */
	file_write("/proc/sys/vm/compaction_proactiveness", "0");
	file_write("/proc/sys/vm/stat_interval", "600");
	/*
	 * Free memory is given back to the host: in pieces from 128 KiB on, since the kernel's own choice, 2 MiB, rarely comes
	 * together; and from lists of a processor's own that hold 1 MB, not 54, which nobody gives back.
	 */
	file_write("/proc/sys/vm/percpu_pagelist_high_fraction", "1000");
	file_write("/sys/module/page_reporting/parameters/page_reporting_order", "5");
	/* No interface speaks IPv6 unless an address is given; loopback keeps it. */
	file_write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	file_write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	file_write("/proc/sys/net/ipv6/conf/default/accept_ra", "0");
	file_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	file_write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	/* What a container has that asks for nothing else: as under dockerd, not what the kernel gives for so little memory. */
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){1024, 524288});
	setrlimit(RLIMIT_NPROC, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	boot_trace("root ready");
	if (trace_fd >= 0)
		devices_trace();
}
