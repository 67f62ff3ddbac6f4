/* The last steps of a child: who it is, where it is, what it runs. Nothing here returns except with a fault. */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void read_process_spec(struct reader *r, struct process_spec *spec)
{
	*spec = (struct process_spec){0};
	spec->args = read_strings(r);
	spec->env = read_strings(r);
	spec->cwd = read_string(r);
	spec->user = read_string(r);
	spec->groups = read_strings(r);
	spec->terminal = read_u8(r);
	spec->columns = (uint16_t)read_u32(r);
	spec->rows = (uint16_t)read_u32(r);
	spec->stdin_open = read_u8(r);
	spec->rlimit_count = read_u32(r);
	spec->rlimits = *r;
	for (uint32_t i = 0; i < spec->rlimit_count && !r->bad; i++) {
		read_u32(r);
		read_u64(r);
		read_u64(r);
	}
	spec->capabilities = read_u64(r);
	spec->no_new_privileges = read_u8(r);
	if (spec->args.count == 0)
		r->bad = true;
}

static const char *environment_get(char **env, const char *name)
{
	size_t length = strlen(name);
	for (; *env != NULL; env++)
		if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
			return *env + length + 1;
	return NULL;
}

/* 0 when the path is a file somebody may execute, an errno otherwise: Go's rule, which ignores who asks. */
static int executable(const char *path)
{
	struct stat info;
	if (stat(path, &info) < 0)
		return errno;
	if (S_ISDIR(info.st_mode))
		return EISDIR;
	return info.st_mode & 0111 ? 0 : EACCES;
}

/* Finds the program; the sentences are those of Go's exec.LookPath. */
static int look_up(const char *name, const char *path, char *found, size_t size, struct fault *fault)
{
	if (strchr(name, '/') != NULL) {
		int error = executable(name);
		if (error == 0) {
			snprintf(found, size, "%s", name);
			return 0;
		}
		if (error == EACCES || error == EISDIR)
			return fault_set(fault, "command-not-executable", "exec: \"%s\": %s", name, error_text(error));
		return fault_set(fault, "command-not-found", "exec: \"%s\": stat %s: %s", name, name, error_text(error));
	}
	while (*name != 0 && *path != 0) {
		size_t length = strcspn(path, ":");
		if (length == 0)
			snprintf(found, size, "./%s", name);
		else
			snprintf(found, size, "%.*s/%s", (int)length, path, name);
		if (executable(found) == 0)
			return 0;
		path += length + (path[length] == ':');
	}
	return fault_set(fault, "command-not-found", "exec: \"%s\": executable file not found in $PATH", name);
}

static int enter_directory(const char *cwd, struct fault *fault)
{
	if (chdir(cwd) == 0)
		return 0;
	return fault_set(fault, "cwd-invalid", "chdir to cwd (\"%s\") set in config.json failed: %s", cwd, error_text(errno));
}

int process_execute(const struct process_spec *spec, bool main_process, struct fault *fault)
{
	struct identity identity;
	if (user_resolve(spec->user, &spec->groups, &identity, fault) < 0)
		return -1;

	boot_trace(" user known");
	char **args = strings_vector(&spec->args, 0);
	char **env = strings_vector(&spec->env, 2);
	if (args == NULL || env == NULL)
		return fault_set(fault, "memory-exhausted", "no memory for the process's arguments");
	uint32_t variables = spec->env.count;
	char home[264];
	if (environment_get(env, "HOME") == NULL) {
		snprintf(home, sizeof home, "HOME=%s", *identity.home ? identity.home : "/");
		env[variables++] = home;
	}
	if (spec->terminal && environment_get(env, "TERM") == NULL)
		env[variables++] = "TERM=xterm";

	const char *cwd = *spec->cwd ? spec->cwd : "/";
	if (main_process && directories_make(cwd, 0755) < 0 && errno != EROFS)
		return fault_set(fault, "cwd-invalid", "mkdir %s: %s", cwd, error_text(errno));
	/* Tried with full rights first; a directory only the user may enter is entered as the user. */
	bool entered = chdir(cwd) == 0;
	/* So that a user other than root may open /dev/stdout again. */
	if (identity.uid != 0)
		for (int fd = 0; fd < 3; fd++) {
			struct stat info;
			if (fstat(fd, &info) == 0 && (S_ISFIFO(info.st_mode) || spec->terminal) &&
			    fchown(fd, identity.uid, info.st_gid) < 0)
				break;
		}
	if (credentials_apply(spec, &identity, fault) < 0)
		return -1;
	if (!entered && enter_directory(cwd, fault) < 0)
		return -1;

	boot_trace(" credentials set");
	const char *path = environment_get(env, "PATH");
	char program[4096];
	if (look_up(args[0], path == NULL ? DEFAULT_PATH : path, program, sizeof program, fault) < 0)
		return -1;

	/* Handlers end with exec by themselves; what is ignored would stay so, and the agent ignores only this one. */
	signal(SIGPIPE, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	boot_trace(" program found");
	execve(program, args, env);
	int error = errno;
	if (error == ENOENT)
		return fault_set(fault, "command-not-found", "exec %s: %s", program, error_text(error));
	return fault_set(fault, "command-not-executable", "exec %s: %s", program, error_text(error));
}
