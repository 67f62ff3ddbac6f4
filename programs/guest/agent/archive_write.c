/*
 * Entries into a directory, by the rules docker unpacks by: what is there is replaced, directories merge, missing parents
 * are made, links on the way are followed (inside the root: this process has no other).
 */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BLOCK 4096
#define DIRECT_LEAST (64 << 10)

struct target {
	int directory;
	const char *path; /* as the user knows it, without a slash at its end */
	bool keep_kinds;
	const struct identity *owner;
};

/* Directories get their time last: everything made in them changes it. */
struct dated {
	struct dated *next;
	struct timespec time;
	char path[];
};
static struct dated *dated;

/* Removes whatever has this name, by descriptors: nothing outside of it, whatever somebody else does meanwhile. */
static int remove_tree(int parent, const char *name)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	int error = errno, fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		errno = errno == ENOTDIR ? error : errno;
		return -1;
	}
	char **names = archive_names(fd);
	int result = 0;
	for (size_t i = 0; names != NULL && names[i] != NULL && result == 0; i++)
		result = remove_tree(fd, names[i]);
	free(names);
	error = errno;
	close(fd);
	errno = error;
	return result < 0 ? -1 : unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* The part before the last slash, made if it is missing. */
static int make_parents(const struct target *to, const char *path, struct fault *fault)
{
	char partial[PATH_MAX];
	struct stat st;
	snprintf(partial, sizeof partial, "%s", path);
	char *last = strrchr(partial, '/');
	if (last == NULL)
		return 0;
	*last = 0;
	if (fstatat(to->directory, partial, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	for (char *at = partial; at != NULL; at = at == NULL ? NULL : strchr(at + 1, '/')) {
		char *end = strchr(at + 1, '/');
		if (end != NULL)
			*end = 0;
		if (mkdirat(to->directory, partial, 0755) < 0 && errno != EEXIST)
			return archive_failed(fault, "mkdir", partial);
		if (end != NULL)
			*end = '/';
	}
	return 0;
}

/* Makes room for an entry. 1: a directory is there and stays. */
static int make_room(const struct target *to, const struct archive_entry *entry, struct fault *fault)
{
	struct stat st;
	if (fstatat(to->directory, entry->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : archive_failed(fault, "lstat", entry->path);
	bool is_directory = S_ISDIR(st.st_mode), becomes_directory = entry->kind == KIND_DIRECTORY;
	if (is_directory && becomes_directory)
		return 1;
	if (to->keep_kinds && is_directory)
		return fault_set(fault, "cannot-overwrite", "cannot overwrite directory \"%s/%s\" with non-directory \"%s\"", to->path, entry->path,
		                 *to->path == 0 ? "/" : to->path);
	if (to->keep_kinds && becomes_directory)
		return fault_set(fault, "cannot-overwrite", "cannot overwrite non-directory \"%s/%s\" with directory \"%s\"", to->path, entry->path,
		                 *to->path == 0 ? "/" : to->path);
	if (remove_tree(to->directory, entry->path) < 0)
		return archive_failed(fault, "unlinkat", entry->path);
	return 0;
}

static int write_all(int fd, const uint8_t *data, size_t length)
{
	while (length > 0) {
		ssize_t put = write(fd, data, length);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		data += put;
		length -= (size_t)put;
	}
	return 0;
}

/* Content in whole blocks goes past the memory of the guest's files, where the file system can do that. Gives how much did. */
static size_t write_direct(int fd, const uint8_t *data, size_t length)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	length -= length % BLOCK;
	if (length < DIRECT_LEAST || (uintptr_t)data % BLOCK != 0 || at % BLOCK != 0)
		return 0;
	int flags = fcntl(fd, F_GETFL);
	if (fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
		return 0;
	ssize_t put = write(fd, data, length);
	fcntl(fd, F_SETFL, flags);
	return put > 0 ? (size_t)put : 0;
}

static int ended_early(struct fault *fault)
{
	return fault_set(fault, "archive-invalid", "unexpected EOF");
}

/* The content of a file: data and holes that come to just its size. `fd` -1: taken and dropped. */
static int take_content(int fd, const struct archive_entry *entry, struct fault *fault)
{
	uint64_t left = entry->size;
	bool ends_in_hole = false;
	while (left > 0) {
		uint8_t tag = records_next();
		uint64_t length = tag == TAG_DATA ? records_data() : tag == TAG_HOLE ? records_hole() : 0;
		if (length == 0 || length > left)
			return ended_early(fault);
		left -= length;
		ends_in_hole = tag == TAG_HOLE;
		if (tag == TAG_HOLE && fd >= 0 && lseek(fd, (off_t)length, SEEK_CUR) < 0)
			return archive_failed(fault, "lseek", entry->path);
		while (tag == TAG_DATA && length > 0) {
			const uint8_t *data;
			size_t size = records_view(&data, length);
			if (size == 0)
				return ended_early(fault);
			size_t done = fd < 0 ? size : write_direct(fd, data, size);
			if (write_all(fd, data + done, size - done) < 0)
				return archive_failed(fault, "write", entry->path);
			length -= size;
		}
	}
	if (ends_in_hole && fd >= 0 && ftruncate(fd, (off_t)entry->size) < 0)
		return archive_failed(fault, "truncate", entry->path);
	return 0;
}

static void set_xattrs(int fd, const struct archive_entry *entry)
{
	struct reader r = entry->xattrs;
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		const char *name = read_string(&r);
		struct bytes value = read_bytes(&r);
		/* The others belong to this system (overlayfs keeps its own there), or to none. What cannot be kept is let go, as docker does. */
		if (strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0)
			fsetxattr(fd, name, value.data, value.length, 0);
	}
}

/* Owner, attributes, mode, time: in this order, because changing the owner clears setuid and capabilities. */
static int set_metadata(int directory, int fd, const struct target *to, const struct archive_entry *entry, struct fault *fault)
{
	uid_t uid = to->owner != NULL ? to->owner->uid : entry->uid;
	gid_t gid = to->owner != NULL ? to->owner->gid : entry->gid;
	const struct timespec times[2] = {entry->mtime, entry->mtime};
	if (fchownat(directory, entry->path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return archive_failed(fault, "lchown", entry->path);
	if (fd >= 0) {
		set_xattrs(fd, entry);
		if (fchmod(fd, entry->mode & 07777) < 0)
			return archive_failed(fault, "chmod", entry->path);
		if (entry->kind != KIND_DIRECTORY && futimens(fd, times) < 0)
			return archive_failed(fault, "chtimes", entry->path);
		return 0;
	}
	if (entry->kind != KIND_SYMLINK && fchmodat(directory, entry->path, entry->mode & 07777, 0) < 0)
		return archive_failed(fault, "chmod", entry->path);
	if (utimensat(directory, entry->path, times, AT_SYMLINK_NOFOLLOW) < 0)
		return archive_failed(fault, "chtimes", entry->path);
	return 0;
}

static int make_file(const struct target *to, const struct archive_entry *entry, struct fault *fault)
{
	int fd = openat(to->directory, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return archive_failed(fault, "open", entry->path);
	int result = take_content(fd, entry, fault);
	if (result == 0)
		result = set_metadata(to->directory, fd, to, entry, fault);
	close(fd);
	return result;
}

static int make_directory(const struct target *to, const struct archive_entry *entry, bool there, struct fault *fault)
{
	if (!there && mkdirat(to->directory, entry->path, 0700) < 0)
		return archive_failed(fault, "mkdir", entry->path);
	int fd = openat(to->directory, entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return archive_failed(fault, "open", entry->path);
	int result = set_metadata(to->directory, fd, to, entry, fault);
	close(fd);
	struct dated *date = malloc(sizeof *date + strlen(entry->path) + 1);
	if (date != NULL) {
		date->next = dated;
		date->time = entry->mtime;
		strcpy(date->path, entry->path);
		dated = date;
	}
	return result;
}

static int make_entry(const struct target *to, const struct archive_entry *entry, struct fault *fault)
{
	if (make_parents(to, entry->path, fault) < 0)
		return -1;
	int there = make_room(to, entry, fault);
	if (there < 0)
		return -1;
	dev_t device = makedev(entry->major, entry->minor);
	switch (entry->kind) {
	case KIND_FILE:
		return make_file(to, entry, fault);
	case KIND_DIRECTORY:
		return make_directory(to, entry, there == 1, fault);
	case KIND_HARDLINK:
		/* Its metadata are those of the first name. */
		if (linkat(to->directory, entry->link, to->directory, entry->path, 0) < 0)
			return archive_failed(fault, "link", entry->link);
		return 0;
	case KIND_SYMLINK:
		if (symlinkat(entry->link, to->directory, entry->path) < 0)
			return archive_failed(fault, "symlink", entry->path);
		break;
	case KIND_CHARACTER:
	case KIND_BLOCK:
	case KIND_FIFO: {
		mode_t type = entry->kind == KIND_FIFO ? S_IFIFO : entry->kind == KIND_BLOCK ? S_IFBLK : S_IFCHR;
		if (mknodat(to->directory, entry->path, type | 0600, entry->kind == KIND_FIFO ? 0 : device) < 0)
			return archive_failed(fault, "mknod", entry->path);
		break;
	}
	default:
		return fault_set(fault, "archive-invalid", "unhandled tar header type %d", entry->kind);
	}
	return set_metadata(to->directory, -1, to, entry, fault);
}

/* The host has cleaned names already; this is the second lock on that door. */
static bool is_inside(const char *path)
{
	if (*path == '/')
		return false;
	for (const char *at = path; *at != 0;) {
		size_t length = strcspn(at, "/");
		if (length == 2 && at[0] == '.' && at[1] == '.')
			return false;
		at += length + (at[length] == '/');
	}
	return strlen(path) < PATH_MAX;
}

static int take_entries(const struct target *to, struct fault *fault)
{
	for (;;) {
		uint8_t tag = records_next();
		if (tag == TAG_END)
			return 0;
		struct archive_entry entry;
		if (tag != TAG_ENTRY)
			return ended_early(fault);
		int result = records_entry(&entry) < 0 ? ended_early(fault) : 0;
		if (result == 0 && (!is_inside(entry.path) || (entry.kind == KIND_HARDLINK && !is_inside(entry.link))))
			result = fault_set(fault, "archive-invalid", "\"%s\" is outside of \"%s\"", entry.path, to->path);
		/* The empty name is the directory itself, and stays as it is. */
		if (result == 0 && *entry.path != 0)
			result = make_entry(to, &entry, fault);
		else if (result == 0 && entry.kind == KIND_FILE)
			result = take_content(-1, &entry, fault);
		free(entry.body);
		if (result < 0)
			return -1;
	}
}

int archive_write(const char *path, bool keep_kinds, const struct identity *owner, struct fault *fault)
{
	char name[PATH_MAX];
	snprintf(name, sizeof name, "%s", path);
	for (size_t length = strlen(name); length > 0 && (name[length - 1] == '/' || (name[length - 1] == '.' && length > 1 && name[length - 2] == '/'));)
		name[--length] = 0;
	struct target to = {.path = name, .keep_kinds = keep_kinds, .owner = owner};
	struct stat st;
	/* As docker: whatever the path's last link leads to. */
	if (stat(*name == 0 ? "/" : name, &st) < 0)
		return archive_failed(fault, "lstat", path);
	if (!S_ISDIR(st.st_mode))
		return fault_set(fault, "not-a-directory", "extraction point is not a directory");
	to.directory = open(*name == 0 ? "/" : name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (to.directory < 0)
		return archive_failed(fault, "open", path);
	int result = take_entries(&to, fault);
	for (struct dated *date = dated; date != NULL; date = date->next) {
		const struct timespec times[2] = {date->time, date->time};
		utimensat(to.directory, date->path, times, AT_SYMLINK_NOFOLLOW);
	}
	close(to.directory);
	return result;
}
