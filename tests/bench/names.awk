# names.awk: what the other programs share: how works and servers are called,
# and how the lines of bench.json are read.

# A member of the object that stands on this line.
function field(name,    s) {
	if (!match($0, "\"" name "\": \"?[^,}\"]*"))
		return ""
	s = substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 4)
	sub(/^"/, "", s)
	return s
}

function title(work) { return work in titles ? titles[work] : work }

function server_name(server) {
	return server in names ? names[server] : server
}

BEGIN {
	titles["wait"] = "64 B, depth 1"
	titles["poll"] = "64 B, depth 1, guest polls"
	titles["wait16"] = "64 B, depth 16"
	titles["poll16"] = "64 B, depth 16, guest polls"
	titles["mid"] = "4 KiB, depth 16"
	titles["limit"] = "1 KiB, depth 4, 8 guests at a limit"
	titles["big"] = "64 KiB, depth 16"
	titles["egd"] = "EGD, 64 B"
	titles["egd-poll"] = "EGD, 64 B, client polls"
	titles["egd8"] = "EGD, 64 B, 8 clients"
	titles["many10"] = "64 B, depth 1, 10 guests"
	titles["many1000"] = "64 B, depth 1, 1,000 guests"
	titles["shares10"] = "256 B, depth 256, 16 guests at a limit, 10 s"
	titles["shares1"] = "256 B, depth 256, 16 guests at a limit, 1 s"
	titles["guest"] = "5,000 reads of 64 B in a guest under QEMU"
	names["polling"] = "vrngd, polling"
	names["drbg"] = "vrngd, drbg"
	names["polling-drbg"] = "vrngd, polling, drbg"
	names["egd"] = "vrngd, EGD"
	names["egd-polling"] = "vrngd, EGD, polling"
	names["limited"] = "vrngd, 4 MiB/s"
	names["peer"] = "vhost-device-rng"
	names["egd-full"] = "QEMU's EGD, bytes always there"
	names["plain-loop"] = "plain EGD loop"
	names["read-loop"] = "plain read loop"
}
