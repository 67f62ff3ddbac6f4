/* What `start` brings, and the two halves of a container's root: before and after it is known. */
#ifndef BERTH_CONTAINER_H
#define BERTH_CONTAINER_H

#include "process.h"

struct start_spec {
	const char *hostname;
	const char *domainname;
	const char *hosts;
	const char *resolv_conf;
	const char *hostname_file;
	bool readonly_root;
	bool init;
	uint64_t shm_bytes;
	uint32_t mount_count;
	struct reader mounts;
	uint32_t sysctl_count;
	struct reader sysctls;
	struct limits limits;
	uint32_t nic_count;
	struct reader nics;
	struct process_spec process;
};

/* -1 when malformed. */
int read_start_spec(struct reader *r, struct start_spec *spec);
/* Skips one NIC; network.c reads it. */
void skip_nic(struct reader *r);

/* In the child, in its namespaces: everything that can be mounted before the specification is known. */
int rootfs_prepare(struct fault *fault);
/* In the child: what the specification asks for. */
int rootfs_finish(const struct start_spec *spec, struct fault *fault);
/* In the child of `--init`, a session of its own: makes the terminal its controlling one. */
void child_steal_terminal(void);

/* clone3 with fork's meaning, into a cgroup (or -1). */
pid_t clone_process(uint64_t flags, int cgroup_fd, int *pidfd);
/* A fork outside of the container: its process namespace may be frozen, or have ended. */
pid_t container_fork_outside(void);

#endif
