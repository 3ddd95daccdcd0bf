#include <bsd/string.h>
#include <bsd/unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "parent/host/process_exec.h"

/*
 * A signal meant for the daemon may reach its children as well (^C, a service
 * manager): the parent ends them, in order.
 */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
		SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		if (signal(ignored[i], SIG_IGN) == SIG_ERR)
			_exit(127);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
		_exit(127);
}

_Noreturn void
process_exec(const struct process *p, int channel)
{
	char path[1024];
	const char *name = p->about != NULL ? p->about->name : NULL;
	char *argv[] = { path, (char *)(uintptr_t)name, NULL };
	char *envp[] = { NULL };
	int null;

	/* Out of the way of the descriptors that are set next. */
	channel = fcntl(channel, F_DUPFD, CHANNEL_FD + 1);
	null = open("/dev/null", O_RDWR);
	if (channel == -1 || null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1)
		_exit(127);
#ifndef VRNGD_SANITIZE /* whose reports go there */
	if (dup2(null, STDERR_FILENO) == -1)
		_exit(127);
#endif
	if (dup2(channel, CHANNEL_FD) == -1)
		_exit(127);
	closefrom(CHANNEL_FD + 1);
	ignore_signals();
	strlcpy(path, p->env->libexec, sizeof(path));
	strlcat(path, "/", sizeof(path));
	if (strlcat(path, p->ops->program, sizeof(path)) >= sizeof(path))
		_exit(127);
	execve(path, argv, envp);
	_exit(127);
}
