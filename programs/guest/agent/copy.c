/* Copies what an image has at a volume's place into the volume, when that is empty: with owners, modes, times, links. */
#include "container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Files with several names: the first copy, for the others to be linked to. */
struct linked {
	dev_t device;
	ino_t inode;
	int directory;
	char *name;
	struct linked *next;
};

static int copy_directory(int from, int to, struct linked **links);

static DIR *directory_of(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = own < 0 ? NULL : fdopendir(own);
	if (directory == NULL && own >= 0)
		close(own);
	return directory;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int is_empty(int fd)
{
	DIR *directory = directory_of(fd);
	if (directory == NULL)
		return -1;
	int empty = 1;
	for (struct dirent *entry; empty && (entry = readdir(directory)) != NULL;)
		empty = is_dots(entry->d_name);
	closedir(directory);
	return empty;
}

/* Best effort: a host's file system may refuse some. */
static void copy_attributes(int from, int to)
{
	char names[4096], value[4096];
	ssize_t length = flistxattr(from, names, sizeof names);
	for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, value, sizeof value);
		if (size >= 0 && fsetxattr(to, name, value, (size_t)size, 0) < 0)
			continue;
	}
}

static int copy_content(int from, int to)
{
	for (;;) {
		ssize_t sent = sendfile(to, from, NULL, 1 << 20);
		if (sent == 0)
			return 0;
		if (sent < 0 && errno != EINTR)
			return -1;
	}
}

/* Owner before mode: a change of owner drops the set-user-id bit. */
static int finish(int fd, const struct stat *info)
{
	const struct timespec times[2] = {info->st_atim, info->st_mtim};
	if (fchown(fd, info->st_uid, info->st_gid) < 0 || fchmod(fd, info->st_mode & 07777) < 0)
		return -1;
	futimens(fd, times);
	return 0;
}

static int copy_opened(int from, int to, const struct stat *info, struct linked **links)
{
	int result = S_ISDIR(info->st_mode) ? copy_directory(from, to, links) : copy_content(from, to);
	if (result == 0) {
		copy_attributes(from, to);
		result = finish(to, info);
	}
	return result;
}

static int copy_node(int from, int to, const char *name, const struct stat *info)
{
	char target[4096];
	const struct timespec times[2] = {info->st_atim, info->st_mtim};
	if (S_ISLNK(info->st_mode)) {
		ssize_t length = readlinkat(from, name, target, sizeof target - 1);
		if (length < 0)
			return -1;
		target[length] = 0;
		if (symlinkat(target, to, name) < 0)
			return -1;
	} else if (S_ISSOCK(info->st_mode)) {
		return 0;
	} else if (mknodat(to, name, info->st_mode, info->st_rdev) < 0) {
		return -1;
	}
	if (fchownat(to, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_entry(int from, int to, const char *name, struct linked **links)
{
	struct stat info;
	if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
		for (struct linked *one = *links; one != NULL; one = one->next)
			if (one->device == info.st_dev && one->inode == info.st_ino)
				return linkat(one->directory, one->name, to, name, 0);
		/* Where memory or descriptors run out, it becomes a file of its own. */
		struct linked *one = malloc(sizeof *one);
		char *known = strdup(name);
		int directory = dup(to);
		if (one != NULL && known != NULL && directory >= 0) {
			*one = (struct linked){info.st_dev, info.st_ino, directory, known, *links};
			*links = one;
		} else {
			free(one);
			free(known);
			if (directory >= 0)
				close(directory);
		}
	}
	if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode))
		return copy_node(from, to, name, &info);
	bool directory = S_ISDIR(info.st_mode);
	if (directory && mkdirat(to, name, 0700) < 0)
		return -1;
	int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int copy = openat(to, name, directory ? O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int result = source < 0 || copy < 0 ? -1 : copy_opened(source, copy, &info, links);
	int error = errno;
	if (source >= 0)
		close(source);
	if (copy >= 0)
		close(copy);
	errno = error;
	return result;
}

static int copy_directory(int from, int to, struct linked **links)
{
	DIR *directory = directory_of(from);
	if (directory == NULL)
		return -1;
	int result = 0;
	for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;)
		if (!is_dots(entry->d_name))
			result = copy_entry(from, to, entry->d_name, links);
	int error = errno;
	closedir(directory);
	errno = error;
	return result;
}

int copy_into_empty(const char *source, int tree)
{
	struct stat info;
	struct linked *links = NULL;
	int from = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	int to = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = to < 0 ? -1 : is_empty(to);
	if (result > 0)
		result = fstat(from, &info) < 0 ? -1 : copy_opened(from, to, &info, &links);
	int error = errno;
	while (links != NULL) {
		struct linked *next = links->next;
		close(links->directory);
		free(links->name);
		free(links);
		links = next;
	}
	close(from);
	if (to >= 0)
		close(to);
	errno = error;
	return result;
}
