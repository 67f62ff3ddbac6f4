/*
 * The rate of the host's time stamp counter. An emulated guest would measure it against an emulated timer, and on a busy
 * host gets it wrong or hangs; so it is measured out here and told to the guest's kernel.
 */
#include "agent.h"

#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct moment {
	uint64_t ticks;
	int64_t ns;
};

/* Counter and clock read together: of several tries the one least disturbed. */
static struct moment read_moment(void)
{
	struct moment best = {0};
	uint64_t narrowest = UINT64_MAX;
	for (int i = 0; i < 50; i++) {
		struct timespec t;
		uint64_t before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		uint64_t after = __rdtsc();
		if (after - before >= narrowest)
			continue;
		narrowest = after - before;
		best = (struct moment){before + narrowest / 2, t.tv_sec * 1000000000ll + t.tv_nsec};
	}
	return best;
}

int clock_print_tsc_khz(void)
{
	struct moment from = read_moment();
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	struct moment to = read_moment();
	unsigned __int128 ticks = to.ticks - from.ticks;
	uint64_t ns = (uint64_t)(to.ns - from.ns);
	printf("%llu\n", (unsigned long long)((ticks * 1000000 + ns / 2) / ns));
	return 0;
}
