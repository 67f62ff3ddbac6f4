/* What runs in the container, and what it uses: from /proc, the cgroup and the links. */
#include "container.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void report_processes(struct writer *w)
{
	write_u32(w, 0);
}

void report_statistics(struct writer *w)
{
	write_u64(w, now_ms());
}
