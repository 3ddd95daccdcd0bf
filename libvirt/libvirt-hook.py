"""libvirt-hook.py VRNGCTL DOMAIN OPERATION: adds, checks or removes the guest
that the metadata of a domain describes, whose XML is on standard input.

Run by libvirt's hook (hook.in) for domains with such metadata.  The operation
is prepare, reconnect or release.  Exits with 1 and the reason on standard error
if the domain cannot have the guest; prints nothing else.

The hook creates the socket, and vrngd adopts it, as it adopts those of systemd's
units: it is then kept over a restart of vrngd.  A file in OWNERS for each guest
that was added has the UUID of its domain: only that domain removes the guest.
"""

import errno
import grp
import json
import os
import re
import socket
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

RUN = "/run/vrngd"
OWNERS = RUN + "/libvirt"
GUEST = "{urn:vrngd:libvirt:1}guest"
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
ATTRIBUTES = ("name", "pool", "class", "socket", "group")
NAME_MAX = 63  # characters, as in vrngd.conf
PATH_MAX = 107  # bytes of a unix socket's path
BACKLOG = 16  # as vrngd-guest@.socket
SECONDS = 20  # for vrngctl


class Refused(Exception):
    """The domain cannot have the guest; the text is the reason."""


class Builder(ElementTree.TreeBuilder):
    """Rejects entities: libvirt writes no DOCTYPE."""

    def doctype(self, *_):
        raise Refused("XML has a DOCTYPE")


class Guest:
    """What the XML says, with the defaults."""

    def __init__(self, element, root):
        for key in element.keys():
            if key not in ATTRIBUTES:
                raise Refused(
                    f"unknown attribute {key} of <vrngd:guest>: "
                    f"it has {', '.join(ATTRIBUTES)}"
                )
        self.uuid = root.findtext("uuid", "")
        self.name = element.get("name", root.findtext("name", ""))
        self.pool = element.get("pool", "")
        self.klass = element.get("class", "")
        self.group = element.get("group", "kvm")
        check_name("guest", self.name, "name")
        for what, name in (("pool", self.pool), ("class", self.klass)):
            if name:
                check_name(what, name, what)
        self.path = socket_path(element.get("socket"), root)
        self.owner = f"{OWNERS}/{self.name}.domain"


def check_name(what, name, attribute):
    if re.fullmatch(r"[A-Za-z0-9._-]{1,%d}" % NAME_MAX, name):
        return
    valid = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:NAME_MAX] or "vm1"
    raise Refused(
        f"{what} {ascii(name)}: names may contain only letters, digits, '.', "
        f"'_' and '-', and at most {NAME_MAX} characters: "
        f"use {attribute}='{valid}' in <vrngd:guest>"
    )


def options(text, first):
    """The value of an option of QEMU: JSON, or key=value with doubled commas."""
    if text.startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            return {}
    words = text.replace(",,", "\0").split(",")
    pairs = [w.replace("\0", ",").partition("=") for w in words]
    found = {key: value for key, equals, value in pairs if equals}
    if not pairs[0][1]:
        found[first] = pairs[0][0]
    return found


def device_paths(root):
    """The sockets of all vhost-user-rng devices of <qemu:commandline>."""
    args = [
        a.get("value", "") for a in root.findall(f"{QEMU}commandline/{QEMU}arg")
    ]
    pairs = list(zip(args, args[1:]))
    chardevs = [options(v, "backend") for o, v in pairs if o == "-chardev"]
    devices = [options(v, "driver") for o, v in pairs if o == "-device"]
    return [
        c.get("path", "")
        for d in devices
        if str(d.get("driver", "")).startswith("vhost-user-rng")
        for c in chardevs
        if c.get("id") == d.get("chardev")
    ]


def socket_path(given, root):
    paths = device_paths(root)
    if not paths and root.find("devices/rng/backend[@model='egd']") is not None:
        raise Refused(
            "<vrngd:guest> is for vhost-user: remove it, and set the class of "
            "the EGD socket in vrngd.conf, or use the device that vrngctl "
            "libvirt-xml prints"
        )
    if given is None and len(paths) != 1:
        raise Refused(
            f"{len(paths)} vhost-user-rng devices in <qemu:commandline>, "
            "expected 1: add the one that vrngctl libvirt-xml prints, or "
            "socket='PATH' to <vrngd:guest>"
        )
    path = paths[0] if given is None else given
    if given is not None and paths and given not in paths:
        raise Refused(
            f"socket='{given}' differs from path={paths[0]} of the "
            "vhost-user-rng device: remove it"
        )
    return path


def read_guest(stream):
    """The guest of the domain on standard input, None if it has none."""
    parser = ElementTree.XMLParser(target=Builder())
    try:
        root = ElementTree.parse(stream, parser).getroot()
    except ElementTree.ParseError as e:
        raise Refused(f"invalid XML: {e}") from None
    element = root.find(f"metadata/{GUEST}")
    return None if element is None else Guest(element, root)


def vrngctl(*args, fds=()):
    """Its output, or its error as the reason."""
    # Descriptors are passed as sd_listen_fds(3) describes, under its own pid.
    command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', sys.argv[1]]
    try:
        done = subprocess.run(
            command + list(args),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=fds,
            env={"LC_ALL": "C", "LISTEN_FDS": str(len(fds))},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"vrngd did not answer in {SECONDS} s") from None
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()
        raise Refused(text.removeprefix("vrngctl: "))
    return done.stdout


def find_guests(guest):
    """The guests of vrngd with the name or with the socket of that guest."""
    status = json.loads(vrngctl("status", "--json"))
    for pool in status["pools"]:
        for g in pool["guests"]:
            if g["name"] == guest.name or g["socket"] == guest.path:
                yield dict(g, pool=pool["name"])


def is_added(guest, found):
    """Whether vrngd.conf or a unit has this guest, so that there is none to add.

    Refuses if that differs from what the domain says.
    """
    for g in found:
        if g["name"] != guest.name:
            raise Refused(
                f"socket {guest.path} is used by guest {g['name']}: use another "
                f"path, such as {RUN}/{guest.name}.sock"
            )
        if g["socket"] is None:
            continue  # socket = systemd
        if g["socket"] != guest.path:
            raise Refused(
                f"guest {guest.name} exists with socket {g['socket']}: use that "
                "path, or remove the guest from vrngd"
            )
        if (guest.klass or None) != g["class"] or guest.pool not in (
            "",
            g["pool"],
        ):
            raise Refused(
                f"guest {guest.name} exists in class {g['class'] or '(none)'} "
                f"of pool {g['pool']}: remove it from vrngd, or use these in "
                "<vrngd:guest>"
            )
        return True
    return False


def owner_of(guest):
    try:
        with open(guest.owner, encoding="ascii") as f:
            return f.readline().rstrip("\n")
    except FileNotFoundError:
        return None


def make_owner(guest):
    os.makedirs(OWNERS, mode=0o700, exist_ok=True)
    try:
        with open(guest.owner, "x", encoding="ascii") as f:
            f.write(guest.uuid + "\n")
    except FileExistsError:
        raise Refused(
            f"guest {guest.name} belongs to domain {owner_of(guest)}: use "
            f"another name in <vrngd:guest>, or remove {guest.owner} if that "
            "domain does not run"
        ) from None


def unlink(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def check_path(path):
    """A domain cannot have root create or remove other files."""
    if (
        not re.fullmatch(re.escape(RUN) + r"/[^/\0-\x1f\x7f]+\.sock", path)
        or len(os.fsencode(path)) > PATH_MAX
    ):
        raise Refused(
            f"socket {ascii(path)} must be {RUN}/NAME.sock, "
            f"and at most {PATH_MAX} bytes"
        )


def unlink_unused(path):
    """Removes a socket that a process has left, and no other file."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(mode):
        with socket.socket(socket.AF_UNIX) as s:
            s.setblocking(False)
            if s.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)
                return
    raise Refused(f"{path} is used by another program: use another path")


def listen(guest):
    """A socket for QEMU, which is in the group."""
    try:
        gid = grp.getgrnam(guest.group).gr_gid
    except KeyError:
        raise Refused(
            f"unknown group {ascii(guest.group)}: use group='GROUP' in "
            "<vrngd:guest> with the group of QEMU"
        ) from None
    check_path(guest.path)
    unlink_unused(guest.path)
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    os.umask(0o177)
    s.bind(guest.path)
    os.chown(guest.path, 0, gid)
    os.chmod(guest.path, 0o660)
    s.listen(BACKLOG)
    return s


def add(guest):
    args = ["guest", "adopt", guest.name]
    wanted = []
    for key, value in (("pool", guest.pool), ("class", guest.klass)):
        if value:
            args += [f"--{key}", value]
            wanted.append(f"{key}='{value}'")
    make_owner(guest)
    try:
        s = listen(guest)
    except BaseException:
        unlink(guest.owner)
        raise
    try:
        with s:
            os.dup2(s.fileno(), 3)
            vrngctl(*args, fds=(3,))
    except Refused as e:
        unlink(guest.path)
        unlink(guest.owner)
        raise Refused(f"{e} ({' '.join(wanted) or 'no class'})") from None
    except BaseException:
        unlink(guest.path)
        unlink(guest.owner)
        raise


def prepare(guest):
    # libvirt has not called release if it died.
    release(guest)
    if not is_added(guest, find_guests(guest)):
        add(guest)


def reconnect(guest):
    # Fails, and changes nothing, while vrngd does not run.
    found = list(find_guests(guest))
    if owner_of(guest) != guest.uuid or not any(
        g["name"] == guest.name and g["socket"] == guest.path for g in found
    ):
        prepare(guest)


def release(guest):
    if owner_of(guest) != guest.uuid:
        return
    try:
        vrngctl("guest", "remove", guest.name)
    except Refused:
        pass  # vrngd does not have it, or drops it when it finds no socket
    unlink(guest.path)
    unlink(guest.owner)


def main():
    domain, operation = sys.argv[2:4]
    try:
        guest = read_guest(sys.stdin.buffer)
        if guest is not None:
            {"prepare": prepare, "reconnect": reconnect, "release": release}[
                operation
            ](guest)
    except (Refused, OSError) as e:
        print(f"vrngd: domain {domain}: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
