# compare.awk: what became better and worse from one run to another.
#
# usage: awk -f names.awk -f compare.awk OLD.json NEW.json
#
# Ends with 1 if the median of anything that vrngd did is worse by a tenth and
# all its rounds are worse than those before, or if it is missing.

# More is better of rates; of all else less is.
function more_is_better(metric) { return metric ~ /per_s$/ }

# Latencies beyond these, and what has no worth of its own, vary too much.
function is_told(metric) {
	return metric !~ /^(requests|shorts|us_p99|us_p999|us_max|first_ms_.*|kicks_per_request|switches_per_request|processes|idle_cpu_us)$/
}

# The servers whose values depend on vrngd.
function is_ours(server) { return server ~ /^(vrngd|drbg|polling.*|egd|egd-polling)$/ }

# By which part it became worse.
function worse_by(old, new, metric) {
	if (old == new)
		return 0
	if (more_is_better(metric))
		return new == 0 ? 1 : old / new - 1
	return old == 0 ? 1 : new / old - 1
}

FNR == 1 { file++ }

/^[{]"work"/ {
	metric = field("metric")
	if (!is_told(metric))
		next
	key = field("work") " " field("server") " " metric
	works[file, field("work")] = 1
	work[key] = field("work")
	ours[key] = is_ours(field("server"))
	median[file, key] = field("median") + 0
	low[file, key] = field("min") + 0
	high[file, key] = field("max") + 0
	if (file == 1)
		keys[++nkeys] = key
	seen[file, key] = 1
	metrics[key] = metric
}

END {
	printf "%-42s %12s %12s %9s\n", "", "before", "after", "worse by"
	for (i = 1; i <= nkeys; i++) {
		key = keys[i]
		if (!((2, key) in seen)) {
			lost = ours[key] && ((2, work[key]) in works)
			printf "%-42s %12g %12s%s\n", key, median[1, key], "-",
			    lost ? "            MISSING" : ""
			missing += lost
			continue
		}
		part = worse_by(median[1, key], median[2, key], metrics[key])
		apart = more_is_better(metrics[key]) ? \
		    high[2, key] < low[1, key] : low[2, key] > high[1, key]
		mark = part < 0.1 ? "" : !apart ? "  (rounds overlap)" : \
		    ours[key] ? "  WORSE" : "  (not vrngd's)"
		printf "%-42s %12g %12g %8.1f%%%s\n", key, median[1, key],
		    median[2, key], 100 * part, mark
		worse += part >= 0.1 && apart && ours[key]
	}
	if (worse > 0)
		printf "%d became worse by a tenth or more\n", worse
	if (missing > 0)
		printf "%d were measured before, and not after\n", missing
	exit worse + missing > 0
}
