# chart.awk: requests or bytes per second of every work, as bars in SVG.
#
# usage: awk -f names.awk -f chart.awk BENCH.json

function add(work, server, value) {
	if (!(work in count))
		works[++nworks] = work
	n = ++count[work]
	servers[work, n] = server
	values[work, n] = value
	if (value > most[work])
		most[work] = value
	rows++
}

function amount(value) {
	if (value >= 1e6)
		return sprintf("%.2f M", value / 1e6)
	return value >= 1e4 ? sprintf("%.0f k", value / 1e3) : \
	    value >= 100 ? sprintf("%.0f ", value) : sprintf("%.2f ", value)
}

function text(x, y, class, s) {
	printf "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", x, y,
	    class, s
}

BEGIN {
	colours["vrngd"] = "#2f6f4f"
	colours["polling"] = "#3f9f6f"
	colours["drbg"] = "#6fbf8f"
	colours["polling-drbg"] = "#8fcfaf"
}

/^"cpu"/ { cpu = field("cpu") }
/^"cpus"/ { cpus = field("cpus") }

/^[{]"work"/ {
	work = field("work")
	metric = field("metric")
	if (!(work in titles) || work ~ /^many/)
		next
	if (work == "big" && metric == "mb_per_s")
		add(work, field("server"), field("median") * 1e6)
	else if (work == "guest" && metric == "seconds")
		add(work, field("server"), 5000 / field("median"))
	else if (work != "big" && metric == "requests_per_s")
		add(work, field("server"), field("median") + 0)
}

END {
	width = 720
	left = 150
	room = 440
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" " \
	    "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
	    width, 50 + nworks * 32 + rows * 18
	print "<style>.t{font-weight:bold}.n{text-anchor:end}</style>"
	print "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
	text(10, 20, "t", "What a guest gets: medians, longer is better; " \
	    "each work has a scale of its own")
	text(10, 36, "", cpu ", " cpus " CPUs")
	y = 50
	for (i = 1; i <= nworks; i++) {
		work = works[i]
		text(10, y + 18, "t", titles[work])
		y += 26
		for (j = 1; j <= count[work]; j++) {
			server = servers[work, j]
			text(left - 6, y + 12, "n",
			    server_name(server))
			printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" " \
			    "height=\"14\" fill=\"%s\"/>\n", left, y,
			    room * values[work, j] / most[work],
			    server in colours ? colours[server] : "#a0a8b0"
			text(left + 6 + room * values[work, j] / most[work],
			    y + 12, "", amount(values[work, j]) \
			    (work == "big" ? "B/s" : work == "guest" ? \
			    "reads/s" : "requests/s"))
			y += 18
		}
		y += 6
	}
	print "</svg>"
}
