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
	/* In the child: what the agent made for the mounts that are sockets. */
	const int *sockets;
	struct reader mounts;
	uint32_t sysctl_count;
	struct reader sysctls;
	struct limits limits;
	uint32_t nic_count;
	struct reader nics;
	struct process_spec process;
};

enum { MOUNT_TMPFS, MOUNT_SHARE, MOUNT_BLOCK, MOUNT_SOCKET };

struct mount_request {
	uint8_t kind;
	const char *target;
	/* tmpfs: as mount(8) takes them. */
	struct strings options;
	/* A share's name; a path inside a disk's volume; a socket's `MODE:UID:GID`. */
	const char *source;
	/* A disk's place among the block devices. */
	uint32_t device;
	bool readonly;
	/* What the image has there is copied into it, when it is empty. */
	bool copy;
};
void read_mount(struct reader *r, struct mount_request *mount);
/* In the agent: the devices that the mounts need. */
int volumes_bind(const struct start_spec *spec, struct fault *fault);
/* In the agent: what workers will show while the container runs. */
void volumes_remember(const struct start_spec *spec);
/* In the agent, before a start: a container's directories of the host, which workers will show while nothing of it runs. */
int volumes_rest(const uint8_t *body, size_t length, struct fault *fault);
/* In a worker, in a mount namespace of its own: takes the volumes, and, in the container's root, puts them where they are there. */
int volumes_take(struct fault *fault);
int volumes_show(struct fault *fault);
/* Mounts the one device of all shares; a share as a tree of its own; a tree at its place in the container's root. */
int shares_mount(struct fault *fault);
int share_tree(const struct mount_request *mount, struct fault *fault);
int mount_tree(int tree, const struct mount_request *mount, struct fault *fault);
/* In the child. */
int volumes_mount(const struct start_spec *spec, struct fault *fault);
/* In the child, on the host: sockets appear where they are wanted, for there is nothing to mount below. */
int volumes_borrow(const struct start_spec *spec, struct fault *fault);
/* Copies a directory into an empty tree; 0 too when there is nothing to copy, or no room for it because it isn't empty. */
int copy_into_empty(const char *source, int tree);

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
