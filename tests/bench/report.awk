# report.awk: medians and ratios of a run, as text with Markdown's tables, and
# as JSON.
#
# usage: awk -f names.awk -f report.awk -v json=FILE MACHINE TARGETS RESULTS

function trim(s) { gsub(/^ +| +$/, "", s); return s }

# Sorts a[1..n].
function sort(a, n,    i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
			t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
		}
}

# Of the n numbers that stand in a string; sets low and high.
function median(list,    a, n, i) {
	n = split(list, a, " ")
	for (i = 1; i <= n; i++)
		a[i] += 0
	sort(a, n)
	low = a[1]; high = a[n]
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

function number(x) {
	if (x >= 1000)
		return sprintf("%.0f", x)
	return x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x)
}

function shown(key, scale,    s) {
	if (!(key in values))
		return ""
	s = number(median(values[key]) * scale)
	return s ~ /\./ ? s : thousands(s)
}

# Sets off the thousands, for people.
function thousands(s,    out) {
	while (length(s) > 3) {
		out = "," substr(s, length(s) - 2) out
		s = substr(s, 1, length(s) - 3)
	}
	return s out
}

# Round by round; what has no such round is left out.
function ratios(over, under,    i, list, v, w) {
	for (i = 1; i <= rounds; i++) {
		v = one[over, i]
		w = one[under, i]
		if (v == "" || under != "" && (w == "" || w + 0 == 0))
			continue
		list = list " " (under == "" ? v : v / w)
	}
	return list
}

function works_table(    i, work, server, k, row) {
	print "| work | server | requests/s | MB/s | p50 µs | p99 µs |" \
	    " p99.9 µs | CPU µs a request |"
	print "|---|---|---:|---:|---:|---:|---:|---:|"
	for (i = 1; i <= npairs; i++) {
		k = pairs[i]
		split(k, row, SUBSEP)
		if (!((k, "requests_per_s") in values))
			continue
		printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n",
		    title(row[1]), server_name(row[2]),
		    shown(k SUBSEP "requests_per_s", 1),
		    shown(k SUBSEP "mb_per_s", 1),
		    shown(k SUBSEP "us_p50", 1), shown(k SUBSEP "us_p99", 1),
		    shown(k SUBSEP "us_p999", 1),
		    shown(k SUBSEP "cpu_us_per_request", 1)
	}
}

function guests_table(    i, k, row) {
	if (!any_guest)
		return
	print ""
	print "| in a guest, 5,000 reads of 64 bytes | seconds |"
	print "|---|---:|"
	for (i = 1; i <= npairs; i++) {
		k = pairs[i]
		split(k, row, SUBSEP)
		if (row[1] == "guest")
			printf "| %s | %.2f |\n", server_name(row[2]),
			    median(values[k, "seconds"])
	}
}

function targets_table(    i, list, m, met, bound, part, want) {
	print ""
	print "| what | measured | of the rounds | wanted | |"
	print "|---|---:|---|---|---|"
	for (i = 1; i <= ntargets; i++) {
		split(over[i], part, SUBSEP)
		if (!(part[1] in done))
			continue
		list = ratios(over[i], under[i])
		split(bounds[i], bound, " ")
		want = bound[1] == "min" ? "at least " thousands(bound[2]) : \
		    bound[1] == "max" ? "at most " thousands(bound[2]) : ""
		if (list == "") {
			printf "| %s | | | %s | not measured |\n", texts[i],
			    want
			continue
		}
		m = median(list)
		met = bound[1] == "min" ? m >= bound[2] : m <= bound[2]
		printf "| %s | %s | %s to %s | %s | %s |\n", texts[i],
		    number(m), number(low), number(high), want,
		    bound[1] == "" ? "" : met ? "met" : "MISSED"
		targets[++nmeasured] = sprintf("{\"what\": \"%s\", " \
		    "\"value\": %.6g, \"min\": %.6g, \"max\": %.6g%s}",
		    texts[i], m, low, high, bound[1] == "" ? "" : \
		    sprintf(", \"%s\": %s, \"met\": %s",
		    bound[1] == "min" ? "at_least" : "at_most", bound[2],
		    met ? "true" : "false"))
	}
}

function write_json(    i, k, m, parts) {
	print "{\n\"machine\": {" >json
	for (i = 1; i <= nmachine; i++)
		printf "%s%s\n", machine[i], i < nmachine ? "," : "" >json
	print "},\n\"results\": [" >json
	for (i = 1; i <= nkeys; i++) {
		split(keys[i], parts, SUBSEP)
		m = median(values[keys[i]])
		printf "{\"work\": \"%s\", \"server\": \"%s\", " \
		    "\"metric\": \"%s\", \"median\": %.9g, \"min\": %.9g, " \
		    "\"max\": %.9g}%s\n", parts[1], parts[2], parts[3], m,
		    low, high, i < nkeys ? "," : "" >json
	}
	print "],\n\"targets\": [" >json
	for (i = 1; i <= nmeasured; i++)
		print targets[i] (i < nmeasured ? "," : "") >json
	print "]\n}" >json
}

FNR == 1 { file++ }

file == 1 {
	name = $1
	$1 = ""
	about[name] = trim($0)
	machine[++nmachine] = sprintf("\"%s\": \"%s\"", name, trim($0))
}

file == 2 && !/^#/ {
	n = split($0, part, "|")
	texts[++ntargets] = trim(part[1])
	bounds[ntargets] = trim(part[2])
	over[ntargets] = trim(part[3])
	gsub(/ +/, SUBSEP, over[ntargets])
	under[ntargets] = trim(part[4])
	gsub(/ +/, SUBSEP, under[ntargets])
}

file == 3 {
	pair = $2 SUBSEP $3
	key = pair SUBSEP $4
	if (!(pair in known))
		pairs[++npairs] = pair
	known[pair] = 1
	done[$2] = 1
	if (!(key in values))
		keys[++nkeys] = key
	values[key] = values[key] " " $5
	one[key, $1] = $5
	any_guest = any_guest || $2 == "guest"
	if ($1 > rounds)
		rounds = $1
}

END {
	printf "%s, %s CPUs, Linux %s; medians of %s rounds\n", about["cpu"],
	    about["cpus"], about["kernel"], about["rounds"]
	printf "vrngd %s", about["vrngd"]
	if ("vhost-device-rng" in about)
		printf ", vhost-device-rng %s", about["vhost-device-rng"]
	if ("qemu" in about)
		printf ", QEMU %s", about["qemu"]
	printf "\nload average before: %s; after: %s\n\n", about["load"],
	    about["load_after"]
	works_table()
	guests_table()
	targets_table()
	write_json()
}
