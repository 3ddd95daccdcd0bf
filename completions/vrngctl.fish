# fish completion for vrngctl(8)

# Queries the daemon, at the sockets on the command line, for the names of
# guests, classes, pools, sources or services.
function __vrngctl_names
    set -l sockets
    set -l words (commandline -opc)
    for i in (seq 2 (count $words))
        switch $words[$i]
            case -s --control --status
                set -a sockets $words[$i] $words[(math $i + 1)]
        end
    end 2>/dev/null
    vrngctl $sockets names $argv[1] 2>/dev/null
end

# Whether the words before the cursor, without options and their values, are
# these.
function __vrngctl_at
    set -l operands
    set -l words (commandline -opc)
    set -l skip 0
    for word in $words[2..-1]
        if test $skip -eq 1
            set skip 0
            continue
        end
        switch $word
            case -s --control --status --socket --class --pool --memory --service
                set skip 1
            case '-*'
            case '*'
                set -a operands $word
        end
    end
    test "$operands" = "$argv"
end

# Whether these are the first of them.
function __vrngctl_in
    string match -q -- "* $argv *" " "(string join -- ' ' (commandline -opc))" "
end

complete -c vrngctl -f
complete -c vrngctl -s s -l control -rF -d 'control socket'
complete -c vrngctl -l status -rF -d 'monitoring socket'
complete -c vrngctl -s h -l help -d 'print the help'
complete -c vrngctl -s V -l version -d 'print the version'

complete -c vrngctl -n '__vrngctl_at' -a status -d 'show pools, sources, classes, guests and services'
complete -c vrngctl -n '__vrngctl_at' -a why -d 'print why a guest or service waits'
complete -c vrngctl -n '__vrngctl_at' -a top -d 'show the status once per second'
complete -c vrngctl -n '__vrngctl_at' -a metrics -d 'print metrics for Prometheus'
complete -c vrngctl -n '__vrngctl_at' -a monitor -d 'print events as they happen'
complete -c vrngctl -n '__vrngctl_at' -a reload -d 'reload the configuration'
complete -c vrngctl -n '__vrngctl_at' -a guest -d 'list, add, adopt or remove guests'
complete -c vrngctl -n '__vrngctl_at' -a source -d 'test a failed source again'
complete -c vrngctl -n '__vrngctl_at' -a log -d 'set the log level'
complete -c vrngctl -n '__vrngctl_at' -a qemu-args -d 'print options for QEMU'
complete -c vrngctl -n '__vrngctl_at' -a libvirt-xml -d 'print domain XML for libvirt'
complete -c vrngctl -n '__vrngctl_at' -a firecracker-args -d 'print the vsock device for Firecracker'

complete -c vrngctl -n '__vrngctl_at status; or __vrngctl_at why; or __vrngctl_at monitor' -a '(__vrngctl_names guests; __vrngctl_names services)'
complete -c vrngctl -n '__vrngctl_in status; or __vrngctl_in monitor' -l json -d 'as JSON'
complete -c vrngctl -n '__vrngctl_in status' -l clients -d 'list all clients'
complete -c vrngctl -n '__vrngctl_in top' -l once -d 'print it once'
complete -c vrngctl -n '__vrngctl_in metrics' -l openmetrics -d 'as OpenMetrics'
complete -c vrngctl -n '__vrngctl_in metrics' -l http -d 'answer a request of HTTP'
complete -c vrngctl -n '__vrngctl_in metrics' -l guests -d 'also of each guest'
complete -c vrngctl -n '__vrngctl_in reload' -l dry-run -d 'only show what would change'
complete -c vrngctl -n '__vrngctl_at guest' -a 'list add adopt remove release'
complete -c vrngctl -n '__vrngctl_at guest remove; or __vrngctl_at guest release' -a '(__vrngctl_names guests)'
complete -c vrngctl -n '__vrngctl_in guest add' -l socket -rF -d 'path of the new socket'
complete -c vrngctl -n '__vrngctl_in guest add; or __vrngctl_in guest adopt' -l class -x -a '(__vrngctl_names classes)'
complete -c vrngctl -n '__vrngctl_in guest add; or __vrngctl_in guest adopt; or __vrngctl_in source retest; or __vrngctl_in monitor' -l pool -x -a '(__vrngctl_names pools)'
complete -c vrngctl -n '__vrngctl_at source' -a retest
complete -c vrngctl -n '__vrngctl_at source retest' -a '(__vrngctl_names sources)'
complete -c vrngctl -n '__vrngctl_at log' -a 'error warning info debug'
complete -c vrngctl -n '__vrngctl_at qemu-args; or __vrngctl_at libvirt-xml; or __vrngctl_at firecracker-args' -a '(__vrngctl_names guests)'
complete -c vrngctl -n '__vrngctl_in qemu-args; or __vrngctl_in libvirt-xml' -l egd -d 'for its EGD socket'
complete -c vrngctl -n '__vrngctl_in qemu-args; or __vrngctl_in libvirt-xml' -l service -x -a '(__vrngctl_names services)'
complete -c vrngctl -n '__vrngctl_in qemu-args' -l memory -x -a '512M 1G 2G 4G'
