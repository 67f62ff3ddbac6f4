/*
 * share PID DIRECTORY (NAME FLAGS SOURCE SUBPATH)…
 *
 * Mounts directories and files of the host below DIRECTORY in the mount namespace of PID, a QEMU that exports DIRECTORY to
 * its guest. They are taken here, where the daemon lives, as detached trees, so it doesn't matter what the other namespace
 * can see. FLAGS: r read-only, n without what is mounted below, - neither. SUBPATH is followed through no link: a
 * container may have made one that leads out of its volume.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int take(const char *flags, const char *source, const char *subpath)
{
	int fd = open(source, O_PATH | O_CLOEXEC);
	if (fd < 0)
		fail(source);
	if (*subpath != 0) {
		struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
		fd = (int)syscall(SYS_openat2, fd, subpath, &how, sizeof how);
		if (fd < 0)
			fail(subpath);
	}
	unsigned recursive = strchr(flags, 'n') == NULL ? AT_RECURSIVE : 0;
	int tree = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
	if (tree < 0)
		fail(source);
	struct mount_attr attributes = {.attr_set = strchr(flags, 'r') == NULL ? 0 : MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) < 0)
		fail(source);
	return tree;
}

/* Never in the daemon's own namespace: what is mounted below a machine's folder there would be deleted with the folder. */
static void enter(const char *pid)
{
	char path[64];
	struct stat own, other;
	snprintf(path, sizeof path, "/proc/%s/ns/mnt", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &other) < 0 || stat("/proc/self/ns/mnt", &own) < 0)
		fail("the machine's mounts");
	if (own.st_ino == other.st_ino && own.st_dev == other.st_dev) {
		fprintf(stderr, "the machine has no mounts of its own\n");
		exit(1);
	}
	if (setns(fd, CLONE_NEWNS) < 0)
		fail("the machine's mounts");
}

int main(int argc, char **argv)
{
	if (argc < 3 || (argc - 3) % 4 != 0)
		return 2;
	int count = (argc - 3) / 4;
	int trees[count + 1];
	for (int i = 0; i < count; i++)
		trees[i] = take(argv[4 + 4 * i], argv[5 + 4 * i], argv[6 + 4 * i]);
	enter(argv[1]);
	if (chdir(argv[2]) < 0)
		fail(argv[2]);
	for (int i = 0; i < count; i++) {
		const char *name = argv[3 + 4 * i];
		struct stat info;
		if (fstat(trees[i], &info) < 0)
			fail(argv[5 + 4 * i]);
		int made = S_ISDIR(info.st_mode) ? mkdir(name, 0700) : mknod(name, S_IFREG | 0600, 0);
		if ((made < 0 && errno != EEXIST) || syscall(SYS_move_mount, trees[i], "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			fail(argv[5 + 4 * i]);
	}
	return 0;
}
