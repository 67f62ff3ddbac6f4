/* Faults and the kernel's errors in Docker's spelling. */
#include "agent.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, const char *code, const char *format, ...)
{
	va_list arguments;
	snprintf(fault->code, sizeof fault->code, "%s", code);
	va_start(arguments, format);
	vsnprintf(fault->message, sizeof fault->message, format, arguments);
	va_end(arguments);
	return -1;
}

const char *error_text(int error)
{
	static char text[96];
	/* Where glibc and Go disagree in more than the first letter. */
	switch (error) {
	case EINVAL: return "invalid argument";
	case EIO: return "input/output error";
	case ENOEXEC: return "exec format error";
	default: break;
	}
	snprintf(text, sizeof text, "%s", strerror(error));
	text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}
