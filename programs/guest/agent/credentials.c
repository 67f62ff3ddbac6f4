/* What a process may do: resource limits, capabilities, ids. In that order, since each step gives up what the next needs. */
#include "agent.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY_LAST 40

static int drop_bounding(uint64_t keep, struct fault *fault)
{
	for (unsigned capability = 0; capability <= CAPABILITY_LAST; capability++)
		if (!(keep >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
			return fault_set(fault, "internal", "dropping capability %u: %s", capability, error_text(errno));
	return 0;
}

/* uid 0 holds exactly the given set; everyone else none, as Docker has it. */
static int set_capabilities(uint64_t set, struct fault *fault)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
	    {.effective = (uint32_t)set, .permitted = (uint32_t)set},
	    {.effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32)},
	};
	if (syscall(SYS_capset, &header, data) < 0)
		return fault_set(fault, "internal", "capset: %s", error_text(errno));
	return 0;
}

int credentials_apply(const struct process_spec *spec, const struct identity *identity, struct fault *fault)
{
	struct reader r = spec->rlimits;
	for (uint32_t i = 0; i < spec->rlimit_count; i++) {
		uint32_t resource = read_u32(&r);
		struct rlimit limit;
		limit.rlim_cur = read_u64(&r);
		limit.rlim_max = read_u64(&r);
		if (setrlimit((int)resource, &limit) < 0)
			return fault_set(fault, "rlimit-invalid", "error setting rlimit type %u: %s", resource, error_text(errno));
	}
	uint64_t capabilities = spec->capabilities & ((2ull << CAPABILITY_LAST) - 1);
	if (drop_bounding(capabilities, fault) < 0)
		return -1;
	if (setgroups((size_t)identity->group_count, identity->groups) < 0)
		return fault_set(fault, "internal", "setgroups: %s", error_text(errno));
	if (setresgid(identity->gid, identity->gid, identity->gid) < 0)
		return fault_set(fault, "internal", "setgid %u: %s", identity->gid, error_text(errno));
	if (setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return fault_set(fault, "internal", "setuid %u: %s", identity->uid, error_text(errno));
	if (identity->uid == 0 && set_capabilities(capabilities, fault) < 0)
		return -1;
	if (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fault_set(fault, "internal", "no_new_privs: %s", error_text(errno));
	return 0;
}
