/* How the writable directory of an overlay differs from what lies below it. Both are walked by descriptors, side by side. */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <linux/openat2.h>
#include <unistd.h>

enum change_kind { CHANGE_MODIFIED, CHANGE_ADDED, CHANGE_DELETED };

struct change {
	uint8_t kind;
	char *path;
};

static struct change *changes;
static size_t count, capacity;
static struct archive_path path;

static void add(size_t place, uint8_t kind, const char *name)
{
	if (count == capacity) {
		capacity = capacity == 0 ? 64 : capacity * 2;
		changes = realloc(changes, capacity * sizeof *changes);
		if (changes == NULL)
			_exit(2);
	}
	memmove(changes + place + 1, changes + place, (count - place) * sizeof *changes);
	changes[place] = (struct change){kind, strdup(name)};
	count++;
}

/* What is made for mounting on it, where the image has none. Docker keeps the same below the container's own layer. */
static bool is_ours(const char *name, const struct stat *st)
{
	static const char *const made[] = {"dev", "dev/pts", "dev/shm", "dev/mqueue", "dev/console", "etc", "etc/hosts", "etc/hostname",
	                                   "etc/resolv.conf", "proc", "sys"};
	if (!S_ISDIR(st->st_mode) && !(S_ISREG(st->st_mode) && st->st_size == 0))
		return false;
	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		if (strcmp(made[i], name) == 0)
			return true;
	return false;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int directory)
{
	char value;
	return fgetxattr(directory, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static ssize_t capability(int directory, const char *name, char *value, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : fgetxattr(fd, "security.capability", value, size);
	if (fd >= 0)
		close(fd);
	return length < 0 ? 0 : length;
}

/* Times of layers are whole seconds. */
static bool same_time(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       (a->st_mtim.tv_nsec == b->st_mtim.tv_nsec || a->st_mtim.tv_nsec == 0 || b->st_mtim.tv_nsec == 0);
}

static bool differs(int upper, int lower, const char *name, const struct stat *su, const struct stat *sl)
{
	if (su->st_mode != sl->st_mode || su->st_uid != sl->st_uid || su->st_gid != sl->st_gid || su->st_rdev != sl->st_rdev)
		return true;
	if (!S_ISDIR(su->st_mode) && (su->st_size != sl->st_size || !same_time(su, sl)))
		return true;
	if (!S_ISREG(su->st_mode))
		return false;
	char ours[64], theirs[64];
	ssize_t length = capability(upper, name, ours, sizeof ours);
	return length != capability(lower, name, theirs, sizeof theirs) || memcmp(ours, theirs, (size_t)length) != 0;
}

static int open_directory(int parent, const char *name)
{
	return parent < 0 ? -1 : openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
}

static void compare(int upper, int lower);

static void compare_entry(int upper, int lower, const char *name)
{
	struct stat su, sl;
	if (fstatat(upper, name, &su, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	bool below = lower >= 0 && fstatat(lower, name, &sl, AT_SYMLINK_NOFOLLOW) == 0 && !is_whiteout(&sl);
	if (is_whiteout(&su)) {
		if (below)
			add(count, CHANGE_DELETED, path.text);
		return;
	}
	size_t place = count;
	bool told = true;
	if (!below && !is_ours(path.text, &su))
		add(place, CHANGE_ADDED, path.text);
	else if (below && differs(upper, lower, name, &su, &sl))
		add(place, CHANGE_MODIFIED, path.text);
	else
		told = !below;
	if (!S_ISDIR(su.st_mode))
		return;
	int inside = open_directory(upper, name), beneath = below ? open_directory(lower, name) : -1;
	if (inside >= 0)
		compare(inside, beneath);
	if (inside >= 0)
		close(inside);
	if (beneath >= 0)
		close(beneath);
	/* A directory in which something changed has changed. */
	if (!told && count > place)
		add(place, CHANGE_MODIFIED, path.text);
}

static void compare(int upper, int lower)
{
	char **names = archive_names(upper);
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		size_t before = path_extend(&path, names[i]);
		compare_entry(upper, lower, names[i]);
		path_shorten(&path, before);
	}
	free(names);
	if (lower < 0 || !is_opaque(upper))
		return;
	names = archive_names(lower);
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		struct stat st;
		if (fstatat(upper, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		size_t before = path_extend(&path, names[i]);
		add(count, CHANGE_DELETED, path.text);
		path_shorten(&path, before);
	}
	free(names);
}

/* The directory a changed file lies in, without following a link on the way. */
static int parent_of(int root, const char *name)
{
	char *copy = strdup(name);
	char *slash = copy == NULL ? NULL : strrchr(copy, '/');
	if (slash != NULL)
		*slash = 0;
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, root, slash == NULL ? "." : copy, &how, sizeof how);
	free(copy);
	return fd;
}

static int put_content(int root, const struct change *change, struct fault *fault)
{
	const char *slash = strrchr(change->path, '/');
	const char *name = slash == NULL ? change->path : slash + 1;
	if (change->kind == CHANGE_DELETED) {
		struct writer w = {0};
		struct archive_path mark = {0};
		char white[300];
		snprintf(white, sizeof white, ".wh.%s", name);
		path_extend(&mark, "");
		if (slash != NULL) {
			char *directory = strndup(change->path, (size_t)(slash - change->path));
			path_extend(&mark, directory);
			free(directory);
		}
		path_extend(&mark, white);
		write_u8(&w, KIND_FILE);
		write_u32(&w, 0600);
		for (int i = 0; i < 2; i++)
			write_u32(&w, 0);
		write_u64(&w, 0);
		write_u64(&w, now_ms() / 1000);
		for (int i = 0; i < 3; i++)
			write_u32(&w, 0);
		write_string(&w, mark.text);
		write_string(&w, "");
		write_u32(&w, 0);
		records_put(TAG_ENTRY, &w);
		free(mark.text);
		return 0;
	}
	int parent = parent_of(root, change->path), directory = -1;
	if (parent < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? 0 : archive_failed(fault, "open", change->path);
	struct archive_path own = {0};
	path_extend(&own, change->path);
	int result = archive_put(parent, name, &own, &directory, fault);
	if (directory >= 0)
		close(directory);
	free(own.text);
	close(parent);
	return result;
}

int archive_changes(int upper, int lower, bool contents, struct fault *fault)
{
	path_extend(&path, "");
	compare(upper, lower);
	for (size_t i = 0; i < count; i++) {
		struct writer w = {0};
		if (contents) {
			if (put_content(upper, &changes[i], fault) < 0)
				return -1;
			continue;
		}
		write_u8(&w, changes[i].kind);
		write_string(&w, changes[i].path);
		records_put(TAG_CHANGE, &w);
	}
	struct writer nothing = {0};
	records_put(TAG_END, &nothing);
	return 0;
}
