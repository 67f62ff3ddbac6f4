/*
 * Preloaded into QEMU for a clone. Since QEMU 7.2's answer to CVE-2023-2861 its 9p server opens nothing but files and
 * directories of the host, so that no guest gets hold of a device; but it also looks that way at what it has only a path
 * of (O_PATH), to give a socket or pipe its mode, and so can make none. A path opens nothing: there a special file passes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

int fstat64(int fd, struct stat64 *info)
{
	static int (*next)(int, struct stat64 *);
	if (next == NULL)
		next = (int (*)(int, struct stat64 *))dlsym(RTLD_NEXT, "fstat64");
	int result = next(fd, info);
	if (result == 0 && (S_ISFIFO(info->st_mode) || S_ISSOCK(info->st_mode)) && (fcntl(fd, F_GETFL) & O_PATH))
		info->st_mode = (info->st_mode & ~(mode_t)S_IFMT) | S_IFREG;
	return result;
}
