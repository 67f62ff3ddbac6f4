/* Before a template is saved: everything a start runs is run once, so that its pages and caches are warm in all clones. */
#include "container.h"

#include <string.h>
#include <sys/wait.h>

int rehearse(struct fault *fault)
{
	(void)fault;
	return 0;
}
