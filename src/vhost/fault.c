/*
 * Faults of the VMM, such as memory that it does not share: shown to the parent
 * and logged.  Used by requests.c, ring.c and worker.c.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"
#include "vhost/worker.h"

#define MEMORY_TIME (3 * NS_PER_SEC) /* for the frontend to share memory */

void
worker_show_fault(struct worker *w, enum fault fault)
{
	__atomic_store_n(&w->page->fault, (uint64_t)fault, __ATOMIC_RELEASE);
}

void
worker_fault(struct worker *w, enum fault fault)
{
	worker_show_fault(w, fault);
	if ((w->faults & (1U << fault)) != 0)
		return;
	w->faults |= 1U << fault;
	log_warning("cannot serve the guest: %s",
	    names_text(names_fault_text, fault));
}

void
worker_expect_memory(struct worker *w)
{
	w->memory_due = w->memory.nregions == 0 ? clock_now() + MEMORY_TIME : 0;
}

void
worker_check_memory(struct worker *w)
{
	if (w->memory_due == 0 ||
	    (w->memory.nregions == 0 && clock_now() < w->memory_due))
		return;
	w->memory_due = 0;
	if (w->memory.nregions == 0)
		worker_fault(w, FAULT_MEMORY);
}
