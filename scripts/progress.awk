# progress.awk: reads what `make check` prints as it goes, for check.
#
# Shows a line for each program, and each test that did not pass.  Leaves the
# numbers of tests that passed and that failed in the file `counts`, the tests
# that were skipped in the file `skipped`, those that failed in `failures`.
#
# With VERBOSE the logs of programs that have failed follow, before the summary:
# their tests have been counted.

function done_with_program() {
	if (program != "")
		print "        " program ": " count
	fflush()
}

/: \.\/test-suite\.log$/ { logs = 1 }
/^Testsuite summary / { logs = 0 }
logs { next }

/^(PASS|FAIL|SKIP|ERROR|XPASS|XFAIL): / {
	if ($2 != program) {
		done_with_program()
		count = 0
	}
	program = $2
	count++
	if ($1 == "PASS:") {
		good++
		next
	}
	print
	if ($1 == "SKIP:")
		print substr($0, 7) >skipped
	else if ($1 != "XFAIL:") {
		print >failures
		bad++
	}
}

END {
	done_with_program()
	print good + 0, bad + 0 >counts
}
