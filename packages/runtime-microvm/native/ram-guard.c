/*
 * Preloaded into QEMU for a clone. QEMU 7.2 opens a RAM file read-write even when it maps it privately, and gives freed
 * guest pages back by punching holes into that file: it would destroy the template under all other clones.
 *
 * Here the path in BERTH_RAM is opened read-only (a private map needs no more), and holes are never punched into it. QEMU
 * then drops the pages of its own map (MADV_DONTNEED), which is what frees a clone's memory: the page reads as the
 * template's again, and a guest expects nothing of a page it has reported as free.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static dev_t ram_device;
static ino_t ram_inode;

static int is_ram_path(const char *path)
{
	const char *ram = getenv("BERTH_RAM");
	return ram != NULL && path != NULL && strcmp(ram, path) == 0;
}

int open64(const char *path, int flags, ...)
{
	static int (*next)(const char *, int, ...);
	va_list arguments;
	va_start(arguments, flags);
	int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, int) : 0;
	va_end(arguments);
	if (next == NULL)
		next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
	if (!is_ram_path(path))
		return next(path, flags, mode);
	int fd = next(path, (flags & ~(O_ACCMODE | O_CREAT)) | O_RDONLY, 0);
	struct stat info;
	if (fd >= 0 && fstat(fd, &info) == 0) {
		ram_device = info.st_dev;
		ram_inode = info.st_ino;
	}
	return fd;
}

/* What a fortified build (Debian's) calls when the flags are not known at compile time. */
int __open64_2(const char *path, int flags)
{
	return open64(path, flags);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	static int (*next)(int, int, off64_t, off64_t);
	struct stat info;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && ram_inode != 0 && fstat(fd, &info) == 0 && info.st_ino == ram_inode && info.st_dev == ram_device)
		return 0;
	if (next == NULL)
		next = (int (*)(int, int, off64_t, off64_t))dlsym(RTLD_NEXT, "fallocate64");
	return next(fd, mode, offset, length);
}
